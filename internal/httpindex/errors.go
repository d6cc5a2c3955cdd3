package httpindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

var errorsNames = slices.Concat([]string{"file"}, filterNames)

const (
	maxGroups    = 500
	trendBuckets = 40
	maxEventText = 64 // lines of an event by which its kind is told, the last ones and the first
)

// errorGroup is the events of one kind.
type errorGroup struct {
	fingerprint
	level       logstore.Level
	count       int64
	first, last time.Time
	hosts       map[string]int64
	programs    map[string]int64
	files       map[string]int64
	trend       [trendBuckets]int64
	example     []byte // the JSON of the first line of the latest event
}

// errorGroups is the kinds of errors in some files.
type errorGroups struct {
	groups   map[string]*errorGroup // by shape
	dropped  int64                  // events of kinds beyond maxGroups
	from, to time.Time
	limited  logstore.Limit
}

// errors answers GET /errors: tracebacks and error lines by what they say.
func (h *Handler) errors(w http.ResponseWriter, r *http.Request) int {
	return h.overview(w, r, overview{
		names: errorsNames,
		refine: func(values url.Values, q *logstore.Query) error {
			if !values.Has("level") {
				q.Level = logstore.LevelError
			}
			return nil
		},
		look: func(ctx context.Context, texts []*logstore.Text, q logstore.Query, now time.Time) ([]byte, error) {
			g, err := groupErrors(ctx, texts, q, now)
			if err != nil {
				return nil, err
			}
			return g.appendJSON(nil, q.Zone), nil
		},
	})
}

// groupErrors looks through the texts for events that q wants.
func groupErrors(ctx context.Context, texts []*logstore.Text, q logstore.Query, now time.Time) (*errorGroups, error) {
	from, to, err := span(texts, &q, now)
	if err != nil {
		return nil, err
	}
	q.Events = true
	g := &errorGroups{groups: make(map[string]*errorGroup), from: from, to: to}
	for _, t := range texts {
		e := eventReader{groups: g, file: t.Name, lines: logstore.NewLineReader(q.Zone, now), writer: newLineWriter(&search{Query: q, cut: minCut}, now), event: -1}
		res, err := t.Scan(ctx, q, e.line)
		if err != nil && !errors.Is(err, logstore.ErrStop) {
			return nil, err
		}
		e.end()
		if res.Limited != logstore.LimitNone {
			g.limited = res.Limited
			break
		}
	}
	return g, nil
}

// An eventReader gathers the lines of each event of one file.
type eventReader struct {
	groups *errorGroups
	file   string
	lines  *logstore.LineReader
	writer *lineWriter

	event         int64 // offset of the one at hand; -1 = none
	text          []string
	level         logstore.Level
	at            time.Time
	host, program string
	example       []byte
}

func (e *eventReader) line(f *logstore.Found) error {
	if !f.Hit {
		return nil
	}
	c := e.lines.Columns(f.Raw)
	if f.Event != e.event {
		e.end()
		e.event, e.level = f.Event, logstore.LevelNone
		e.host, e.program = string(c.Host), string(c.Program)
		if c.Time.Valid {
			e.at = c.Time.Time()
		}
		e.example = e.writer.append(e.example[:0], e.file, f)
	}
	level, _ := logstore.LevelOf(c.Program, c.Text)
	e.level = max(e.level, level)
	if len(e.text) >= maxEventText {
		// The end tells more than the middle.
		e.text = slices.Delete(e.text, 1, 2)
	}
	e.text = append(e.text, string(c.Text[:min(len(c.Text), maxEventLine)]))
	return nil
}

// maxEventLine is how much of a line is looked at: the end of docassemble's
// tracebacks, which are one line, lies within.
const maxEventLine = 32 << 10

// end counts the event at hand.
func (e *eventReader) end() {
	if e.event < 0 || len(e.text) == 0 {
		return
	}
	e.groups.count(e)
	e.event, e.text = -1, e.text[:0]
}

func (g *errorGroups) count(e *eventReader) {
	f := fingerprintOf(e.text)
	group := g.groups[f.shape]
	if group == nil {
		if len(g.groups) >= maxGroups {
			g.dropped++
			return
		}
		group = &errorGroup{fingerprint: f, first: e.at, hosts: map[string]int64{}, programs: map[string]int64{}, files: map[string]int64{}}
		g.groups[f.shape] = group
	}
	group.count++
	group.level = max(group.level, e.level)
	if e.at.Before(group.first) {
		group.first = e.at
	}
	if !e.at.Before(group.last) {
		group.last = e.at
		group.example = append(group.example[:0], e.example...)
	}
	count(group.hosts, []byte(e.host))
	count(group.programs, []byte(e.program))
	count(group.files, []byte(e.file))
	if all := g.to.Sub(g.from); all > 0 {
		i := int(float64(trendBuckets) * float64(e.at.Sub(g.from)) / float64(all))
		group.trend[min(max(i, 0), trendBuckets-1)]++
	}
}

// count adds one to what name has; past maxCounted names all others are "".
func count(counts map[string]int64, name []byte) {
	if _, ok := counts[string(name)]; !ok && len(counts) >= maxCounted {
		name = nil
	}
	counts[string(name)]++
}

// appendJSON writes
//
//	{"from":T,"to":T,"groups":[{"fingerprint":"1a2b","title":"ValueError: no such parcel","pattern":"ValueError: no such parcel","level":"error",
//	 "count":3,"first":T,"last":T,"hosts":{"web1":3},"programs":{"celery":3},"files":{"worker.log":3},"trend":[0,3],"example":LINE}],"dropped":0,"limited":""}
//
// with the most frequent kind first.
func (g *errorGroups) appendJSON(buf []byte, zone *time.Location) []byte {
	stamp := func(buf []byte, t time.Time) []byte {
		return append(t.In(zone).AppendFormat(append(buf, '"'), time.RFC3339Nano), '"')
	}
	groups := make([]*errorGroup, 0, len(g.groups))
	for _, group := range g.groups {
		groups = append(groups, group)
	}
	slices.SortFunc(groups, func(a, b *errorGroup) int {
		return cmp.Or(cmp.Compare(b.count, a.count), b.last.Compare(a.last), cmp.Compare(a.shape, b.shape))
	})
	buf = stamp(append(buf, `{"from":`...), g.from)
	buf = stamp(append(buf, `,"to":`...), g.to)
	buf = append(buf, `,"groups":[`...)
	for i, group := range groups {
		if i > 0 {
			buf = append(buf, ',')
		}
		hash := fnv.New64a()
		hash.Write([]byte(group.shape))
		buf = fmt.Appendf(buf, "\n{\"fingerprint\":\"%016x\",\"title\":", hash.Sum64())
		buf = appendJSONString(buf, group.title)
		buf = appendJSONString(append(buf, `,"pattern":`...), group.pattern)
		buf = fmt.Appendf(buf, `,"level":%q,"count":%d,"first":`, group.level, group.count)
		buf = stamp(buf, group.first)
		buf = stamp(append(buf, `,"last":`...), group.last)
		buf = appendCounts(append(buf, `,"hosts":`...), group.hosts)
		buf = appendCounts(append(buf, `,"programs":`...), group.programs)
		buf = appendCounts(append(buf, `,"files":`...), group.files)
		buf = append(buf, `,"trend":[`...)
		for i, n := range group.trend {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = fmt.Append(buf, n)
		}
		buf = append(append(buf, `],"example":`...), group.example...)
		buf = append(buf, '}')
	}
	return fmt.Appendf(buf, "\n],\"dropped\":%d,\"limited\":%q}\n", g.dropped, g.limited)
}
