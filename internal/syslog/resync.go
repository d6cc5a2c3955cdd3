package syslog

import (
	"bytes"
	"errors"
)

var errFraming = errors.New("syslog framing lost: neither an octet count nor the start of a line to go on from")

const maxErrorsInRow = 10

// resync answers to a framing error at b[0]: it cuts what stands before the
// next place that a frame can begin at.
func (f *Framer) resync(b []byte, eof bool) (frame []byte, n int, flags Flags, more bool) {
	limit := f.max()
	end, found := f.findPoint(b)
	if !found && !eof && len(b) < limit+slack {
		return nil, 0, 0, true
	}
	f.Errors++
	f.inRow++
	if f.inRow >= maxErrorsInRow {
		f.err = errFraming
	}
	flags = FramingError
	if end > limit {
		f.err = errFraming
		return b[:limit:limit], len(b), flags | Truncated, false
	}
	if !found {
		flags |= Unterminated
	}
	return trimEnd(b[:end:end]), end, flags, false
}

// findPoint finds where a frame can begin behind b[0]: at an octet count with
// a priority behind it, or behind a LF at a digit or "<".
func (f *Framer) findPoint(b []byte) (at int, found bool) {
	at = len(b)
	for i := int(max(f.point-f.off, 0)); ; i++ {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			f.point = f.off + int64(len(b))
			break
		}
		i += k
		f.point = f.off + int64(i)
		if i+1 == len(b) {
			break
		}
		if c := b[i+1]; c == '<' || isDigit(c) {
			at, found = i+1, true
			break
		}
	}
	if i := f.findHeader(b[:at]); i >= 0 {
		return i, true
	}
	return at, found
}

// findHeader finds an octet count, its blank and a whole priority in b, which
// is the stream from f.off on; -1: there is none.
func (f *Framer) findHeader(b []byte) int {
	from := int(max(f.header-f.off, 0))
	for from < len(b) {
		i := bytes.IndexByte(b[from:], '<')
		if i < 0 {
			break
		}
		i += from
		from = i + 1
		if !startsWithPri(b[i:]) || i < 2 || b[i-1] != ' ' {
			continue
		}
		first := i - 1
		for first > 0 && i-first <= maxCountDigits+1 && isDigit(b[first-1]) {
			first--
		}
		if i-1-first > maxCountDigits {
			continue
		}
		for b[first] == '0' {
			first++
		}
		if first < i-1 {
			f.header = f.off
			return first
		}
	}
	// A "<" near the end may yet get its digits.
	f.header = f.off + int64(max(len(b)-4, 0))
	return -1
}

// startsWithPri tells whether b begins with "<", one to three digits and ">".
func startsWithPri(b []byte) bool {
	for i := 1; i < len(b) && i <= 4; i++ {
		if b[i] == '>' {
			return i > 1
		}
		if !isDigit(b[i]) {
			return false
		}
	}
	return false
}
