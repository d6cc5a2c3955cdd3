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
// A count of zero is an empty frame: a count that is not zero may follow it, too.
func readCount(b []byte, counted, eof bool) (count, head int, v verdict) {
	count, head, v = readDigits(b)
	if v != isCount || counted {
		return count, head, v
	}
	v = readBehindCount(b[head:], eof)
	if v == isText && count == 0 {
		next, n, w := readDigits(b[head:])
		switch {
		case w == isCount && next > 0:
			v = readBehindCount(b[head+n:], eof)
		case w == undecided:
			v = undecided
		}
	}
	return count, head, v
}

// readDigits reads the digits and the blank of a count.
func readDigits(b []byte) (count, head int, v verdict) {
	n := 0
	for n < len(b) && n <= maxCountDigits && isDigit(b[n]) {
		count = count*10 + int(b[n]-'0')
		n++
	}
	switch {
	case n > maxCountDigits:
		return 0, 0, isText
	case n == len(b):
		return 0, 0, undecided
	case n == 0, b[n] != ' ':
		return 0, 0, isText
	}
	return count, n + 1, isCount
}

// readBehindCount tells by what follows whether digits and a blank are a count.
func readBehindCount(b []byte, eof bool) verdict {
	switch {
	case len(b) == 0:
		return undecided
	case b[0] == '<', bytes.HasPrefix(b, bom):
		return isCount
	case !eof && bytes.HasPrefix(bom, b):
		return undecided
	}
	return isText
}
