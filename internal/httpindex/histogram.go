package httpindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

var histogramNames = slices.Concat([]string{"file", "buckets"}, filterNames)

const (
	defaultBuckets = 60
	maxBuckets     = 1000
	maxCounted     = 1000 // hosts and programs that are counted apart
)

// A histogram counts lines by time, level, host and program.
type histogram struct {
	from, step time.Duration // since 1970
	counts     [][len(logstore.LevelNames)]int64
	hosts      map[string]int64
	programs   map[string]int64
	limited    logstore.Limit
	lines      int64
}

// histogram answers GET /histogram: how many lines there are in each part of a
// time, by level.
func (h *Handler) histogram(w http.ResponseWriter, r *http.Request) int {
	buckets := int64(0)
	return h.overview(w, r, overview{
		names: histogramNames,
		refine: func(values url.Values, _ *logstore.Query) (err error) {
			buckets, err = parseNumber(values, "buckets", "a number", 1, maxBuckets, defaultBuckets)
			return err
		},
		look: func(ctx context.Context, texts []*logstore.Text, q logstore.Query, now time.Time) ([]byte, error) {
			g, from, to, err := countLines(ctx, texts, q, int(buckets), now)
			if err != nil {
				return nil, err
			}
			return g.appendJSON(nil, from, to, q.Zone), nil
		},
	})
}

// span is the time from the first to the last line of the texts, or what q
// says of it.
func span(texts []*logstore.Text, q *logstore.Query, now time.Time) (from, to time.Time, err error) {
	from, to = q.Since, q.Until
	for _, t := range texts {
		first, last, err := t.Times(q.Zone, now)
		if err != nil {
			return from, to, err
		}
		if first.IsZero() {
			continue
		}
		if q.Since.IsZero() && (from.IsZero() || first.Before(from)) {
			from = first
		}
		if q.Until.IsZero() && (to.IsZero() || !last.Before(to)) {
			to = last.Add(time.Nanosecond)
		}
	}
	if to.IsZero() {
		to = now
	}
	if from.IsZero() || from.After(to) {
		from = to.Add(-time.Second)
	}
	return from, to, nil
}

func countLines(ctx context.Context, texts []*logstore.Text, q logstore.Query, buckets int, now time.Time) (*histogram, time.Time, time.Time, error) {
	from, to, err := span(texts, &q, now)
	if err != nil {
		return nil, from, to, err
	}
	step := niceStep(to.Sub(from) / time.Duration(buckets))
	start := from.Truncate(step)
	n := int(to.Sub(start)/step) + 1
	g := &histogram{
		from: time.Duration(start.UnixNano()), step: step, counts: make([][len(logstore.LevelNames)]int64, n),
		hosts: make(map[string]int64), programs: make(map[string]int64),
	}
	lines := logstore.NewLineReader(q.Zone, now)
	for _, t := range texts {
		at := g.from
		res, err := t.Scan(ctx, q, func(f *logstore.Found) error {
			c := lines.Columns(f.Raw)
			if c.Time.Valid {
				at = time.Duration(c.Time.Sec*1e9 + int64(c.Time.Nsec))
			}
			level, _ := logstore.LevelOf(c.Program, c.Text)
			i := min(max(int((at-g.from)/g.step), 0), n-1)
			g.counts[i][level]++
			g.lines++
			count(g.hosts, c.Host)
			count(g.programs, c.Program)
			return nil
		})
		if err != nil && !errors.Is(err, logstore.ErrStop) {
			return nil, from, to, err
		}
		if res.Limited != logstore.LimitNone {
			g.limited = res.Limited
			break
		}
	}
	return g, from, to, nil
}

// count adds one to what name has; past maxCounted names all others are "".
func count(counts map[string]int64, name []byte) {
	if _, ok := counts[string(name)]; !ok && len(counts) >= maxCounted {
		name = nil
	}
	counts[string(name)]++
}

// steps are widths of buckets that people read easily.
var steps = []time.Duration{
	time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// niceStep is the next of steps, or a number of days.
func niceStep(d time.Duration) time.Duration {
	for _, s := range steps {
		if d <= s {
			return s
		}
	}
	const day = 24 * time.Hour
	return (d + day - 1) / day * day
}

// appendJSON writes
//
//	{"from":T,"to":T,"step":60,"lines":103,"buckets":[{"time":T,"counts":{"error":3}}],"hosts":{"web1":103},"programs":{"celery":103},"limited":""}
//
// with the buckets that are not empty.
func (g *histogram) appendJSON(buf []byte, from, to time.Time, zone *time.Location) []byte {
	stamp := func(buf []byte, t time.Time) []byte {
		buf = t.In(zone).AppendFormat(append(buf, '"'), time.RFC3339Nano)
		return append(buf, '"')
	}
	buf = stamp(append(buf, `{"from":`...), from)
	buf = stamp(append(buf, `,"to":`...), to)
	buf = append(buf, `,"step":`...)
	buf = strconv.AppendFloat(buf, g.step.Seconds(), 'f', -1, 64)
	buf = fmt.Appendf(buf, `,"lines":%d,"buckets":[`, g.lines)
	first := true
	for i, counts := range g.counts {
		if counts == ([len(logstore.LevelNames)]int64{}) {
			continue
		}
		if !first {
			buf = append(buf, ',')
		}
		first = false
		buf = stamp(append(buf, "\n{\"time\":"...), time.Unix(0, int64(g.from)+int64(i)*int64(g.step)))
		buf = append(buf, `,"counts":{`...)
		some := false
		for l, n := range counts {
			if n > 0 {
				if some {
					buf = append(buf, ',')
				}
				some = true
				buf = fmt.Appendf(buf, "%q:%d", logstore.LevelNames[l], n)
			}
		}
		buf = append(buf, "}}"...)
	}
	buf = appendCounts(append(buf, "\n],\"hosts\":"...), g.hosts)
	buf = appendCounts(append(buf, `,"programs":`...), g.programs)
	return fmt.Appendf(buf, ",\"limited\":%q}\n", g.limited)
}

func appendCounts(buf []byte, counts map[string]int64) []byte {
	buf = append(buf, '{')
	for i, name := range slices.Sorted(maps.Keys(counts)) {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendJSONString(buf, name)
		buf = strconv.AppendInt(append(buf, ':'), counts[name], 10)
	}
	return append(buf, '}')
}
