package logstore

import (
	"context"
	"errors"
	"time"
)

// A Found is a line that a scan hands over.
type Found struct {
	Offset int64  // of its first byte
	End    int64  // of the line behind it
	Raw    []byte // without the line end; valid until the call returns
	Hit    bool   // it is wanted itself; false: it stands around a hit
	Event  int64  // offset of the first line of its event; Offset where Query.Events is not set
	// Before and Behind are where scans go on that are to find what this one has not
	// handed over by now: backward as Query.To, and forward as Query.From. They are
	// Offset and End, or with Query.Events those of the first line of the event that is
	// wanted itself: there the event counts as found.
	Before, Behind int64
}

// A Limit is why a scan ended before all was looked through.
type Limit string

const (
	LimitNone  Limit = ""
	LimitLines Limit = "lines" // Query.Limit
	LimitScan  Limit = "scan"  // Query.MaxScan
	LimitTime  Limit = "time"  // Query.Deadline
)

// A Result says what a scan has done.
type Result struct {
	Hits    int
	Limited Limit
	// Next is where a scan goes on that is to find what this one has not: as
	// Query.From, and backward as Query.To.
	Next    int64
	More    bool // there is text that was not looked through, in the direction of the scan
	Scanned int64
	Missing int64 // bytes that were not there any more
}

// ErrStop ends a scan from within, without an error.
var ErrStop = errors.New("stop")

// Scan hands over the lines that q wants, in the order of the file, each once;
// with Query.Events event by event, in the order in which they are found.
// It ends early when ctx ends or emit returns an error, which it returns.
func (t *Text) Scan(ctx context.Context, q Query, emit func(*Found) error) (Result, error) {
	from, to, err := t.bounds(q.From, q.To)
	if err != nil {
		return Result{}, err
	}
	if q.Backward && q.Limit == 0 {
		q.Backward = false
	}
	if q.Limit > 0 || q.Events {
		q.Count = false
	}
	s := &scan{t: t, q: q, filter: newFilter(&q), from: from, to: to}
	out := newEmitter(s, emit)
	if q.Backward {
		err = s.backward(ctx, out)
	} else {
		err = s.forward(ctx, out)
	}
	s.result.Hits = out.hits
	if errors.Is(err, ErrStop) {
		err = nil
	}
	return s.result, err
}

// bounds are the first and last offset of what a query covers.
func (t *Text) bounds(from, to int64) (int64, int64, error) {
	if from == FromStart {
		from = t.Start()
	}
	if to == 0 || to > t.End() {
		to = t.End()
	}
	if from < t.Start() {
		return 0, 0, t.evicted(from)
	}
	return from, max(from, to), nil
}

// A scan is one run of a query.
type scan struct {
	t        *Text
	q        Query
	filter   *filter
	from, to int64
	many     bool      // of the last block a good deal was wanted
	counting *counting // nil where lines are handed over
	result   Result
}

// spent tells whether the scan has used up what it may.
func (s *scan) spent() Limit {
	if s.q.MaxScan > 0 && s.result.Scanned >= s.q.MaxScan {
		return LimitScan
	}
	if !s.q.Deadline.IsZero() && time.Now().After(s.q.Deadline) {
		return LimitTime
	}
	return LimitNone
}

// forward looks through the blocks from the first to the last.
func (s *scan) forward(ctx context.Context, out *emitter) error {
	s.result.Next, s.result.More = s.from, s.from < s.to
	plan := &planner{s: s, at: s.from}
	err := s.each(ctx, plan.forward, func(j *job) error {
		if s.result.Limited = s.spent(); s.result.Limited != LimitNone {
			return errEnough
		}
		s.count(j)
		if !j.gap {
			if s.q.Count {
				out.hits += j.b.hits
			}
			for _, x := range j.b.spans {
				if err := out.hit(j.b.place(x), j.b.line(x)); err != nil {
					s.result.Next = max(s.result.Next, out.behindHit)
					if errors.Is(err, errEnough) && s.result.Next < s.to {
						s.result.Limited = LimitLines
					}
					return err
				}
			}
		}
		s.result.Next = j.to
		return nil
	})
	switch {
	case err == nil:
		s.result.Next, s.result.More = max(s.to, out.behindHit), false
	case errors.Is(err, errEnough):
		s.result.More = s.result.Next < s.to
	default:
		return err
	}
	return out.finish()
}

// count adds up what is behind a scan.
func (s *scan) count(j *job) {
	if j.gap {
		s.result.Missing += j.to - j.from
	} else {
		s.result.Scanned += j.to - j.from
	}
}

// backward looks through the blocks from the last to the first, until it has
// enough, and hands over what it found in the order of the file.
func (s *scan) backward(ctx context.Context, out *emitter) error {
	var hits []place // the last one first
	n := 0
	s.result.Next = s.to
	plan := &planner{s: s, at: s.to}
	err := s.each(ctx, plan.backward, func(j *job) error {
		if s.result.Limited = s.spent(); s.result.Limited != LimitNone {
			return errEnough
		}
		s.count(j)
		if !j.gap {
			for k := len(j.b.spans) - 1; k >= 0; k-- {
				p := j.b.place(j.b.spans[k])
				if s.q.Events {
					first, _, err := out.firstHit(p, j.b.line(j.b.spans[k]))
					if err != nil {
						return err
					}
					if first != p.start {
						continue
					}
				}
				hits = append(hits, p)
				if n++; n == s.q.Limit {
					s.result.Limited = LimitLines
					s.result.Next = p.start
					return errEnough
				}
			}
		}
		s.result.Next = j.from
		return nil
	})
	if err == nil {
		s.result.Next = s.from
	} else if !errors.Is(err, errEnough) {
		return err
	}
	s.result.More = s.result.Next > s.from
	if !s.result.More {
		s.result.Limited = LimitNone
	}
	out.unlimited = true
	found := newWindow(s.t, s.filter)
	for k := len(hits) - 1; k >= 0; k-- {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		line, err := found.line(hits[k])
		if isEvicted(err) {
			continue
		}
		if err == nil {
			err = out.hit(hits[k], line)
		}
		if err != nil {
			return err
		}
	}
	return out.finish()
}

func isEvicted(err error) bool {
	var e *EvictedError
	return errors.As(err, &e)
}

const (
	// carryBack is how far back the time of a line is looked for that has none, and
	// carryFar where that is once for many.
	carryBack = 64 << 10
	carryFar  = 64 << 20
)

// look finds what is wanted in the block of j, of which text is all.
func (s *scan) look(j *job, text []byte) {
	if s.counting != nil {
		s.filter.matcher().tally(text, j)
		return
	}
	s.matcher(j.from).find(text, j.b)
}

// matcher makes one for the block that begins at off.
func (s *scan) matcher(off int64) *matcher {
	m := s.filter.matcher()
	m.before = func() int64 { return s.timeBefore(m, off, carryBack) }
	return m
}

// timeBefore is the time of the last line that has one and begins within reach
// before off, or minTime.
func (s *scan) timeBefore(m *matcher, off, reach int64) int64 {
	var b block
	size := int64(4 << 10)
	for stop := off - reach; off > stop; {
		i := s.t.find(off - 1)
		if i == len(s.t.sections) || off-1 < s.t.sections[i].start {
			break
		}
		low := max(off-size, s.t.sections[i].start)
		if s.t.read(i, low, off, &b) != nil {
			break
		}
		if at, ok := m.lastTime(b.text); ok {
			return at
		}
		off, size = low, min(4*size, 2*scanBlock)
	}
	return minTime
}
