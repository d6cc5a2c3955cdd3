package tail

import "bytes"

// An event that may go on is held back at most this long and this far, so that
// it comes in one chunk: a traceback is written line by line.
const (
	holdFor   = 8 * fastLook
	holdBytes = 64 << 10
)

// LastEvent tells where the last event in p begins, and whether more of it is
// likely to come. p is whole lines; an event is a line and what belongs to it:
// indented lines, tracebacks of Python (chained and grouped ones, too), Java
// and Go. Only the last holdBytes of p are looked at: an event that began
// before is taken to begin there.
func LastEvent(p []byte) (start int, open bool) {
	from := 0
	if len(p) > holdBytes {
		from = len(p) - holdBytes
		from += bytes.IndexByte(p[from-1:], '\n')
	}
	start = from
	state := between
	for at := from; at < len(p); {
		end := at + bytes.IndexByte(p[at:], '\n')
		if end < at {
			end = len(p)
		}
		next, begins := state.after(bytes.TrimRight(p[at:end], "\r"))
		if begins {
			start = at
		}
		state = next
		at = end + 1
	}
	return start, state > settled
}

// eventState is what the lines so far make likely for the next one. Behind
// settled are the states in which more of the event is likely to come.
type eventState int

const (
	between  eventState = iota // nothing has begun
	settled                    // a line that is complete as far as one can see
	indented                   // the last line was indented
	frames                     // within a Python traceback: its last line is to come
	group                      // within an indented traceback, of an exception group for instance; it ends like any indented text
	raised                     // the last line of a traceback; another one may be chained to it
	gap                        // a blank line behind that
	chained                    // another traceback is announced
	thrown                     // the first line of a Java stack trace
	panicked                   // within the output of a Go panic
)

var (
	tracebackEnd = []byte("Traceback (most recent call last):")
	chainLines   = [][]byte{
		[]byte("During handling of the above exception, another exception occurred:"),
		[]byte("The above exception was the direct cause of the following exception:"),
	}
	quotes   = []byte(`"""`) // around the traceback of another process
	causedBy = []byte("Caused by: ")
	goBegins = [][]byte{[]byte("panic: "), []byte("fatal error: "), []byte("goroutine ")}
)

// after gives the state behind line, and whether an event begins with it.
func (s eventState) after(line []byte) (next eventState, begins bool) {
	if len(line) == 0 {
		switch s {
		case raised, indented, group, gap:
			return gap, false
		case frames, chained, panicked:
			return s, false
		}
		return between, s == between
	}
	if bytes.HasSuffix(line, tracebackEnd) {
		// It belongs to the line that tells of it, or to the traceback it is
		// chained to; one with a prefix of its own tells of itself.
		alone := len(line) == len(tracebackEnd)
		if isIndent(line[0]) {
			next, alone = group, true
		} else {
			next = frames
		}
		return next, s == between || s == raised || !alone
	}
	if bytes.Equal(line, quotes) && s != between {
		if s != raised {
			s = settled
		}
		return s, false
	}
	if isIndent(line[0]) {
		switch s {
		case frames, group, panicked:
			return s, false
		case between:
			return indented, true
		}
		return indented, false
	}
	switch s {
	case frames:
		return raised, false
	case panicked:
		if isGoFrame(line) {
			return s, false
		}
	case indented, group, raised, gap:
		for _, text := range chainLines {
			if bytes.Equal(line, text) {
				return chained, false
			}
		}
	}
	if s != between && bytes.HasPrefix(line, causedBy) {
		return thrown, false
	}
	for _, text := range goBegins {
		if bytes.HasPrefix(line, text) {
			return panicked, true
		}
	}
	if isThrown(line) {
		return thrown, true
	}
	return settled, true
}

func isIndent(c byte) bool { return c == ' ' || c == '\t' }

// isGoFrame tells whether a line without indent belongs to a Go traceback.
func isGoFrame(line []byte) bool {
	return line[len(line)-1] == ')' || bytes.HasPrefix(line, []byte("goroutine ")) ||
		bytes.HasPrefix(line, []byte("created by ")) || bytes.HasPrefix(line, []byte("[signal ")) ||
		bytes.HasPrefix(line, []byte("exit status "))
}

// isThrown tells whether line begins with the class of an exception, as the
// stack traces of Java do: java.lang.IllegalStateException: text.
func isThrown(line []byte) bool {
	if bytes.HasPrefix(line, []byte("Exception in thread ")) {
		return true
	}
	n := 0
	for n < len(line) && isClassByte(line[n]) {
		n++
	}
	if n < len(line) && line[n] != ':' {
		return false
	}
	class := line[:n]
	return bytes.HasSuffix(class, []byte("Exception")) || bytes.HasSuffix(class, []byte("Error")) ||
		bytes.HasSuffix(class, []byte("Throwable"))
}

func isClassByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '$'
}
