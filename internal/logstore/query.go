package logstore

import (
	"bytes"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

// A Query says which lines of a Text are wanted. The zero value wants all.
type Query struct {
	Grep     []*Pattern // all must match; with Invert: none may
	Invert   bool
	Exclude  []*Pattern // none may match, whatever Invert says
	Hosts    []string   // one of these; none is any. Letter case does not matter
	Programs []string   // one of these; none is any
	Level    Level      // at least as grave
	// Since and Until bound the times: Since ≤ time < Until; zero is no bound. In a
	// very large file that is not compressed, lines are found that stand within a
	// quarter of an hour of where their time puts them.
	Since, Until time.Time

	// Zone is that of times which name none; nil is that of this process.
	Zone *time.Location

	// From and To bound the offsets at which lines begin: From ≤ offset < To.
	// To = 0 is the end. A From before the first byte that is left is an
	// *EvictedError; FromStart is that byte.
	From, To int64
	// Backward takes the last hits and not the first; they are handed over in the order
	// of the file all the same.
	Backward bool
	Limit    int // hits; 0 is no limit

	// Before and After are lines around each hit that are handed over as well.
	Before, After int
	// Events makes an event of several lines one hit: a traceback is handed over
	// whole, and found if one of its lines is.
	Events bool

	MaxScan  int64     // bytes that may be looked through; 0 is no limit
	Deadline time.Time // until when they are; zero is no limit
}

// FromStart as Query.From is the first byte that is left.
const FromStart = 0

// A filter is what a Query asks of a line. Any number of matchers may share it.
type filter struct {
	*Query
	zone         *time.Location
	now          time.Time
	since, until int64 // in nanoseconds since 1970
	timed        bool
	columns      bool     // more than the patterns is asked for
	needle       *Pattern // has a literal that each hit contains; nil = there is none
	grams        []uint32 // of the literals that each hit contains, see winnow

	reading sync.Mutex // protects filters
	filters []byte     // of the summary at hand
}

func newFilter(q *Query) *filter {
	f := &filter{Query: q, zone: q.Zone, now: time.Now(), since: minTime, until: maxTime}
	if f.zone == nil {
		f.zone = time.Local
	}
	if !q.Since.IsZero() {
		f.since, f.timed = nanos(q.Since), true
	}
	if !q.Until.IsZero() {
		f.until, f.timed = nanos(q.Until), true
	}
	f.columns = f.timed || len(q.Hosts) > 0 || len(q.Programs) > 0 || q.Level > LevelNone
	if !q.Invert {
		for _, p := range q.Grep {
			f.grams = winnow(p.literal, f.grams)
			// A line end stands in no line, but in the text between two.
			if len(p.literal) > 0 && bytes.IndexByte(p.literal, '\n') < 0 && (f.needle == nil || len(p.literal) > len(f.needle.literal)) {
				f.needle = p
			}
		}
	}
	return f
}

const (
	minTime = -1 << 63
	maxTime = 1<<63 - 1
)

// nanos is t in nanoseconds since 1970, or the nearest number that there is.
func nanos(t time.Time) int64 {
	switch y := t.Year(); {
	case y < 1700:
		return minTime + 1
	case y > 2200:
		return maxTime - 1
	}
	return t.UnixNano()
}

// A matcher applies a filter to the lines of a block, from the first to the
// last. Not for concurrent use.
type matcher struct {
	*filter
	lines  *LineReader
	before func() int64 // the time of the last line before the block, minTime where there is none

	next int   // where the line begins that follows the last one whose time was wanted
	at   int64 // and that time
}

func (f *filter) matcher() *matcher {
	return &matcher{filter: f, lines: NewLineReader(f.zone, f.now), next: -1}
}

// match tells whether the line text[start:end] is wanted.
func (m *matcher) match(text []byte, start, end int) bool {
	line := text[start:end]
	return m.matchPatterns(line) && (!m.columns || m.matchColumns(text, start, line))
}

// time is that of the line that begins at start and has at for its own; a line
// without one has that of the line before it.
func (m *matcher) time(text []byte, start int, line []byte, at syslog.Timestamp) int64 {
	switch {
	case at.Valid:
		m.at = at.Sec*1e9 + int64(at.Nsec)
	case start == m.next:
	default:
		var ok bool
		if m.at, ok = m.lastTime(text[:start]); !ok {
			m.at = m.before()
		}
	}
	m.next = start + len(line) + 1
	return m.at
}

// lastTime is the time of the last line of text that has one.
func (m *matcher) lastTime(text []byte) (int64, bool) {
	for len(text) > 0 {
		text = bytes.TrimSuffix(text, []byte{'\n'})
		start := bytes.LastIndexByte(text, '\n') + 1
		if at, _, _ := m.lines.stamp(text[start:]); at.Valid {
			return at.Sec*1e9 + int64(at.Nsec), true
		}
		text = text[:start]
	}
	return minTime, false
}

func (m *matcher) matchPatterns(line []byte) bool {
	for _, p := range m.Grep {
		if p == m.needle { // which find has found in the line
			if !p.matchRest(line) {
				return false
			}
		} else if p.Match(line) == m.Invert {
			return false
		}
	}
	for _, p := range m.Exclude {
		if p.Match(line) {
			return false
		}
	}
	return true
}

func (m *matcher) matchColumns(text []byte, start int, line []byte) bool {
	c := m.lines.Columns(line)
	if m.timed {
		if at := m.time(text, start, line, c.Time); at < m.since || at >= m.until {
			return false
		}
	}
	if len(m.Hosts) > 0 && !m.matchHost(c.Host) {
		return false
	}
	if len(m.Programs) > 0 && !oneOf(m.Programs, c.Program) {
		return false
	}
	if m.Level > LevelNone {
		l, _ := LevelOf(c.Program, c.Text)
		return l >= m.Level
	}
	return true
}

// matchHost compares with the whole column, and with both of address/claimed.
func (m *matcher) matchHost(host []byte) bool {
	if i := bytes.IndexByte(host, '/'); i >= 0 && (m.sameHost(host[:i]) || m.sameHost(host[i+1:])) {
		return true
	}
	return m.sameHost(host)
}

func (m *matcher) sameHost(host []byte) bool {
	for _, h := range m.Hosts {
		if len(h) == len(host) && bytes.EqualFold([]byte(h), host) {
			return true
		}
	}
	return false
}

func oneOf(list []string, b []byte) bool {
	for _, s := range list {
		if s == string(b) {
			return true
		}
	}
	return false
}

// find appends the lines of text that are wanted.
func (m *matcher) find(text []byte, spans []span) []span {
	for at := 0; at < len(text); {
		start := at
		if m.needle != nil {
			i := m.needle.index(text[at:])
			if i < 0 {
				break
			}
			start = at + bytes.LastIndexByte(text[at:at+i], '\n') + 1
			at += i
		}
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text)
		} else {
			end += at
		}
		if m.match(text, start, end) {
			spans = append(spans, span{start, end})
		}
		at = end + 1
	}
	return spans
}
