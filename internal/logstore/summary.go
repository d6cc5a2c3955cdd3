package logstore

import (
	"bytes"
	"math"
	"time"
)

// A summary tells of each frame of a compressed part what lines it can have, so
// that a scan passes over the others, and how many lines there are at which
// times, so that they are counted without being read. There are some of stretches
// of other files, see textSummary. It is derived from the text alone, and nothing
// depends on it but speed. docs/formats/summaries.md has the picture.
type summary struct {
	path               string // of its file; empty for one that has none yet
	offset, size, disk int64  // of the part
	lines              int64
	hosts              []string
	writers            []Writer // whose lines the grids count; Lines is not used
	grids              []grid   // the finest first; none where they would have too many cells
	frames             []frameSummary
	body               int    // where the grids begin in the file
	filters            []byte // of all frames; nil where they were not read
}

// frameSummary is what is known of one frame.
type frameSummary struct {
	plain        int64 // where it begins in the text of the part
	since, until int64 // the first and the last time of its lines, in nanoseconds; minTime and maxTime = see vague
	levels       uint16
	hosts        [maxSummaryHosts / 8]byte // which of summary.hosts; unused where there are too many
	filter       int                       // where its filter begins, and that of the next one ends it
}

// vague tells of a frame that the part alone does not say when each line was
// written. Grids do not have its lines.
func (x *frameSummary) vague() bool { return x.since == minTime }

const (
	// summaryVersion also stands for what is counted: it goes up when LevelOf or
	// LineReader take other things from a line than before.
	summaryVersion  = 2
	maxSummaryHosts = 64
	summaryHead     = 8 + 4 + 4 + 8 + 8 + 8 + 8 + 5*4
	summaryFrame    = 8 + 8 + 8 + 2 + maxSummaryHosts/8 + 4
	summaryGrid     = 8 + 4 + 4
	tooManyHosts    = math.MaxUint32
)

var summaryTitle = [8]byte{'D', 'A', 'L', 'O', 'G', 'S', 'U', 'M'}

// summarizer makes a summary of frames as they come. Its reader takes times
// with a zone only: others depend on who asks.
type summarizer struct {
	summary
	reader     *LineReader
	unfiltered bool // no filters are made
	known      map[string]int
	last       int64 // the time of the last line; minTime = there was none
	cells      *gridMaker
	hashes     []uint32
	distinct   distinct
}

func newSummarizer(offset int64) *summarizer {
	return &summarizer{
		summary: summary{offset: offset, hosts: []string{}}, reader: NewLineReader(time.UTC, time.Time{}),
		known: make(map[string]int), last: minTime, cells: newGridMaker(),
	}
}

// add takes the next frame, which is whole lines, and of which so many bytes
// count for the text of the part.
func (s *summarizer) add(text []byte, size int64) {
	f := frameSummary{plain: s.size, since: maxTime, until: minTime, filter: len(s.filters)}
	for rest := text; len(rest) > 0; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		s.line(&f, line)
	}
	s.cells.end(!f.vague(), s.lines)
	s.size += size
	if !s.unfiltered {
		s.hashes = winnow(text, s.hashes[:0])
		s.filters = appendFilter(s.filters, s.distinct.of(s.hashes))
	}
	s.frames = append(s.frames, f)
}

// end gives the summary.
func (s *summarizer) end(disk int64) *summary {
	s.disk = disk
	s.summary.grids = s.cells.grids()
	s.writers = s.cells.writers
	return &s.summary
}

func (s *summarizer) line(f *frameSummary, line []byte) {
	c := s.reader.Columns(line)
	s.lines++
	switch {
	case c.Time.Valid && isDigit(line[0]) && len(line) > 10 && line[10] == 'T' && c.Host != nil && c.Time.Sec >= leastTold/1e9 && c.Time.Sec < mostTold/1e9:
		s.last = c.Time.Sec*1e9 + int64(c.Time.Nsec)
		f.since, f.until = min(f.since, s.last), max(f.until, s.last)
	case c.Time.Valid || s.last == minTime:
		// Its time depends on the zone of who asks, or on what is before the part, or is
		// none.
		f.since, f.until = minTime, maxTime
		s.last = minTime
	default:
		f.since, f.until = min(f.since, s.last), max(f.until, s.last)
	}
	l, _ := LevelOf(c.Program, c.Text)
	f.levels |= 1 << l
	if !f.vague() {
		s.cells.add(s.last, l, c.Host, c.Program)
	}
	if s.hosts == nil {
		return
	}
	i, ok := s.known[string(c.Host)]
	if !ok {
		if len(s.hosts) == maxSummaryHosts {
			s.hosts = nil
			return
		}
		i = len(s.hosts)
		s.hosts = append(s.hosts, string(c.Host))
		s.known[s.hosts[i]] = i
	}
	f.hosts[i/8] |= 1 << (i % 8)
}

// weight is about how much memory the summary takes.
func (s *summary) weight() int {
	n := 200 + 64*len(s.frames) + 48*len(s.grids) + 40*len(s.writers) + 16*len(s.hosts)
	for _, w := range s.writers {
		n += len(w.Host) + len(w.Program)
	}
	for _, h := range s.hosts {
		n += len(h)
	}
	return n
}

// end is where frame i ends in the text of the part.
func (s *summary) end(i int) int64 {
	if i+1 < len(s.frames) {
		return s.frames[i+1].plain
	}
	return s.size
}
