package logstore

import "errors"

// An emitter hands over the hits of a scan, in the order of the file, with what
// belongs to them: the lines around, and the rest of their events.
type emitter struct {
	q         *Query
	scan      *scan
	emit      func(*Found) error
	around    *window
	pos       int64 // lines before this offset have had their turn as lines around
	behindHit int64 // offset behind the last hit
	after     int   // lines that are still owed behind it
	hits      int
	unlimited bool // whoever found the hits has counted them
	found     Found

	events events
}

// errEnough says that there are as many hits as were wanted.
var errEnough = errors.New("enough hits")

func newEmitter(s *scan, emit func(*Found) error) *emitter {
	return &emitter{q: s.filter.Query, scan: s, emit: emit, around: newWindow(s.t, s.filter), behindHit: s.from}
}

// hit hands over a line that is wanted, or its event. After the last one that
// may be it returns errEnough.
func (e *emitter) hit(p place, raw []byte) error {
	var event []place
	first := p
	if e.q.Events {
		found, lines, err := e.firstHit(p, raw)
		if err != nil || found != p.start {
			return err
		}
		if event = lines; event == nil {
			if event, err = e.around.eventOf(p, raw); err != nil {
				return err
			}
		}
		first = event[0]
	}
	if err := e.owed(first.start); err != nil {
		return err
	}
	e.events.before = p.start
	if e.q.Before > 0 {
		start, err := e.around.back(first.start, e.q.Before)
		if err != nil {
			return err
		}
		if err := e.context(max(start, e.pos), first.start); err != nil {
			return err
		}
	}
	e.behindHit = p.next
	var err error
	if e.q.Events {
		err = e.event(event)
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

// owed hands over the lines that are owed, as far as they begin before to.
func (e *emitter) owed(to int64) error {
	if e.after == 0 || e.pos >= to {
		return nil
	}
	err := e.around.each(e.pos, to, func(p place, raw []byte) error {
		e.after--
		if err := e.aside(p, raw); err != nil {
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
	return e.around.each(from, to, e.aside)
}

// aside hands over a line that stands around a hit, unless it was handed over.
func (e *emitter) aside(p place, raw []byte) error {
	e.pos = p.next
	if e.events.given[p.start] {
		return nil
	}
	return e.hand(p, raw, false, p.start)
}

// hand hands over a line.
func (e *emitter) hand(p place, raw []byte, hit bool, event int64) error {
	e.found = Found{Offset: p.start, End: p.next, Raw: raw, Hit: hit, Event: event, Before: p.start, Behind: p.next}
	if e.q.Events {
		e.found.Before, e.found.Behind = e.events.before, e.behindHit
	}
	return e.emit(&e.found)
}

// finish hands over what is owed behind the last hit.
func (e *emitter) finish() error { return e.owed(e.around.t.End()) }
