package delivery

import (
	"bytes"
	"unicode/utf8"
)

// A line too long for one message comes as several, with these at the cuts.
const (
	ContinuesMark = " [line continues]"
	ContinuedMark = "[line continued] "
)

// Lines cuts the lines of a batch into texts of messages.
type Lines struct {
	Data      []byte // what Next has not given out yet
	MaxLine   int    // longer lines come in pieces
	Continues bool   // Data begins within a line
	Cut       bool   // Data ends within a line that goes on elsewhere
	KeepBlank bool   // empty lines are messages too

	// Marked is memory for the pieces of long lines, which get their marks there.
	Marked []byte
}

// Next gives the next text, which is a part of Data, or of Marked, and how many
// bytes of Data lie up to its end: those of blank lines before it too. ok is
// false when no text is left; size is then what is left of Data.
func (l *Lines) Next() (text []byte, size int, ok bool) {
	for len(l.Data) > 0 {
		line, n, more := l.cut()
		l.Data = l.Data[n:]
		size += n
		if !more {
			for len(line) > 0 && line[len(line)-1] == '\r' {
				line = line[:len(line)-1]
			}
		}
		if !more && !l.Continues {
			if len(line) == 0 && !l.KeepBlank {
				continue
			}
			return line, size, true
		}
		return l.piece(line, more), size, true
	}
	return nil, size, false
}

// cut finds the line at the start of Data, without its LF, or a piece of it.
func (l *Lines) cut() (line []byte, n int, more bool) {
	within := l.Data[:min(len(l.Data), l.MaxLine+1)]
	if end := bytes.IndexByte(within, '\n'); end >= 0 {
		return l.Data[:end], end + 1, false
	}
	if len(within) > l.MaxLine {
		n = CutPoint(l.Data, l.MaxLine)
		return l.Data[:n], n, true
	}
	return l.Data, len(l.Data), l.Cut
}

// piece adds the marks.
func (l *Lines) piece(line []byte, more bool) []byte {
	start := len(l.Marked)
	if l.Continues {
		l.Marked = append(l.Marked, ContinuedMark...)
	}
	l.Marked = append(l.Marked, line...)
	if more {
		l.Marked = append(l.Marked, ContinuesMark...)
	}
	l.Continues = more
	return l.Marked[start:len(l.Marked):len(l.Marked)]
}

// CutPoint is where to cut p, which is longer than limit: at limit, or up to 3
// bytes before it so that no UTF-8 character is cut in two. It depends on no
// byte behind limit.
func CutPoint(p []byte, limit int) int {
	if utf8.RuneStart(p[limit]) {
		return limit
	}
	for n := limit - 1; n > 0 && n > limit-utf8.UTFMax; n-- {
		if utf8.RuneStart(p[n]) {
			if n+runeLen(p[n]) > limit {
				return n
			}
			break
		}
	}
	return limit
}

// runeLen is how long a UTF-8 character is that begins with b.
func runeLen(b byte) int {
	switch {
	case b >= 0xf0:
		return 4
	case b >= 0xe0:
		return 3
	case b >= 0xc0:
		return 2
	}
	return 1
}
