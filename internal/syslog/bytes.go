package syslog

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

var bom = []byte("\xef\xbb\xbf")

func isDigit(c byte) bool { return c-'0' <= 9 }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// skipLead drops what may stand before a message: line ends, NULs, blanks and
// byte order marks.
func skipLead(b []byte) []byte {
	for len(b) > 0 {
		switch b[0] {
		case '\n', '\r', 0, ' ', '\t':
			b = b[1:]
		case bom[0]:
			if !bytes.HasPrefix(b, bom) {
				return b
			}
			b = b[len(bom):]
		default:
			return b
		}
	}
	return b
}

// trimEnd drops the trailing run of line ends and NULs.
func trimEnd(b []byte) []byte {
	for len(b) > 0 {
		switch b[len(b)-1] {
		case '\n', '\r', 0:
			b = b[:len(b)-1]
		default:
			return b
		}
	}
	return b
}

// wordEnd is where the first blank of b is, or the end.
func wordEnd(b []byte) int {
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return i
	}
	return len(b)
}

// blankWithin8 is where the first blank of b is, -1 where it is none of the first
// eight bytes, or b is shorter.
func blankWithin8(b []byte) int {
	if len(b) < 8 {
		return -1
	}
	const ones = 0x0101010101010101
	x := binary.LittleEndian.Uint64(b) ^ ' '*ones
	if x = (x - ones) &^ x & topBits; x != 0 {
		return bits.TrailingZeros64(x) / 8
	}
	return -1
}

// class tells what a byte may be part of.
type class uint8

const (
	inSDName  class = 1 << iota // RFC 5424, section 6.3.2, and bytes outside ASCII
	inProgram                   // the name of a program in a tag
	letter                      // of any language
)

var classes = func() (t [256]class) {
	for i := range t {
		c := byte(i)
		if c <= ' ' || c == 0x7f {
			continue
		}
		if bytes.IndexByte([]byte(`="]`), c) < 0 {
			t[i] |= inSDName
		}
		// What is left out is never in a program's name, but often in text.
		if bytes.IndexByte([]byte(`"',;<>={}|`), c) < 0 {
			t[i] |= inProgram
		}
		if isLetter(c) || c >= 0x80 {
			t[i] |= letter
		}
	}
	return t
}()

// Text is what is kept of a text: without a byte order mark, and without line
// ends and NULs at its end.
func Text(b []byte) []byte { return bytes.TrimPrefix(trimEnd(b), bom) }
