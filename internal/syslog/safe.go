package syslog

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// AppendSafe appends text so that it is valid UTF-8 and safe to print: each
// byte of a control character other than tab (C0, DEL, C1) and each byte that
// is no UTF-8 becomes \xNN, in lower case. A backslash in the text stays as it
// is, so that what was escaped can be told from what was written so only by
// the original. text and dst must not overlap.
func AppendSafe(dst, text []byte) []byte {
	for {
		n := safeLen(text)
		dst = append(dst, text[:n]...)
		if n == len(text) {
			return dst
		}
		text = text[n:]
		_, size := utf8.DecodeRune(text)
		for _, c := range text[:size] {
			dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		}
		text = text[size:]
	}
}

const hexDigits = "0123456789abcdef"

// safeLen is the length of the longest start of b that may stay as it is.
func safeLen(b []byte) int {
	i := 0
	for {
		i += printableLen(b[i:])
		for i < len(b) && (b[i] >= utf8.RuneSelf || b[i] == '\t') {
			n := runeLen(b[i:])
			if n == 0 {
				return i
			}
			i += n
		}
		if i == len(b) || b[i] < ' ' || b[i] == 0x7f {
			return i
		}
	}
}

// runeLen is the length of the character at the start of b, a tab or one
// outside ASCII; 0 where it is C1 or no UTF-8.
func runeLen(b []byte) int {
	switch c := b[0]; {
	case c == '\t':
		return 1
	case c >= 0xc2 && c < 0xe0: // U+0080 to U+07FF
		if len(b) < 2 || b[1]&0xc0 != 0x80 || c == 0xc2 && b[1] < 0xa0 {
			return 0
		}
		return 2
	}
	_, n := utf8.DecodeRune(b)
	if n == 1 {
		return 0
	}
	return n
}

// printableLen is the length of the run of printable ASCII at the start of b.
func printableLen(b []byte) int {
	i := 0
	for ; i+32 <= len(b); i += 32 {
		w := b[i : i+32 : i+32]
		if notPrintable(binary.LittleEndian.Uint64(w))|
			notPrintable(binary.LittleEndian.Uint64(w[8:]))|
			notPrintable(binary.LittleEndian.Uint64(w[16:]))|
			notPrintable(binary.LittleEndian.Uint64(w[24:])) != 0 {
			break
		}
	}
	for ; i+8 <= len(b); i += 8 {
		if found := notPrintable(binary.LittleEndian.Uint64(b[i:])); found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] < 0x7f {
		i++
	}
	return i
}

// notPrintable raises the top bit of each of the eight bytes in x that is not
// 0x20 to 0x7e. Above the lowest such byte the answer may be wrong: a carry or
// borrow passes on.
func notPrintable(x uint64) uint64 {
	const ones = 0x0101010101010101
	return (x | (x - ' '*ones) | (x + ones)) & topBits
}
