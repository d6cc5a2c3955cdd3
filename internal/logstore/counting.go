package logstore

import (
	"context"
	"errors"
	"sync"
)

// Tally counts the lines that q wants into sum, which nobody else uses meanwhile.
// What summaries of parts tell is not read; what does not depend on them. A line
// without a time has that of the last line before it that has one. Limit, lines
// around and events do not concern it; Hits of the Result are the lines.
func (t *Text) Tally(ctx context.Context, q Query, sum *Tally) (Result, error) {
	from, to, err := t.bounds(q.From, q.To)
	if err != nil {
		return Result{}, err
	}
	q.Limit, q.Events, q.Backward, q.Count, q.Before, q.After = 0, false, false, false, 0, 0
	s := &scan{t: t, q: q, filter: newFilter(&q), from: from, to: to}
	s.filter.columns = false // these are looked at when lines are counted, not while they are found
	s.counting = &counting{sum: sum, pool: sync.Pool{New: func() any {
		return &blockTally{known: newTally(sum.from, sum.step, len(sum.Buckets)), early: newTally(0, 1, 1)}
	}}}
	before := sum.Lines
	err = s.tally(ctx)
	s.result.Hits = int(sum.Lines - before)
	return s.result, err
}

// counting is what a scan has that counts lines and hands none over.
type counting struct {
	sum   *Tally
	cells []counted // of the grid at hand
	pool  sync.Pool // of *blockTally
}

// blockTally is what was counted in a block.
type blockTally struct {
	known *Tally
	early *Tally // of lines at its beginning that have the time of a line before it
	last  int64  // the time of its last line; earlier = that of a line before it
}

func (b *blockTally) reset() {
	b.known.reset()
	b.early.reset()
	b.last = earlier
}

// earlier stands for the time of a line before the block.
const earlier = minTime + 2

// tally looks through the blocks that are not summed up.
func (s *scan) tally(ctx context.Context) error {
	s.result.Next, s.result.More = s.from, s.from < s.to
	c := s.counting
	plan := &planner{s: s, at: s.from}
	carried, behind := int64(minTime), int64(-1) // the time of the last line before behind; -1 = not known
	err := s.each(ctx, plan.forward, func(j *job) error {
		if s.result.Limited = s.spent(); s.result.Limited != LimitNone {
			return errEnough
		}
		s.count(j)
		s.result.Next = j.to
		if j.gap {
			behind = -1
			return nil
		}
		b := j.b.tally
		if b.early.Lines > 0 {
			if j.from != behind {
				carried, behind = s.timeBefore(s.filter.matcher(), j.from, carryFar), j.from
			}
			if j.wants(s.filter, carried) {
				c.sum.addTo(c.sum.bucket(carried), b.early)
			}
		}
		c.sum.addAll(b.known)
		switch {
		case b.last != earlier:
			carried, behind = b.last, j.to
		case j.from == behind:
			behind = j.to
		default:
			behind = -1
		}
		return nil
	})
	switch {
	case err == nil:
		s.result.Next, s.result.More = s.to, false
	case errors.Is(err, errEnough):
		s.result.More = s.result.Next < s.to
		err = nil
	}
	return err
}

// wants tells whether lines of this time are counted.
func (j *job) wants(f *filter, at int64) bool {
	if f.timed && (at < f.since || at >= f.until) {
		return false
	}
	return j.times == nil || anyHas(j.times, at)
}

// tally counts the lines of a block, of which text is all, that are wanted.
func (m *matcher) tally(text []byte, j *job) {
	b := j.b
	m.find(text, b)
	sum := b.tally
	sum.reset() // a block that could not be mapped to its end is read
	m.before = func() int64 { return earlier }
	m.next = -1
	named := len(m.Hosts) > 0 || len(m.Programs) > 0
	for _, x := range b.spans {
		line := text[x.start:x.end]
		at, n, ours := m.lines.stamp(line)
		when := m.time(text, x.start, line, at)
		if when != earlier && !j.wants(m.filter, when) {
			continue
		}
		c := columnsBehind(line, at, n, ours)
		if named && !m.wantsWriter(c.Host, c.Program) {
			continue
		}
		l, _ := LevelOf(c.Program, c.Text)
		if l < m.Level {
			continue
		}
		if when == earlier {
			sum.early.add(0, l, c.Host, c.Program)
		} else {
			sum.known.add(sum.known.bucket(when), l, c.Host, c.Program)
		}
	}
	b.spans = b.spans[:0]
	last, ok := m.lastTime(text)
	if sum.last = last; !ok {
		sum.last = earlier
	}
}

// wantsWriter tells whether lines with these columns are wanted.
func (m *matcher) wantsWriter(host, program []byte) bool {
	return (len(m.Hosts) == 0 || m.matchHost(host)) && (len(m.Programs) == 0 || oneOf(m.Programs, program))
}
