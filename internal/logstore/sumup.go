package logstore

import (
	"slices"
)

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
