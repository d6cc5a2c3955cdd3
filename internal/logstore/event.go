package logstore

import (
	"bytes"
	"errors"
)

// An event is what one log call wrote: mostly one line, but a traceback has
// many. Its lines stand one behind the other.
const (
	eventLines = 1000 // of one event
	eventBack  = 300  // lines before a line in which its event's first one is looked for
)

// eventRule tells which lines go on with the event of the line before them.
type eventRule struct {
	host, program, pid []byte
	traceback          traceback
	grave              bool // the last line says warning or worse
	any                bool // there is a line before
}

// traceback is where in one of Python's tracebacks the last line was.
type traceback uint8

const (
	noTraceback traceback = iota
	inFrames              // the head, or a line of a frame
	atException           // the exception: more of its text may follow, or a further traceback
)

// goesOn tells whether the line with these columns belongs to the event of the
// line before it, and takes it in.
func (r *eventRule) goesOn(c *Columns) bool {
	same := r.any && bytes.Equal(r.host, c.Host) && bytes.Equal(r.program, c.Program) && bytes.Equal(r.pid, c.PID)
	text := c.Text
	on := false
	next := noTraceback
	switch {
	case len(text) == 0:
		on = same && r.traceback != noTraceback
		next = r.traceback
	case text[0] == ' ' || text[0] == '\t':
		on = same
		// What is indented behind an exception is more of its text, or frames of one
		// of Java's, which no exception ends.
		next = r.traceback
	case bytes.HasPrefix(text, []byte("Traceback (most recent call last)")):
		on = same && (r.grave || r.traceback == atException)
		next = inFrames
	case bytes.HasPrefix(text, []byte("During handling of the above exception")),
		bytes.HasPrefix(text, []byte("The above exception was the direct cause")),
		bytes.HasPrefix(text, []byte("Caused by: ")):
		on = same
		next = atException
	case r.traceback == inFrames && same:
		on = true
		next = atException
	}
	if !on && next != inFrames {
		next = noTraceback
	}
	l, _ := LevelOf(c.Program, text)
	r.grave = l >= LevelWarning && next == noTraceback
	// The columns may point into a buffer that is read into anew.
	r.host = append(r.host[:0], c.Host...)
	r.program = append(r.program[:0], c.Program...)
	r.pid = append(r.pid[:0], c.PID...)
	r.traceback, r.any = next, true
	return on
}

// eventStart is the offset of the first line of the event that the line at off
// belongs to.
func (w *window) eventStart(off int64) (int64, error) {
	from, err := w.back(off, eventBack)
	if err != nil {
		return off, err
	}
	var rule eventRule
	start := from
	err = w.each(from, off+1, func(p place, raw []byte) error {
		c := w.lines.Columns(raw)
		if !rule.goesOn(&c) {
			start = p.start
		}
		return nil
	})
	return start, err
}

// event calls fn for the lines of the event that begins at start.
func (w *window) event(start int64, fn func(p place, raw []byte) error) error {
	var rule eventRule
	n := 0
	err := w.each(start, w.t.End(), func(p place, raw []byte) error {
		c := w.lines.Columns(raw)
		if on := rule.goesOn(&c); n > 0 && !on || n == eventLines {
			return errEnough
		}
		n++
		return fn(p, raw)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return err
}
