package syslog

import (
	"encoding/binary"
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
		if i == len(b) {
			return i
		}
		switch c := b[i]; {
		case c == '\t':
			i++
		case c < utf8.RuneSelf:
			return i
		default:
			r, size := utf8.DecodeRune(b[i:])
			if size == 1 || r < 0xa0 {
				return i
			}
			i += size
		}
	}
}

// printableLen is the length of the run of printable ASCII at the start of b.
func printableLen(b []byte) int {
	const (
		ones  = 0x0101010101010101
		space = 0x20 * ones
		del   = 0x7f * ones
	)
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		// A byte's top bit comes up where it is >= 0x80, < 0x20, or DEL.
		if (x|(x-space)|(x+ones))&topBits != 0 {
			break
		}
		_ = del
	}
	for i < len(b) && b[i] >= ' ' && b[i] < 0x7f {
		i++
	}
	return i
}
