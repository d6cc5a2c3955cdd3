package logstore

// A planner cuts what a scan has to look through into blocks.
type planner struct {
	s       *scan
	at      int64     // up to where that is done
	section int       // whose stretches these are
	left    []stretch // of it, that are to be looked through, in the order of the file
	planned bool
}

// stretch is a range of offsets within a section. Where lines are counted, those of
// these times are; nil = of all.
type stretch struct {
	from, to int64
	times    []period
}

// forward makes the next block of about size bytes; nil where there is none.
func (p *planner) forward(size int64) *job {
	for p.at < p.s.to {
		i := p.s.t.find(p.at)
		if i == len(p.s.t.sections) {
			return nil
		}
		sec := p.s.t.sections[i]
		if p.at < sec.start {
			j := &job{gap: true, from: p.at, to: min(sec.start, p.s.to)}
			p.at = j.to
			return j
		}
		p.enter(i, stretch{from: p.at, to: min(sec.end, p.s.to)})
		if len(p.left) == 0 {
			p.at = sec.end
			continue
		}
		x := &p.left[0]
		j := &job{section: i, from: x.from, times: x.times}
		if next := sec.start + ((x.from-sec.start)/mapBlock+1)*mapBlock; p.maps(i, size) {
			j.to, j.mapped = min(next, x.to), true
		} else {
			j.to = p.s.t.cut(i, x.from, min(x.from+size, x.to), x.to, false)
		}
		x.from = j.to
		if p.at = j.to; x.from == x.to {
			p.left = p.left[1:]
		}
		if len(p.left) == 0 {
			p.at = sec.end
		}
		return j
	}
	return nil
}

// backward makes the block before the last one.
func (p *planner) backward(size int64) *job {
	for p.at > p.s.from {
		i := p.s.t.find(p.at - 1)
		if i == len(p.s.t.sections) || p.at-1 < p.s.t.sections[i].start {
			low := p.s.from
			if i > 0 {
				low = max(low, p.s.t.sections[i-1].end)
			}
			j := &job{gap: true, from: low, to: p.at}
			p.at = low
			return j
		}
		sec := p.s.t.sections[i]
		p.enter(i, stretch{from: max(sec.start, p.s.from), to: p.at})
		if len(p.left) == 0 {
			p.at = sec.start
			continue
		}
		n := len(p.left) - 1
		x := &p.left[n]
		j := &job{section: i, to: x.to}
		if last := sec.start + (x.to-sec.start-1)/mapBlock*mapBlock; p.maps(i, size) {
			j.from, j.mapped = max(last, x.from), true
		} else {
			j.from = p.s.t.cut(i, x.from, max(x.to-size, x.from), x.to, true)
		}
		x.to = j.from
		if p.at = j.from; x.from == x.to {
			p.left = p.left[:n]
		}
		if len(p.left) == 0 {
			p.at = sec.start
		}
		return j
	}
	return nil
}

// maps tells whether blocks of section i are better mapped than read: once a
// scan has got going, and as long as it hands little over.
func (p *planner) maps(i int, size int64) bool {
	return size == scanBlock && !p.s.many && !p.s.t.sections[i].part.packed && (p.s.filter.picks() || p.s.counting != nil)
}

// enter works out what of section i is to be looked through, when that is
// reached.
func (p *planner) enter(i int, all stretch) {
	if p.planned && p.section == i {
		return
	}
	p.planned, p.section = true, i
	p.left = p.left[:0]
	if p.s.counting != nil && p.sumUp(i, all) {
		return
	}
	if part := p.s.t.sections[i].part; part.packed && p.s.filter.selective() {
		p.left = p.s.filter.stretches(p.s.t.store, p.s.t.Name, part, all, p.left)
		return
	}
	if x := p.timeStretch(i, all); x.from < x.to {
		p.left = append(p.left, x)
	}
}

// cut moves a border between two blocks, which is within [low, high] of section
// i, to where a frame begins if it is compressed; where low and high are of one
// frame, to the one that leaves nothing of it.
func (t *Text) cut(i int, low, at, high int64, backward bool) int64 {
	if at == low || at == high || !t.sections[i].part.packed {
		return at
	}
	o, err := t.acquire(i)
	if err != nil {
		return at // whoever reads it meets the error
	}
	defer t.release(o)
	u, ok := o.snap.text.(*unpacked)
	if !ok {
		return at
	}
	base := t.sections[i].start
	f := u.find(at - base)
	if start := base + u.frames[f].plain; start > low {
		return start
	}
	if backward {
		return low
	}
	return min(high, base+u.frames[f+1].plain)
}
