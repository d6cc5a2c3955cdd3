package logstore

import (
	"fmt"
	"io"
	"os"
	"sync"
)

const (
	// summaryDir is below the state's folder. A summary is called NAME.OFFSET.sum.
	summaryDir    = "summaries"
	summarySuffix = ".sum"
	// maxSummaryMemory bounds the memory for summaries, in bytes: about 64 for a frame.
	maxSummaryMemory = 24 << 20
	// maxUnsummarized bounds for how many parts it is known that they have none.
	maxUnsummarized = 400_000
	// maxFilterBytes bounds what is read of one summary for its filters.
	maxFilterBytes = 64 << 20
	// maxGridBytes bounds what is read of it for a grid.
	maxGridBytes = 64 << 20
)

// summaries are those of all parts, as far as they were needed. Grids and
// filters stay on the disk.
type summaries struct {
	mu     sync.Mutex
	heads  map[string]*summary // by path; nil for those that are not there or not sound
	weight int
}

func (c *summaries) get(path string) (s *summary, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, known = c.heads[path]
	return s, known
}

func (c *summaries) put(path string, s *summary) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.heads[path]; old != nil {
		c.weight -= old.weight()
	}
	if c.heads == nil || s != nil && c.weight+s.weight() > maxSummaryMemory || len(c.heads) > maxUnsummarized {
		c.heads, c.weight = make(map[string]*summary), 0
	}
	c.heads[path] = s
	if s != nil {
		c.weight += s.weight()
	}
}

func (c *summaries) forget(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.heads[path]; old != nil {
		c.weight -= old.weight()
	}
	delete(c.heads, path)
}

// summaryOf gives the summary of a compressed part, without its filters; nil
// where there is none.
func (s *Store) summaryOf(name string, part logPart) *summary {
	return s.summaryAt(summaryPath(name, part.offset), part)
}

// summaryAt gives the summary at path, if it is one of part.
func (s *Store) summaryAt(path string, part logPart) *summary {
	if sum, known := s.summaries.get(path); known && (sum == nil || sum.size == part.size && sum.disk == part.disk) {
		return sum
	}
	sum := s.readSummary(path, part)
	s.summaries.put(path, sum)
	return sum
}

func (s *Store) readSummary(path string, part logPart) *summary {
	f, err := s.state.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	buf := make([]byte, 8<<10) // mostly enough
	n, err := f.ReadAt(buf, 0)
	if err != nil && err != io.EOF {
		return nil
	}
	size, ok := summaryHeadSize(buf[:n])
	if !ok {
		return nil
	}
	if size > n {
		buf = make([]byte, size)
		if n, _ = f.ReadAt(buf, 0); n < size {
			return nil
		}
	}
	sum, ok := decodeSummary(buf[:size], part)
	if !ok {
		return nil
	}
	sum.path = path
	return sum
}

// filters reads the filters of a summary into buf; nil where they cannot be
// had. They begin at 0.
func (s *Store) filters(sum *summary, buf []byte) []byte {
	f, err := s.state.OpenFile(sum.path, os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	start := sum.filtersAt()
	length := info.Size - start
	if length <= 0 || length > maxFilterBytes {
		return nil
	}
	buf = sized(buf, int(length))[:length]
	if n, _ := f.ReadAt(buf, start); n < len(buf) {
		return nil
	}
	return buf
}

// cellsOf gives the cells of a grid of a summary, in dst; ok is false where they
// cannot be had.
func (s *Store) cellsOf(sum *summary, g *grid, dst []counted) (cells []counted, ok bool) {
	if g.length > maxGridBytes {
		return dst, false
	}
	f, err := s.state.OpenFile(sum.path, os.O_RDONLY, 0)
	if err != nil {
		return dst, false
	}
	defer f.Close()
	buf := make([]byte, g.length)
	if n, _ := f.ReadAt(buf, int64(sum.body+g.start)); n < len(buf) {
		return dst, false
	}
	return g.cells(dst[:0], buf, len(sum.writers))
}

func summaryPath(name string, offset int64) string {
	return fmt.Sprintf("%s/%s.%020d%s", summaryDir, name, offset, summarySuffix)
}
