package logstore

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"time"
)

// A summary tells of each frame of a compressed part what lines it can have, so
// that a scan passes over the others. It is derived from the part alone, and
// nothing depends on it but speed. docs/formats/summaries.md has the picture.
type summary struct {
	offset, size, disk int64 // of the part
	hosts              []string
	frames             []frameSummary
	filters            []byte // of all frames; nil where they were not read
}

// frameSummary is what is known of one frame.
type frameSummary struct {
	plain        int64 // where it begins in the text of the part
	since, until int64 // the first and the last time of its lines, in nanoseconds
	levels       uint16
	hosts        [maxSummaryHosts / 8]byte // which of summary.hosts; unused where there are too many
	filter       int                       // where its filter begins, and that of the next one ends it
}

const (
	summaryVersion  = 1
	maxSummaryHosts = 64
	summaryHead     = 8 + 4 + 4 + 8 + 8 + 8 + 4 + 4 + 4
	summaryFrame    = 8 + 8 + 8 + 2 + maxSummaryHosts/8 + 4
	tooManyHosts    = math.MaxUint32
)

var summaryTitle = [8]byte{'D', 'A', 'L', 'O', 'G', 'S', 'U', 'M'}

// summarizer makes a summary of frames as they come. Its reader takes times
// with a zone only: others depend on who asks.
type summarizer struct {
	summary
	lines  *LineReader
	known  map[string]int
	last   int64 // the time of the last line; minTime = there was none
	hashes []uint32
}

func newSummarizer(offset int64) *summarizer {
	return &summarizer{
		summary: summary{offset: offset, hosts: []string{}}, lines: NewLineReader(time.UTC, time.Time{}),
		known: make(map[string]int), last: minTime,
	}
}

// add takes the next frame, which is whole lines.
func (s *summarizer) add(text []byte) {
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
	s.size += int64(len(text))
	s.hashes = winnow(text, s.hashes[:0])
	slices.Sort(s.hashes)
	s.filters = appendFilter(s.filters, slices.Compact(s.hashes))
	s.frames = append(s.frames, f)
}

func (s *summarizer) line(f *frameSummary, line []byte) {
	c := s.lines.Columns(line)
	switch {
	case c.Time.Valid && isDigit(line[0]) && len(line) > 10 && line[10] == 'T' && c.Host != nil:
		s.last = c.Time.Sec*1e9 + int64(c.Time.Nsec)
		f.since, f.until = min(f.since, s.last), max(f.until, s.last)
	case c.Time.Valid || s.last == minTime:
		// Its time depends on the zone of who asks, or on what is before the part.
		f.since, f.until = minTime, maxTime
		s.last = minTime
	default:
		f.since, f.until = min(f.since, s.last), max(f.until, s.last)
	}
	l, _ := LevelOf(c.Program, c.Text)
	f.levels |= 1 << l
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

// encode makes the file.
func (s *summary) encode() []byte {
	le := binary.LittleEndian
	buf := append(make([]byte, 0, summaryHead+len(s.frames)*summaryFrame+len(s.filters)+1024), summaryTitle[:]...)
	buf = le.AppendUint32(buf, summaryVersion)
	buf = le.AppendUint32(buf, 0) // the sum
	buf = le.AppendUint64(buf, uint64(s.offset))
	buf = le.AppendUint64(buf, uint64(s.size))
	buf = le.AppendUint64(buf, uint64(s.disk))
	buf = le.AppendUint32(buf, uint32(len(s.frames)))
	hosts := uint32(tooManyHosts)
	if s.hosts != nil {
		hosts = uint32(len(s.hosts))
	}
	buf = le.AppendUint32(buf, hosts)
	at := len(buf)
	buf = le.AppendUint32(buf, 0) // bytes before the filters
	for _, h := range s.hosts {
		buf = le.AppendUint16(buf, uint16(len(h)))
		buf = append(buf, h...)
	}
	for _, f := range s.frames {
		buf = le.AppendUint64(buf, uint64(f.plain))
		buf = le.AppendUint64(buf, uint64(f.since))
		buf = le.AppendUint64(buf, uint64(f.until))
		buf = le.AppendUint16(buf, f.levels)
		buf = append(buf, f.hosts[:]...)
		buf = le.AppendUint32(buf, uint32(f.filter))
	}
	le.PutUint32(buf[at:], uint32(len(buf)))
	le.PutUint32(buf[12:], summarySum(buf))
	return append(buf, s.filters...)
}

// summarySum is the checksum of what is before the filters. Those have none: a
// bit that is lost in them could hide a line, so each frame's filter begins with
// its own.
func summarySum(head []byte) uint32 {
	return crc32.Checksum(head[16:], castagnoli)
}

// summaryHeadSize tells how much of a file is before the filters.
func summaryHeadSize(b []byte) (int, bool) {
	le := binary.LittleEndian
	if len(b) < summaryHead || [8]byte(b) != summaryTitle || le.Uint32(b[8:]) != summaryVersion {
		return 0, false
	}
	n := int(le.Uint32(b[summaryHead-4:]))
	return n, n >= summaryHead && n <= 1<<28
}

// decodeSummary reads what is before the filters; ok is false where that is
// not whole, or not for this part.
func decodeSummary(b []byte, part logPart) (s *summary, ok bool) {
	le := binary.LittleEndian
	n, ok := summaryHeadSize(b)
	if !ok || len(b) != n || le.Uint32(b[12:]) != summarySum(b) {
		return nil, false
	}
	s = &summary{offset: int64(le.Uint64(b[16:])), size: int64(le.Uint64(b[24:])), disk: int64(le.Uint64(b[32:]))}
	if s.offset != part.offset || s.size != part.size || s.disk != part.disk {
		return nil, false
	}
	frames, hosts := int(le.Uint32(b[40:])), le.Uint32(b[44:])
	rest := b[summaryHead:]
	if hosts != tooManyHosts {
		s.hosts = []string{}
		for range hosts {
			if len(rest) < 2 || len(rest) < 2+int(le.Uint16(rest)) {
				return nil, false
			}
			end := 2 + int(le.Uint16(rest))
			s.hosts = append(s.hosts, string(rest[2:end]))
			rest = rest[end:]
		}
	}
	if len(rest) != frames*summaryFrame {
		return nil, false
	}
	for ; len(rest) > 0; rest = rest[summaryFrame:] {
		f := frameSummary{
			plain: int64(le.Uint64(rest)), since: int64(le.Uint64(rest[8:])), until: int64(le.Uint64(rest[16:])), levels: le.Uint16(rest[24:]),
			filter: int(le.Uint32(rest[26+maxSummaryHosts/8:])),
		}
		copy(f.hosts[:], rest[26:])
		s.frames = append(s.frames, f)
	}
	return s, true
}

// end is where frame i ends in the text of the part.
func (s *summary) end(i int) int64 {
	if i+1 < len(s.frames) {
		return s.frames[i+1].plain
	}
	return s.size
}
