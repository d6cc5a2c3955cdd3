package logstore

import "errors"

// An emitter hands over the hits of a scan, in the order of the file, with what
// belongs to them: the lines around, and the rest of their events.
type emitter struct {
	q         *Query
	emit      func(*Found) error
	around    *window
	pos       int64 // lines before this offset have had their turn
	after     int   // lines that are still owed behind the last hit
	hits      int
	unlimited bool // whoever found the hits has counted them
	found     Found
}

// errEnough says that there are as many hits as were wanted.
var errEnough = errors.New("enough hits")

func newEmitter(t *Text, f *filter, emit func(*Found) error) *emitter {
	return &emitter{q: f.Query, emit: emit, around: newWindow(t, f)}
}

// hit hands over a line that is wanted, or its event. After the last one that
// may be it returns errEnough.
func (e *emitter) hit(p place, raw []byte) error {
	if p.start < e.pos {
		return nil // of an event that was handed over
	}
	first := p
	if e.q.Events {
		start, err := e.around.eventStart(p.start)
		if err != nil {
			return err
		}
		first.start = max(start, e.pos)
	}
	if err := e.behind(first.start); err != nil {
		return err
	}
	if e.q.Before > 0 {
		start, err := e.around.back(first.start, e.q.Before)
		if err != nil {
			return err
		}
		if err := e.context(max(start, e.pos), first.start); err != nil {
			return err
		}
	}
	var err error
	if e.q.Events {
		err = e.event(first.start)
	} else {
		e.pos = p.next
		err = e.hand(p, raw, true, p.start)
	}
	if err != nil {
		return err
	}
	e.after = e.q.After
	if e.hits++; e.hits == e.q.Limit && !e.unlimited {
		return errEnough
	}
	return nil
}

// event hands over the event that begins at start.
func (e *emitter) event(start int64) error {
	return e.around.event(start, func(p place, raw []byte) error {
		e.pos = p.next
		return e.hand(p, raw, true, start)
	})
}

// behind hands over the lines that are owed, as far as they begin before to.
func (e *emitter) behind(to int64) error {
	if e.after == 0 || e.pos >= to {
		return nil
	}
	err := e.around.each(e.pos, to, func(p place, raw []byte) error {
		e.pos = p.next
		e.after--
		if err := e.hand(p, raw, false, p.start); err != nil {
			return err
		}
		if e.after == 0 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return err
}

// context hands over the lines of [from, to).
func (e *emitter) context(from, to int64) error {
	if from >= to {
		return nil
	}
	return e.around.each(from, to, func(p place, raw []byte) error {
		e.pos = p.next
		return e.hand(p, raw, false, p.start)
	})
}

func (e *emitter) hand(p place, raw []byte, hit bool, event int64) error {
	e.found = Found{Offset: p.start, End: p.next, Raw: raw, Hit: hit, Event: event}
	return e.emit(&e.found)
}

// finish hands over what is owed behind the last hit.
func (e *emitter) finish() error { return e.behind(e.around.t.End()) }
