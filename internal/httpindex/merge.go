package httpindex

import (
	"context"
	"iter"
	"math"

	"github.com/dalog-project/dalog/internal/logstore"
)

// A source is one of several files whose lines are merged by time.
type source struct {
	text *logstore.Text
	q    logstore.Query
	none bool  // nothing is asked of it
	next int64 // where to go on
	low  int64 // where its first line began that was handed over, -1 if none was
	high int64 // where the last one ended that it had

	pull   func() (*logstore.Found, bool)
	stop   func()
	result logstore.Result
	err    error
	head   *logstore.Found // the next line; nil = there is none
	at     int64           // its time in nanoseconds
}

// newSource makes the source of t. from is where the query goes on, -1 where
// it begins.
func newSource(t *logstore.Text, q logstore.Query, from int64) *source {
	s := &source{text: t, q: q, low: -1, high: -1}
	switch {
	case q.Backward && from >= 0:
		s.q.To = from
		s.none = from <= t.Start()
		s.next = from
	case q.Backward:
		s.next = t.End()
	default:
		from = max(from, t.Start()) // what has expired is left out
		s.q.From, s.next = from, from
		s.none = from >= t.End()
	}
	return s
}

// before and after are the places between which lie the lines that were handed
// over: of each source, where one goes back from, and where one goes on.
func (s *source) before() int64 {
	if s.low >= 0 {
		return s.low
	}
	return s.next
}

func (s *source) after() int64 {
	if s.high >= 0 {
		return s.high
	}
	return s.next
}

// start begins the scan.
func (s *source) start(ctx context.Context) {
	s.pull, s.stop = iter.Pull(func(yield func(*logstore.Found) bool) {
		if s.none {
			return
		}
		s.result, s.err = s.text.Scan(ctx, s.q, func(f *logstore.Found) error {
			if !yield(f) {
				return logstore.ErrStop
			}
			return nil
		})
	})
}

// advance goes to the next line.
func (s *source) advance(lines *logstore.LineReader) error {
	f, ok := s.pull()
	if !ok {
		s.head = nil
		if s.err == nil && !s.none && !s.q.Backward {
			s.next = s.result.Next
		}
		return s.err
	}
	s.head = f
	// A line without a time stays with the one before it.
	if c := lines.Columns(f.Raw); c.Time.Valid {
		s.at = c.Time.Sec*1e9 + int64(c.Time.Nsec)
	}
	return nil
}

// merge hands over the lines of all sources by time; those of one file stay in
// its order. Afterwards each source's next is where to go on.
func merge(ctx context.Context, sources []*source, q *logstore.Query, emit func(file string, f *logstore.Found) error) (logstore.Result, error) {
	lines := logstore.NewLineReader(q.Zone, q.Deadline)
	for _, s := range sources {
		s.at = math.MinInt64
		s.start(ctx)
		defer s.stop()
		if err := s.advance(lines); err != nil {
			return logstore.Result{}, err
		}
	}
	m := &merger{sources: sources, q: q, lines: lines}
	if q.Backward && q.Limit > 0 {
		return m.last(emit)
	}
	return m.first(emit)
}

type merger struct {
	sources []*source
	q       *logstore.Query
	lines   *logstore.LineReader
	current *source // the one of the event at hand
	event   int64
}

// earliest is the source whose line is next.
func (m *merger) earliest() *source {
	if s := m.current; s != nil && s.head != nil && m.q.Events && s.head.Event == m.event {
		return s // an event stays in one piece
	}
	var best *source
	for _, s := range m.sources {
		if s.head != nil && (best == nil || s.at < best.at) {
			best = s
		}
	}
	if best != nil {
		m.current, m.event = best, best.head.Event
	}
	return best
}

// stopped tells whether a source ended before all was searched: what comes
// behind is not known then.
func (m *merger) stopped() logstore.Limit {
	for _, s := range m.sources {
		if l := s.result.Limited; s.head == nil && (l == logstore.LimitScan || l == logstore.LimitTime) {
			return l
		}
	}
	return logstore.LimitNone
}

// first hands over the first lines of all.
func (m *merger) first(emit func(string, *logstore.Found) error) (res logstore.Result, err error) {
	after := 0
	for {
		if res.Limited = m.stopped(); res.Limited != logstore.LimitNone {
			break
		}
		s := m.earliest()
		if s == nil {
			break
		}
		if newHit := s.head.Hit && (!m.q.Events || s.head.Event == s.head.Offset); newHit {
			if m.q.Limit > 0 && res.Hits == m.q.Limit {
				res.Limited = logstore.LimitLines
				break
			}
			res.Hits++
			after = m.q.After
		} else if m.q.Limit > 0 && res.Hits == m.q.Limit && !s.head.Hit {
			if after--; after < 0 {
				res.Limited = logstore.LimitLines
				break
			}
		}
		if s.low < 0 {
			s.low = s.head.Before
		}
		if err := emit(s.text.Name, s.head); err != nil {
			return res, err
		}
		s.next, s.high = s.head.Behind, s.head.Behind
		if err := s.advance(m.lines); err != nil {
			return res, err
		}
	}
	m.sum(&res)
	return res, nil
}

// kept is a line that may be among the last.
type kept struct {
	source *source
	found  logstore.Found
}

// last hands over the last hits of all, which are among the last of each.
func (m *merger) last(emit func(string, *logstore.Found) error) (res logstore.Result, err error) {
	var ring []kept
	var hits []int // where they begin in ring, counted from the first line ever
	gone := 0      // lines of ring that were dropped
	for s := m.earliest(); s != nil; s = m.earliest() {
		f := *s.head
		f.Raw = append([]byte(nil), f.Raw...)
		if f.Hit && (!m.q.Events || f.Event == f.Offset) {
			hits = append(hits, gone+len(ring))
		}
		ring = append(ring, kept{s, f})
		s.high = f.Behind
		if len(hits) > m.q.Limit {
			drop := hits[1] - gone
			drop = max(0, drop-m.q.Before)
			gone += drop
			ring = append([]kept(nil), ring[drop:]...)
			hits = hits[1:]
			res.More = true
		}
		if err := s.advance(m.lines); err != nil {
			return res, err
		}
	}
	res.Limited = m.stopped()
	if res.More {
		res.Limited = logstore.LimitLines
	}
	seen := make(map[*source]bool)
	for i := range ring {
		k := &ring[i]
		if !seen[k.source] && k.found.Hit {
			seen[k.source] = true
			k.source.next = k.found.Before
		}
		if k.source.low < 0 {
			k.source.low = k.found.Before
		}
		if err := emit(k.source.text.Name, &k.found); err != nil {
			return res, err
		}
	}
	for _, s := range m.sources {
		if !seen[s] && s.result.Hits == 0 && !s.none {
			s.next = s.result.Next
		}
	}
	res.Hits = len(hits)
	m.sum(&res)
	return res, nil
}

// sum adds up what the sources tell.
func (m *merger) sum(res *logstore.Result) {
	for _, s := range m.sources {
		res.Scanned += s.result.Scanned
		res.Missing += s.result.Missing
		res.More = res.More || s.head != nil || s.result.More
	}
	if m.q.Limit > 0 && res.Limited == logstore.LimitNone && res.More {
		res.Limited = logstore.LimitLines
	}
}
