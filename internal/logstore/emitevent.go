package logstore

// events is what an emitter knows of events. An event counts as found at the
// first of its lines that is wanted itself, whatever range is searched: so
// neither direction and no cut into pages finds one twice.
type events struct {
	given  map[int64]bool  // offsets of lines that were handed over with their events
	first  map[int64]int64 // by the offset of a line, where its event is found
	before int64           // where the one at hand is found, or the one that comes
}

// maxKnown bounds what is remembered of events.
const maxKnown = 20_000

// firstHit is the offset of the first line that is wanted of the event of the
// line raw at p, which is wanted. It gives the event as well, if it had to look.
func (e *emitter) firstHit(p place, raw []byte) (first int64, event []place, err error) {
	x := &e.events
	if first, ok := x.first[p.start]; ok {
		return first, nil, nil
	}
	if event, err = e.around.eventOf(p, raw); err != nil {
		return 0, nil, err
	}
	first = p.start
	for _, line := range event {
		if line.start >= p.start {
			break
		}
		raw, err := e.around.line(line)
		if isEvicted(err) {
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		if e.scan.wants(line, raw) {
			first = line.start
			break
		}
	}
	if x.first == nil || len(x.first) > maxKnown {
		x.first = make(map[int64]int64)
	}
	for _, line := range event {
		x.first[line.start] = first
	}
	return first, event, nil
}

// wants tells whether a line is wanted.
func (s *scan) wants(p place, raw []byte) bool {
	var b block
	s.matcher(p.start).find(raw, &b)
	return b.hits > 0
}

// event hands over an event.
func (e *emitter) event(event []place) error {
	x := &e.events
	if x.given == nil || len(x.given) > maxKnown {
		x.given = make(map[int64]bool)
	}
	for _, line := range event {
		raw, err := e.around.line(line)
		if isEvicted(err) {
			continue
		}
		if err != nil {
			return err
		}
		x.given[line.start] = true
		e.pos = max(e.pos, line.next)
		if err := e.hand(line, raw, true, event[0].start); err != nil {
			return err
		}
	}
	return nil
}
