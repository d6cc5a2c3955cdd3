package logstore

import (
	"bytes"
	"errors"
)

// An event is what one log call wrote: mostly one line, but a traceback has
// many. Its lines have one writer: host, program and process; lines of others may
// stand between them.
const (
	eventLines = 1000 // of one event
	eventReach = 1000 // lines of others that stand between two of them
)

// eventBack are how many lines before a line are looked at for its event's first
// one: more, if that is not sure yet.
var eventBack = [...]int{8, 60, 400, 2000}

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

// same tells whether the line with these columns has the writer of the last one.
func (r *eventRule) same(c *Columns) bool {
	return bytes.Equal(r.host, c.Host) && bytes.Equal(r.program, c.Program) && bytes.Equal(r.pid, c.PID)
}

// goesOn tells whether the line with these columns belongs to the event of the
// line before it, and takes it in.
func (r *eventRule) goesOn(c *Columns) bool {
	same := r.any && r.same(c)
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

// plainText tells of a line, by what it says, that it is not the rest of an event
// unless the line before it is inside of one, and that it is not the inside.
func plainText(text []byte) bool {
	return len(text) > 0 && text[0] != ' ' && text[0] != '\t' &&
		!bytes.HasPrefix(text, []byte("Traceback (most recent call last)")) &&
		!bytes.HasPrefix(text, []byte("During handling of the above exception")) &&
		!bytes.HasPrefix(text, []byte("The above exception was the direct cause")) &&
		!bytes.HasPrefix(text, []byte("Caused by: "))
}

// eventOf gives the lines of the event that the line raw at p belongs to, from the
// first one on. The slice is valid until the next call.
func (w *window) eventOf(p place, raw []byte) ([]place, error) {
	start, err := w.eventStart(p, raw)
	if err != nil {
		return nil, err
	}
	var rule eventRule
	w.event = w.event[:0]
	left := eventReach
	err = w.each(start.start, w.t.End(), func(x place, raw []byte) error {
		c := w.lines.Columns(raw)
		if rule.any && !rule.same(&c) {
			// Somebody else's line.
			if left--; left == 0 {
				return errEnough
			}
			return nil
		}
		if on := rule.goesOn(&c); len(w.event) > 0 && !on || len(w.event) == eventLines {
			return errEnough
		}
		w.event = append(w.event, x)
		left = eventReach
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if n := len(w.event); n == 0 || w.event[n-1].start < p.start {
		// It is one of the lines that are too many, or nothing is there any more.
		w.event = append(w.event[:0], p)
	}
	return w.event, err
}

// eventStart is the first line of the event that the line raw at p belongs to.
func (w *window) eventStart(p place, raw []byte) (place, error) {
	c := w.lines.Columns(raw)
	// The writer of the line: the window moves.
	var writer eventRule
	writer.goesOn(&c)
	for _, back := range eventBack {
		from, err := w.back(p.start, back)
		if err != nil {
			return p, err
		}
		var rule eventRule
		start := p
		sure, wasPlain := false, false
		err = w.each(from, p.start+1, func(x place, raw []byte) error {
			c := w.lines.Columns(raw)
			if !writer.same(&c) {
				return nil
			}
			plain := plainText(c.Text)
			sure = sure || plain && wasPlain
			wasPlain = plain
			if !rule.goesOn(&c) {
				start = x
			}
			return nil
		})
		if err != nil || sure || from == w.t.Start() || back == eventBack[len(eventBack)-1] {
			return start, err
		}
	}
	return p, nil
}
