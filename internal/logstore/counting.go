package logstore

import (
	"context"
	"errors"
	"slices"
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

// sumUp adds what summaries tell of the lines of section i, and appends the
// stretches that are to be looked through for the others. ok is false where there
// are none that tell.
func (p *planner) sumUp(i int, all stretch) (ok bool) {
	sec := p.s.t.sections[i]
	switch {
	case len(p.s.q.Grep)+len(p.s.q.Exclude) > 0:
		return false
	case !sec.part.packed:
		p.sumUpText(i, all)
		return true
	case all.from != sec.start || all.to != sec.end || sec.end != sec.part.end():
		return false
	}
	sum := p.s.t.store.summaryOf(p.s.t.Name, sec.part)
	if sum != nil {
		p.sumUpFrames(sum)
	}
	return sum != nil
}

// sumUpText is sumUp for a section that is not compressed.
func (p *planner) sumUpText(i int, all stretch) {
	read := func(from, to int64) {
		if from < to {
			if x := p.timeStretch(i, stretch{from: from, to: to}); x.from < x.to {
				p.left = append(p.left, x)
			}
		}
	}
	at := all.from
	for x := range p.s.t.textStretches(i) {
		if x.from < all.from || x.to > all.to {
			continue
		}
		if sum := p.s.t.textSummary(i, x); sum != nil {
			read(at, x.from)
			p.sumUpFrames(sum)
			at = x.to
		}
	}
	read(at, all.to)
}

// sumUpFrames adds what a summary tells, and appends the frames that are to be
// looked through.
func (p *planner) sumUpFrames(sum *summary) {
	s, c := p.s, p.s.counting
	rest := []period{{max(s.filter.since, leastTold), min(s.filter.until, mostTold)}}
	for g := len(sum.grids) - 1; g >= 0; g-- {
		if rest = sum.during(rest); len(rest) == 0 {
			break
		}
		if grain := sum.grids[g].grain; c.sum.step%grain == 0 && c.sum.from%grain == 0 {
			rest = s.addGrid(sum, &sum.grids[g], rest)
		}
	}
	hosts, anyHost := s.filter.summaryHosts(sum)
	for k := range sum.frames {
		x := &sum.frames[k]
		j := stretch{from: sum.offset + x.plain, to: sum.offset + sum.end(k), times: rest}
		switch {
		case x.levels>>s.filter.Level == 0 || !anyHost || hosts != nil && !x.hasHost(hosts):
			continue
		case x.vague():
			j.times = nil // the grids have none of its lines
		case !x.during(rest):
			continue
		}
		if n := len(p.left); n > 0 && p.left[n-1].to == j.from && slices.Equal(p.left[n-1].times, j.times) {
			p.left[n-1].to = j.to
		} else {
			p.left = append(p.left, j)
		}
	}
}

// addGrid adds what a grid has in some periods, and gives what is left of these.
func (s *scan) addGrid(sum *summary, g *grid, periods []period) (rest []period) {
	c := s.counting
	var whole []period
	for _, p := range periods {
		in := period{-floor(-p.since, g.grain) * g.grain, floor(p.until, g.grain) * g.grain}
		if in.since >= in.until {
			rest = append(rest, p)
			continue
		}
		whole = append(whole, in)
		if p.since < in.since {
			rest = append(rest, period{p.since, in.since})
		}
		if in.until < p.until {
			rest = append(rest, period{in.until, p.until})
		}
	}
	if len(whole) == 0 {
		return rest
	}
	cells, ok := s.t.store.cellsOf(sum, g, c.cells)
	c.cells = cells
	if !ok {
		return periods
	}
	m := matcher{filter: s.filter}
	numbers := make([]int, len(sum.writers)) // in the tally
	for i, w := range sum.writers {
		numbers[i] = unwanted
		if m.wantsWriter([]byte(w.Host), []byte(w.Program)) {
			numbers[i] = unnumbered
		}
	}
	for _, x := range cells {
		at := x.at * g.grain
		if x.level < s.filter.Level || numbers[x.writer] == unwanted || !anyHas(whole, at) {
			continue
		}
		if numbers[x.writer] == unnumbered {
			w := sum.writers[x.writer]
			numbers[x.writer] = c.sum.number(w.Host, w.Program)
		}
		c.sum.Buckets[c.sum.bucket(at)][x.level] += x.lines
		c.sum.Lines += x.lines
		c.sum.Writers[numbers[x.writer]].Lines += x.lines
	}
	return rest
}

// What a writer has for a number that has none in a tally.
const (
	unwanted   = -1
	unnumbered = -2
)

func anyHas(periods []period, at int64) bool {
	for _, p := range periods {
		if p.has(at) {
			return true
		}
	}
	return false
}

// during tells whether the frame can have lines in one of the periods.
func (x *frameSummary) during(periods []period) bool {
	for _, p := range periods {
		if x.until >= p.since && x.since < p.until {
			return true
		}
	}
	return false
}

// during leaves the periods in which grids can have lines.
func (s *summary) during(periods []period) (left []period) {
	for _, p := range periods {
		for k := range s.frames {
			if x := &s.frames[k]; !x.vague() && x.during([]period{p}) {
				left = append(left, p)
				break
			}
		}
	}
	return left
}
