package logstore

import (
	"bytes"
	"slices"
	"strings"
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
	// Count asks for Result.Hits alone: nothing is handed over, unless that is needed
	// for Limit or Events. It does not go with Before and After.
	Count bool

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
	named        bool     // and more than the time
	needles      []needle // each hit contains all of them
	grams        []uint32 // of them, see winnow

	choosing sync.Once  // protects what follows
	needle   needle     // of needles the rarest one; zero = there is none
	clues    []*literal // the needle, or texts of which each hit contains one; empty = there are none

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
	f.named = len(q.Hosts) > 0 || len(q.Programs) > 0 || q.Level > LevelNone
	f.columns = f.timed || f.named
	if !q.Invert {
		for _, p := range q.Grep {
			for _, l := range p.literals {
				if l.fold == nil {
					f.grams = winnow([]byte(l.text), f.grams)
				}
				// A line end stands in no line, but in the text between two.
				if strings.IndexByte(l.text, '\n') < 0 {
					f.needles = append(f.needles, needle{l, p})
				}
			}
		}
	}
	return f
}

// picks tells whether there are lines that are not wanted.
func (f *filter) picks() bool { return f.columns || len(f.Grep)+len(f.Exclude) > 0 }

// A needle is a literal of a pattern.
type needle struct {
	*literal
	of *Pattern
}

// choose picks what is searched before lines are told apart. Of needles that is
// the rarest one in this text, and of those that are as rare, the longest one.
func (f *filter) choose(text []byte) {
	f.choosing.Do(func() {
		least := 0
		for i, n := range f.needles {
			count := 0
			if len(f.needles) > 1 {
				count = n.count(text[:min(len(text), smallBlock)])
			}
			if i == 0 || count < least || count == least && len(n.text) > len(f.needle.text) {
				f.needle, least = n, count
			}
		}
		switch {
		case f.needle.of != nil:
			f.clues = []*literal{f.needle.literal}
		case !f.Invert && len(f.Grep) > 0 && f.anyOf() != nil:
			f.clues = f.anyOf()
		case f.Level > LevelNone:
			f.clues = levelClues(f.Level)
		}
	})
}

// anyOf are literals of a pattern of which each hit contains one.
func (f *filter) anyOf() []*literal {
	for _, p := range f.Grep {
		if p.any != nil && !slices.ContainsFunc(p.any, func(l *literal) bool { return strings.IndexByte(l.text, '\n') >= 0 }) {
			return p.any
		}
	}
	return nil
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

	clueAt []int // where each of clues is next
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
		// Lines before next need no second look.
		if at, ok := m.lastTime(text[max(m.next, 0):start]); ok {
			m.at = at
		} else if m.next < 0 {
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
		if p == m.needle.of { // which find has found in the line
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
	at, n, ours := m.lines.stamp(line)
	if m.timed {
		if at := m.time(text, start, line, at); at < m.since || at >= m.until {
			return false
		}
	}
	if !m.named {
		return true
	}
	c := columnsBehind(line, at, n, ours)
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

// find finds the lines of text that are wanted, and adds them to b.
func (m *matcher) find(text []byte, b *block) {
	m.choose(text)
	m.clueAt = m.clueAt[:0]
	for range m.clues {
		m.clueAt = append(m.clueAt, -1)
	}
	bare := m.Count && !m.columns && len(m.Grep) == 1 && len(m.Exclude) == 0 && m.needle.of != nil && m.needle.of.re == nil
	for at := 0; at < len(text); {
		start := at
		if len(m.clues) > 0 {
			if at = m.nextClue(text, at); at == len(text) {
				break
			}
			if !bare {
				start += lastNewline(text[start:at]) + 1
			}
		}
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text)
		} else {
			end += at
		}
		if bare || m.match(text, start, end) {
			if b.hits++; !m.Count {
				b.spans = append(b.spans, span{start: start, end: end, at: start})
			}
		}
		at = end + 1
	}
}

// nextClue is the first place of a clue in text at or behind at; the end where
// there is none.
func (m *matcher) nextClue(text []byte, at int) int {
	first := len(text)
	for i, l := range m.clues {
		if m.clueAt[i] < at {
			if n := l.index(text[at:]); n >= 0 {
				m.clueAt[i] = at + n
			} else {
				m.clueAt[i] = len(text)
			}
		}
		first = min(first, m.clueAt[i])
	}
	return first
}
