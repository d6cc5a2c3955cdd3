package logstore

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"time"
)

// A grid tells how many lines of each writer and level a part has in each cell,
// a stretch of time as long as the grid's grain.
type grid struct {
	grain  int64 // in nanoseconds
	length int   // of it in the file
	crc    uint32
	start  int    // where it begins among the grids
	data   []byte // only while the summary is made
}

// grains are those that there may be. Each is so many of the ones before it, and
// each width of a bucket that is as long as a grain is so many of them.
var grains = [...]int64{
	int64(time.Millisecond), int64(10 * time.Millisecond), int64(100 * time.Millisecond),
	int64(time.Second), int64(time.Minute), int64(time.Hour), int64(24 * time.Hour),
}

const (
	// Grids tell of times from 1700 to 2200: these are the bounds, in nanoseconds, and
	// cells of every grain begin at them.
	leastTold = -8_520_336_000 * int64(time.Second)
	mostTold  = 7_258_118_400 * int64(time.Second)
	// maxGridWriters bounds the writers that a part's grids tell apart.
	maxGridWriters = 1000
	// A grid has at most leastCells cells, or one for so many lines.
	leastCells   = 512
	linesPerCell = 8
)

// cell is the lines of a writer and level in a stretch of time.
type cell struct {
	at     int64 // in grains since 1970
	writer int
	level  Level
}

// gridMaker makes the grids of a part of frame after frame. It begins with the
// finest grain, and takes the next one whenever that has too many cells.
type gridMaker struct {
	grain   int // of grains; len(grains) = there is none
	writers []Writer
	numbers map[string]int
	key     []byte
	last    int
	cells   map[cell]int64
	frame   map[cell]int64 // of the frame at hand
}

func newGridMaker() *gridMaker {
	return &gridMaker{numbers: make(map[string]int), cells: make(map[cell]int64), frame: make(map[cell]int64)}
}

// add counts a line of the frame at hand.
func (g *gridMaker) add(at int64, l Level, host, program []byte) {
	if g.grain == len(grains) {
		return
	}
	if g.last == len(g.writers) || g.writers[g.last].Host != string(host) || g.writers[g.last].Program != string(program) {
		g.key = append(append(append(g.key[:0], host...), ' '), program...)
		i, ok := g.numbers[string(g.key)]
		if !ok {
			if i = len(g.writers); i == maxGridWriters {
				g.grain, g.writers = len(grains), nil
				return
			}
			g.writers = append(g.writers, Writer{Host: string(host), Program: string(program)})
			g.numbers[string(g.key)] = i
		}
		g.last = i
	}
	g.frame[cell{floor(at, grains[g.grain]), g.last, l}]++
}

// end ends the frame, of a part that has so many lines up to there. told: its
// lines are to be counted.
func (g *gridMaker) end(told bool, lines int64) {
	if told && g.grain < len(grains) {
		for c, n := range g.frame {
			g.cells[c] += n
		}
		for g.grain < len(grains) && int64(len(g.cells)) > max(leastCells, lines/linesPerCell) {
			g.coarsen()
		}
	}
	clear(g.frame)
}

// coarsen takes the next grain.
func (g *gridMaker) coarsen() {
	if g.grain++; g.grain == len(grains) {
		clear(g.cells)
		g.writers = nil
		return
	}
	g.cells = coarser(g.cells, grains[g.grain]/grains[g.grain-1])
}

func coarser(cells map[cell]int64, times int64) map[cell]int64 {
	fewer := make(map[cell]int64, len(cells)/2)
	for c, n := range cells {
		c.at = floor(c.at, times)
		fewer[c] += n
	}
	return fewer
}

// grids encodes the grids, the finest first: that and those of coarser grains
// that have at most half the cells of the one before.
func (g *gridMaker) grids() (all []grid) {
	cells := g.cells
	for i := g.grain; i < len(grains); i++ {
		if i > g.grain {
			cells = coarser(cells, grains[i]/grains[i-1])
		}
		if n := len(all); n > 0 && 2*len(cells) > all[n-1].start {
			continue
		}
		data := appendCells(nil, cells)
		// start is the number of cells meanwhile.
		all = append(all, grid{grain: grains[i], length: len(data), crc: crc32.Checksum(data, castagnoli), start: len(cells), data: data})
	}
	start := 0
	for i := range all {
		all[i].start = start
		start += all[i].length
	}
	return all
}

// appendCells appends, for each time that has lines, how far it is from the one
// before, how many cells follow, and for each of these its writer and level as one
// number and how many lines it has: all as varints.
func appendCells(dst []byte, cells map[cell]int64) []byte {
	sorted := make([]cell, 0, len(cells))
	for c := range cells {
		sorted = append(sorted, c)
	}
	slices.SortFunc(sorted, func(a, b cell) int {
		switch {
		case a.at != b.at:
			return cmp.Compare(a.at, b.at)
		case a.writer != b.writer:
			return a.writer - b.writer
		}
		return int(a.level) - int(b.level)
	})
	at := int64(0)
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].at == sorted[0].at {
			n++
		}
		dst = binary.AppendVarint(dst, sorted[0].at-at)
		dst = binary.AppendUvarint(dst, uint64(n))
		for _, c := range sorted[:n] {
			dst = binary.AppendUvarint(dst, uint64(c.writer*len(LevelNames)+int(c.level)))
			dst = binary.AppendUvarint(dst, uint64(cells[c]))
		}
		at, sorted = sorted[0].at, sorted[n:]
	}
	return dst
}

// cells appends the cells of g, of which data is what the file has; ok is false
// where that is not sound.
func (g *grid) cells(dst []counted, data []byte, writers int) (all []counted, ok bool) {
	if crc32.Checksum(data, castagnoli) != g.crc {
		return dst, false
	}
	return decodeCells(dst, data, g.grain, writers)
}

// counted is how many lines there are in a cell.
type counted struct {
	cell
	lines int64
}

// decodeCells appends the cells of a grid of this grain and so many writers; ok
// is false where it is not one.
func decodeCells(dst []counted, data []byte, grain int64, writers int) (all []counted, ok bool) {
	least, most := floor(leastTold, grain), floor(mostTold, grain)
	ok = true
	next := func() uint64 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			ok = false
			return 0
		}
		data = data[n:]
		return v
	}
	for at := int64(0); ok && len(data) > 0; {
		delta, n := binary.Varint(data)
		if n <= 0 || delta < least-at || delta > most-at {
			return dst, false
		}
		data, at = data[n:], at+delta
		for left := next(); ok && left > 0; left-- {
			kind, lines := next(), next()
			if kind >= uint64(writers*len(LevelNames)) {
				return dst, false
			}
			dst = append(dst, counted{cell{at, int(kind) / len(LevelNames), Level(kind % uint64(len(LevelNames)))}, int64(lines)})
		}
	}
	return dst, ok
}

// floor is a/b, rounded down.
func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
