package httpindex

import (
	"cmp"
	"context"
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
	maxCounted     = 1000 // hosts and programs that are told apart
)

// A histogram counts lines by time, level, host and program.
type histogram struct {
	from, to time.Time
	start    time.Time // of the first bucket
	step     time.Duration
	sum      *logstore.Tally
	limited  logstore.Limit
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
			g, err := countLines(ctx, texts, q, int(buckets), now)
			if err != nil {
				return nil, err
			}
			return g.appendJSON(nil, q.Zone), nil
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

func countLines(ctx context.Context, texts []*logstore.Text, q logstore.Query, buckets int, now time.Time) (*histogram, error) {
	from, to, err := span(texts, &q, now)
	if err != nil {
		return nil, err
	}
	step := niceStep(to.Sub(from) / time.Duration(buckets))
	start := from.Truncate(step)
	g := &histogram{from: from, to: to, start: start, step: step, sum: logstore.NewTally(start, step, int(to.Sub(start)/step)+1)}
	for _, t := range texts {
		res, err := t.Tally(ctx, q, g.sum)
		if err != nil {
			return nil, err
		}
		if res.Limited != logstore.LimitNone {
			g.limited = res.Limited
			break
		}
	}
	return g, nil
}

// most leaves those maxCounted that have the most lines; all others are "".
func most(counts map[string]int64) map[string]int64 {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	if len(names) > maxCounted {
		for _, name := range names[maxCounted:] {
			n := counts[name]
			delete(counts, name)
			counts[""] += n
		}
	}
	return counts
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
func (g *histogram) appendJSON(buf []byte, zone *time.Location) []byte {
	stamp := func(buf []byte, t time.Time) []byte {
		buf = t.In(zone).AppendFormat(append(buf, '"'), time.RFC3339Nano)
		return append(buf, '"')
	}
	buf = stamp(append(buf, `{"from":`...), g.from)
	buf = stamp(append(buf, `,"to":`...), g.to)
	buf = append(buf, `,"step":`...)
	buf = strconv.AppendFloat(buf, g.step.Seconds(), 'f', -1, 64)
	buf = fmt.Appendf(buf, `,"lines":%d,"buckets":[`, g.sum.Lines)
	first := true
	for i, counts := range g.sum.Buckets {
		if counts == ([len(logstore.LevelNames)]int64{}) {
			continue
		}
		if !first {
			buf = append(buf, ',')
		}
		first = false
		buf = stamp(append(buf, "\n{\"time\":"...), g.start.Add(time.Duration(i)*g.step))
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
	hosts, programs := make(map[string]int64), make(map[string]int64)
	for _, w := range g.sum.Writers {
		hosts[w.Host] += w.Lines
		programs[w.Program] += w.Lines
	}
	buf = appendCounts(append(buf, "\n],\"hosts\":"...), most(hosts))
	buf = appendCounts(append(buf, `,"programs":`...), most(programs))
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
