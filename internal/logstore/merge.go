package logstore

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
