package syslog

import "bytes"

// verdict is what digits at the start of a frame are.
type verdict int

const (
	undecided verdict = iota // the bytes at hand may become either
	isCount                  // an octet count
	isText                   // text
)

// readCount reads an octet count at the start of b: one to seven digits and a
// blank, which "<" or a BOM must follow, or anything where the stream has
// used octet counts before. head is the length of digits and blank.
//
// A count of zero is an empty frame; it is followed by the next count as well.
func readCount(b []byte, counted, eof bool) (count, head int, v verdict) {
	digits := 0
	for digits < len(b) && digits <= maxCountDigits && isDigit(b[digits]) {
		count = count*10 + int(b[digits]-'0')
		digits++
	}
	switch {
	case digits > maxCountDigits:
		return 0, 0, isText
	case digits == len(b):
		return 0, 0, undecided
	case digits == 0, b[digits] != ' ':
		return 0, 0, isText
	}
	head = digits + 1
	b = b[head:]
	switch {
	case counted:
		return count, head, isCount
	case len(b) == 0:
		return 0, 0, undecided
	case b[0] == '<', bytes.HasPrefix(b, bom):
		return count, head, isCount
	case !eof && bytes.HasPrefix(bom, b):
		return 0, 0, undecided
	case count == 0 && isDigit(b[0]):
		next, _, v := readCount(b, false, eof)
		if v != isCount || next > 0 {
			return 0, head, v
		}
	}
	return 0, 0, isText
}
