package logstore

import "time"

// A group is what is committed together.
type group struct {
	batches []*batch
	merged  []*batch // hold the pieces instead, if there are any
	sources []advance
	extents []groupExtent
	pieces  []piece // by extent
	waited  bool    // somebody waits for it to be durable
	lsn     uint64  // of its last record
	flight  *flight // nil where nothing goes to files
}

// groupExtent is what a group adds to one file.
type groupExtent struct {
	file        *logFile
	length      int
	first, last int // its pieces
}

func (g *group) reset() {
	clear(g.batches)
	clear(g.merged)
	clear(g.pieces)
	clear(g.sources)
	clear(g.extents)
	*g = group{batches: g.batches[:0], merged: g.merged[:0], sources: g.sources[:0], extents: g.extents[:0], pieces: g.pieces[:0]}
}

// gather sorts the batches' bytes by file.
func (s *Store) gather(batches []*batch) *group {
	c := &s.committer
	g := new(group)
	if n := len(c.free); n > 0 {
		g, c.free = c.free[n-1], c.free[:n-1]
	}
	g.batches = append(g.batches, batches...)
	count := 0
	for _, b := range batches {
		g.waited = g.waited || b.committed != nil
		if b.sourced {
			g.sources = append(g.sources, b.advance)
		}
		start := 0
		for i := range b.parts {
			p := &b.parts[i]
			if p.file.diverted {
				s.reroute(p, p.end-start)
			}
			f := p.file
			if f.pieces == 0 {
				f.extent = len(g.extents)
				g.extents = append(g.extents, groupExtent{file: f})
			}
			f.pieces++
			g.extents[f.extent].length += p.end - start
			start = p.end
		}
		b.left.Store(int32(len(b.parts)))
		count += len(b.parts)
	}
	at := 0
	for i := range g.extents {
		e := &g.extents[i]
		e.first, e.last = at, at
		at += e.file.pieces
		e.file.pieces = 0
	}
	if cap(g.pieces) < count {
		g.pieces = make([]piece, count)
	}
	g.pieces = g.pieces[:count]
	for _, b := range batches {
		start := 0
		for _, p := range b.parts {
			e := &g.extents[p.file.extent]
			g.pieces[e.last] = piece{b.data[start:p.end], b}
			e.last++
			start = p.end
		}
	}
	s.merge(g)
	return g
}

// reroute makes the overflow file that of n bytes whose own file cannot be
// written to, unless it is time to try that again.
func (s *Store) reroute(p *part, n int) {
	if time.Since(p.file.tried) >= retryEvery {
		p.file.diverted = false
		return
	}
	p.file = s.router.overflow
	s.count.diverted.Add(int64(n))
}

// launch notes which records hold the group.
func (g *group) launch(first, last uint64) {
	g.lsn = last
	if len(g.pieces) > 0 {
		g.flight = &flight{lsn: first}
		g.flight.left.Store(int64(len(g.pieces)))
		for _, b := range g.batches {
			b.flight = g.flight
		}
		for _, m := range g.merged {
			m.flight = g.flight
		}
	}
}

// A group whose pieces are small, many programs' lines mixed, is copied so that
// each file has one piece: to write thousands of pieces costs more than that.
const (
	mergeBelow = 1 << 10   // bytes, the mean of pieces that are copied
	mergedSize = 256 << 10 // bytes of a batch that holds the copies, if one file's do not need more
)

// merge makes one piece of those of each file, if that is worth while. The group's
// batches then hold nothing any more.
func (s *Store) merge(g *group) {
	rest := 0
	for i := range g.extents {
		rest += g.extents[i].length
	}
	if len(g.pieces) < 2*len(g.extents) || rest >= mergeBelow*len(g.pieces) {
		return
	}
	var m *batch
	for i := range g.extents {
		e := &g.extents[i]
		if m == nil || len(m.data)+e.length > cap(m.data) {
			m = s.batches.get(max(e.length, min(rest, mergedSize)))
			m.charge = int64(cap(m.data) + batchOverhead)
			s.budget.adjust(m.charge)
			g.merged = append(g.merged, m)
		}
		start := len(m.data)
		for _, p := range g.pieces[e.first:e.last] {
			m.data = append(m.data, p.data...)
		}
		rest -= e.length
		m.left.Add(1)
		e.first, e.last = i, i+1 // of the pieces before, all were copied
		g.pieces[i] = piece{m.data[start:], m}
	}
	clear(g.pieces[len(g.extents):])
	g.pieces = g.pieces[:len(g.extents)]
	for _, b := range g.batches {
		b.parts = b.parts[:0]
	}
}
