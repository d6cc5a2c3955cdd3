package logstore

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/dalog-project/dalog/internal/vfs"
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
	if n, _ := f.ReadAt(buf, int64(sum.body+g.start)); n < len(buf) || crc32.Checksum(buf, castagnoli) != g.crc {
		return dst, false
	}
	return decodeCells(dst[:0], buf, g.grain, len(sum.writers))
}

// summarize makes the summaries that are missing. It is the keeper's.
func (s *Store) summarize(ctx context.Context) {
	have := int64(0)
	defer func() { s.count.summaries.Store(have) }()
	for name, parts := range s.parts.all() {
		for _, part := range parts {
			if ctx.Err() != nil {
				return
			}
			if !part.packed || part.broken || s.keeper.unsummarized[part.path(name)] {
				continue
			}
			if s.summaryOf(name, part) != nil {
				have++
				continue
			}
			err := s.makeSummary(ctx, name, part)
			if err == nil {
				have++
				continue
			}
			if ctx.Err() != nil || errors.Is(err, fs.ErrNotExist) {
				continue
			}
			s.keeper.unsummarized[part.path(name)] = true
			if !errors.Is(err, errNoSummary) && !vfs.IsFull(err) {
				s.log.Warn("no summary can be made of a part: searches look through all of it", "part", part.path(name), "error", err)
			}
		}
	}
}

// errNoSummary says that a part has lines so long that frames are cut inside.
var errNoSummary = errors.New("a line of it is too long")

func (s *Store) makeSummary(ctx context.Context, name string, part logPart) error {
	snap, err := s.reopenPart(name, part)
	if err != nil {
		return err
	}
	defer snap.Close()
	u, ok := snap.text.(*unpacked)
	if !ok {
		return fs.ErrNotExist
	}
	sum := newSummarizer(part.offset)
	var x unpacking
	for i := range len(u.frames) - 1 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if u.frames[i+1].plain-u.frames[i].plain >= maxFrameText {
			return errNoSummary
		}
		if err := u.load(&x, i); err != nil {
			return err
		}
		sum.add(x.text, int64(len(x.text)))
	}
	return s.writeSummary(summaryPath(name, part.offset), part, sum.end(part.disk), func(draft, path string) error {
		return s.placeSummary(name, part, draft, path)
	})
}

func summaryPath(name string, offset int64) string {
	return fmt.Sprintf("%s/%s.%020d%s", summaryDir, name, offset, summarySuffix)
}

// dropSummary removes a summary that is of no use any more.
func (s *Store) dropSummary(path string) {
	s.summaries.forget(path)
	if err := s.state.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("a summary that is of no use any more cannot be removed", "file", path, "error", err)
	}
}

// sweepSummaries removes those whose parts have gone.
func (s *Store) sweepSummaries() {
	entries, err := s.state.ReadDir(summaryDir)
	if err != nil {
		return // there are none
	}
	wanted := make(map[string]bool)
	for name, parts := range s.parts.all() {
		for _, part := range parts {
			wanted[summaryPath(name, part.offset)] = true
		}
	}
	for _, e := range entries {
		if path := summaryDir + "/" + e.Name; !wanted[path] && !strings.HasSuffix(path, textSuffix) {
			s.dropSummary(path)
		}
	}
}

// writeSummary writes a summary, to which place gives its name. It need not be
// durable: what is not whole is found by its checksums.
func (s *Store) writeSummary(path string, part logPart, sum *summary, place func(draft, path string) error) error {
	draft := path + ".tmp"
	if err := s.state.Mkdir(summaryDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	s.dropSummary(draft)
	f, err := s.state.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Append([][]byte{sum.encode()})
	if owner := s.cfg.Owner; err == nil && owner != nil {
		err = owner.take(f)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = place(draft, path)
	}
	if err != nil {
		s.dropSummary(draft)
		return err
	}
	s.summaries.put(path, s.readSummary(path, part))
	return nil
}

// placeSummary gives a summary its name, if its part is still there.
func (s *Store) placeSummary(name string, part logPart, draft, path string) error {
	s.parts.turn.RLock()
	defer s.parts.turn.RUnlock()
	if l := s.parts.files[name]; l != nil {
		if i, ok := l.find(part.offset); ok && l.parts[i].disk == part.disk {
			return s.state.Rename(draft, path)
		}
	}
	return fs.ErrNotExist
}

// stretches appends the stretches of a compressed part that can have lines which
// the filter wants. within is the range of offsets in question.
func (f *filter) stretches(s *Store, name string, part logPart, within stretch, dst []stretch) []stretch {
	sum := s.summaryOf(name, part)
	if sum == nil {
		return append(dst, within)
	}
	hosts, any := f.summaryHosts(sum)
	if !any {
		return dst
	}
	var filters []byte
	if len(f.grams) > 0 {
		f.reading.Lock()
		defer f.reading.Unlock()
		filters = s.filters(sum, f.filters)
		f.filters = filters
	}
	for i := range sum.frames {
		x := &sum.frames[i]
		from, to := max(part.offset+x.plain, within.from), min(part.offset+sum.end(i), within.to)
		if from >= to || f.timed && (x.until < f.since || x.since >= f.until) {
			continue
		}
		if f.Level > LevelNone && x.levels>>f.Level == 0 {
			continue
		}
		if hosts != nil && !x.hasHost(hosts) {
			continue
		}
		if filters != nil {
			end := len(filters)
			if i+1 < len(sum.frames) {
				end = sum.frames[i+1].filter
			}
			if x.filter <= end && end <= len(filters) && !mayHave(filters[x.filter:end], f.grams) {
				continue
			}
		}
		if n := len(dst); n > 0 && dst[n-1].to == from {
			dst[n-1].to = to
		} else {
			dst = append(dst, stretch{from: from, to: to})
		}
	}
	return dst
}

// summaryHosts tells which of the summary's hosts are wanted; nil is all of
// them. any: at least one is.
func (f *filter) summaryHosts(sum *summary) (hosts []byte, any bool) {
	if len(f.Hosts) == 0 || sum.hosts == nil {
		return nil, true
	}
	m := matcher{filter: f}
	hosts = make([]byte, maxSummaryHosts/8)
	for i, h := range sum.hosts {
		if m.matchHost([]byte(h)) {
			hosts[i/8] |= 1 << (i % 8)
			any = true
		}
	}
	return hosts, any
}

func (x *frameSummary) hasHost(hosts []byte) bool {
	for i, b := range hosts {
		if x.hosts[i]&b != 0 {
			return true
		}
	}
	return false
}

// selective tells whether a summary can tell anything.
func (f *filter) selective() bool {
	return f.timed || f.Level > LevelNone || len(f.Hosts) > 0 || len(f.grams) > 0
}
