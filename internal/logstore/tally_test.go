package logstore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// tallied is what a Tally has, in a form that can be compared.
type tallied struct {
	Lines   int64
	Buckets map[string]int64 // by bucket and level
	Writers map[string]int64
}

func (t *Tally) plain() tallied {
	all := tallied{t.Lines, map[string]int64{}, map[string]int64{}}
	for i := range t.Buckets {
		for l, n := range t.Buckets[i] {
			if n != 0 {
				all.Buckets[fmt.Sprintf("%d %s", i, Level(l))] = n
			}
		}
	}
	for _, w := range t.Writers {
		if w.Lines != 0 {
			all.Writers[w.Host+" "+w.Program] += w.Lines
		}
	}
	return all
}

// naiveTally counts the same by plain means.
func (p *plan) naiveTally(q Query, patterns, excludes []string, from time.Time, step time.Duration, n int) tallied {
	all := tallied{0, map[string]int64{}, map[string]int64{}}
	for _, i := range p.naive(q, patterns, excludes) {
		l := p.lines[i]
		bucket := 0
		if l.at > from.UnixNano() {
			bucket = min(int((l.at-from.UnixNano())/int64(step)), n-1)
		}
		all.Lines++
		all.Buckets[fmt.Sprintf("%d %s", bucket, l.level)]++
		all.Writers[l.host+" "+l.program]++
	}
	return all
}

// drawTimes draws a file of many lines as a cluster might write it: at any rate,
// out of order, with lines that have no time, one in a local zone, or an absurd one.
func drawTimes(r *rapid.T) *plan {
	p := &plan{name: "worker.log"}
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 1))
	step := pick(random, []time.Duration{10 * time.Microsecond, time.Millisecond, 300 * time.Millisecond, 20 * time.Second, 10 * time.Minute})
	disorder := pick(random, []time.Duration{1, time.Second, time.Minute, 26 * time.Hour})
	hosts := pick(random, []int{1, 3, 100, 1500})
	odd := pick(random, []int{0, 4, 40, 3})
	kinds := 5
	if odd == 4 {
		kinds = 1
	}
	pad := strings.Repeat("z", pick(random, []int{10, 150, 3000}))
	size := random.IntN(1_000_000)
	// Times without a year are of the last twelve months.
	at, last := time.Now().UTC().Add(-300*24*time.Hour).Truncate(time.Hour), int64(minTime)
	if kinds == 1 && random.IntN(2) == 0 {
		at = time.Unix(0, 0).UTC().Add(-time.Hour)
	}
	for size > 0 {
		at = at.Add(time.Duration(random.Int64N(int64(2 * step))))
		when := at.Add(-time.Duration(random.Int64N(int64(disorder))))
		text := planTexts[random.IntN(len(planTexts))]
		l := planned{host: fmt.Sprintf("web%d", random.IntN(hosts)), program: []string{"celery", "uwsgi"}[random.IntN(2)], level: text.level}
		stamp := when.In(time.FixedZone("", random.IntN(3)*3600)).Format("2006-01-02T15:04:05.000000-07:00")
		l.at = when.Truncate(time.Microsecond).UnixNano()
		kind := 9
		if odd > 0 && random.IntN(odd) == 0 {
			kind = random.IntN(kinds)
		}
		switch kind {
		case 0:
			l.host, l.program, l.at = "", "", last
			l.raw = []string{"  File \"x.py\", line 7 ", "  "}[random.IntN(2)] + pad
			l.level = LevelNone
		case 1:
			l.at = when.Truncate(time.Second).UnixNano()
			l.raw = when.UTC().Format("Jan _2 15:04:05") + " " + l.host + " " + l.program + ": " + text.text + pad
		case 2:
			l.at = time.Date(2250, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
			l.raw = "2250-01-01T00:00:00Z " + l.host + " " + l.program + ": " + text.text + pad
		default:
			l.raw = stamp + " " + l.host + " " + l.program + "[7]: " + text.text + pad
		}
		last = l.at
		size -= len(l.raw) + 1
		p.lines = append(p.lines, l)
	}
	return p
}

// drawCount draws buckets and a query that are about the times of p.
func drawCount(r *rapid.T, p *plan) (q Query, patterns []string, from time.Time, step time.Duration, n int) {
	least, most := int64(maxTime), int64(minTime)
	for _, l := range p.lines {
		if l.at != minTime && l.at < time.Now().UnixNano() {
			least, most = min(least, l.at), max(most, l.at)
		}
	}
	if least > most {
		least, most = planStart.UnixNano(), planStart.UnixNano()+1
	}
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 2))
	some := func() time.Time {
		at := time.Unix(0, least-1000+random.Int64N(most-least+2000))
		return at.Truncate(pick(random, []time.Duration{1, time.Second, time.Minute, time.Hour}))
	}
	steps := []time.Duration{7, time.Millisecond, 10 * time.Millisecond, time.Second, 5 * time.Second, time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 72 * time.Hour}
	step = pick(random, steps)
	from, n = some(), 1+random.IntN(300)
	if random.IntN(10) > 0 {
		from = from.Truncate(step)
	}
	q.Zone = time.UTC
	if random.IntN(2) == 0 {
		q.Since = some()
	}
	if random.IntN(2) == 0 {
		q.Until = some()
	}
	q.Hosts = pick(random, [][]string{nil, nil, {"web1"}, {"WEB2", "web0"}, {"absent"}})
	q.Programs = pick(random, [][]string{nil, nil, {"celery"}})
	q.Level = pick(random, []Level{LevelNone, LevelNone, LevelInfo, LevelError})
	if random.IntN(5) == 0 {
		patterns = []string{pick(random, []string{"needle", "Task", "x.py|disk", "zzzz"})}
		pattern, err := NewPattern(patterns[0], false, false)
		require.NoError(r, err)
		q.Grep = []*Pattern{pattern}
	}
	if len(q.Hosts) > 0 {
		q.Hosts = append([]string{}, q.Hosts...)
	}
	return q, patterns, from, step, n
}

// pick takes one of some values, all of them equally often.
func pick[T any](random *rand.Rand, of []T) T { return of[random.IntN(len(of))] }

// What is counted is the same with summaries, without them, with damaged ones,
// and by plain means.
func TestTally(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		p := drawTimes(r)
		var cuts []int
		if n := len(p.lines); n > 0 {
			random := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 3))
			for range random.IntN(4) {
				cuts = append(cuts, random.IntN(n+1))
			}
			slices.Sort(cuts)
		}
		plain := rapid.IntRange(-1, 3).Draw(r, "plain") // this part is not compressed
		s := layOut(t, p, cuts, func(i int) bool { return i != plain }, 0)
		defer s.Close()
		s.cfg.searchTimes = 1 << 40 // times are in too much disorder to be searched by halving
		text, err := s.OpenText(p.name)
		require.NoError(r, err)
		defer text.Close()
		type count struct {
			q        Query
			patterns []string
			from     time.Time
			step     time.Duration
			n        int
		}
		var counts []count
		for range 6 {
			q, patterns, from, step, n := drawCount(r, p)
			counts = append(counts, count{q, patterns, from, step, n})
		}
		check := func(when string) {
			for _, c := range counts {
				q := c.q
				hosts := q.Hosts
				for i, h := range hosts {
					hosts[i] = strings.ToLower(h) // the naive way compares letters
				}
				want := p.naiveTally(q, c.patterns, nil, c.from, c.step, c.n)
				for i, h := range hosts {
					hosts[i] = strings.ToUpper(h)
				}
				sum := NewTally(c.from, c.step, c.n)
				res, err := text.Tally(t.Context(), q, sum)
				require.NoError(r, err)
				require.Equal(r, want, sum.plain(), "%s: %+v, %d buckets of %s from %s, sections %+v", when, q, c.n, c.step, c.from, text.sections)
				require.EqualValues(r, want.Lines, res.Hits)
				require.False(r, res.More)
			}
		}
		check("without summaries")
		s.summarize(t.Context())
		s.summarizeTexts(t.Context())
		check("with summaries")
		paths, err := filepath.Glob(filepath.Join(s.cfg.StateDir, summaryDir, "*"))
		require.NoError(r, err)
		for _, path := range paths {
			b, err := os.ReadFile(path)
			require.NoError(r, err)
			b[rapid.IntRange(0, len(b)-1).Draw(r, "damaged")] ^= 1 << rapid.IntRange(0, 7).Draw(r, "bit")
			require.NoError(r, os.WriteFile(path, b, 0o600))
			if rapid.Bool().Draw(r, "read again") {
				s.summaries.forget(summaryDir + "/" + filepath.Base(path))
			}
		}
		check("with damaged summaries")
	})
}

// tally counts all of a log file into buckets of an hour.
func tally(t testing.TB, s *Store, name string, q Query) (tallied, Result) {
	t.Helper()
	text, err := s.OpenText(name)
	require.NoError(t, err)
	defer text.Close()
	sum := NewTally(planStart, time.Hour, 24)
	res, err := text.Tally(t.Context(), q, sum)
	require.NoError(t, err)
	return sum.plain(), res
}

// What has a summary is not read to be counted, but for what stands at the
// borders of the time.
func TestTallyReadsLittle(t *testing.T) {
	t.Parallel()
	s, lines := needles(t) // 4 MiB of 10 lines a second
	hour := int64(36_000)
	for name, c := range map[string]struct {
		q     Query
		lines int64
		read  int64
	}{
		"all":        {Query{}, int64(lines), 0},
		"minutes":    {Query{Since: planStart.Add(10 * time.Minute), Until: planStart.Add(20 * time.Minute)}, hour / 6, 0},
		"an instant": {Query{Until: planStart.Add(10*time.Minute + 150*time.Millisecond)}, hour/6 + 2, 2 * frameText},
		"a level":    {Query{Level: LevelError}, 1, 0},
		"a host":     {Query{Hosts: []string{"WEB1"}}, 10_000, 0},
		"a program":  {Query{Programs: []string{"celery"}}, int64(lines), 0},
		"another":    {Query{Programs: []string{"uwsgi"}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			want, res := tally(t, s, "worker.log", c.q)
			require.Equal(t, c.lines, want.Lines)
			require.Greater(t, res.Scanned, int64(4<<20))
			s.summarize(t.Context())
			got, res := tally(t, s, "worker.log", c.q)
			require.Equal(t, want, got)
			require.LessOrEqual(t, res.Scanned, c.read)
			s.dropSummary(summaryPath("worker.log", 0))
		})
	}
	path := filepath.Join(s.cfg.StateDir, summaryPath("worker.log", 0))
	s.summarize(t.Context())
	sum := s.summaryOf("worker.log", s.parts.all()["worker.log"][0])
	require.EqualValues(t, lines, sum.lines)
	// One of an older dalogd is made anew.
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[8] = 1
	require.NoError(t, os.WriteFile(path, b, 0o600))
	s.summaries.forget(summaryPath("worker.log", 0))
	_, res := tally(t, s, "worker.log", Query{})
	require.Greater(t, res.Scanned, int64(4<<20))
	s.summarize(t.Context())
	_, res = tally(t, s, "worker.log", Query{})
	require.Zero(t, res.Scanned)
}

// Blocks that are mapped are counted as those that are read are, also where no
// line begins in one.
func TestTallyOfMappedBlocks(t *testing.T) {
	t.Parallel()
	p := &plan{name: "worker.log"}
	for i := range 60_000 {
		at := planStart.Add(time.Duration(i) * 100 * time.Millisecond)
		l := planned{host: "web1", program: "celery", at: at.UnixNano(), level: LevelInfo}
		l.raw = at.Format("2006-01-02T15:04:05.000000-07:00") + " web1 celery: INFO: this is one line of the test"
		if i == 59_999 {
			l.raw += strings.Repeat("z", 5<<20)
		}
		p.lines = append(p.lines, l)
	}
	s := layOut(t, p, nil, nil, 0)
	defer s.Close()
	s.cfg.textStretch = 2<<20 + 12345
	want := p.naiveTally(Query{}, nil, nil, planStart, time.Hour, 24)
	got, res := tally(t, s, p.name, Query{})
	require.Equal(t, want, got)
	require.EqualValues(t, len(p.text), res.Scanned)
	s.summarizeTexts(t.Context())
	got, res = tally(t, s, p.name, Query{})
	require.Equal(t, want, got)
	require.Less(t, res.Scanned, int64(2<<20+12345))
}

// A file that others cut, rewrote or replaced is not counted by what it was.
func TestSummaryOfOtherText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "web.log")
	text := func(n int, host string) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%s %s celery: line %d\n", planStart.Add(time.Duration(i)*time.Second).Format(time.RFC3339), host, i)
		}
		return []byte(b.String())
	}
	require.NoError(t, os.WriteFile(path, text(10_000, "web1"), 0o600))
	s, err := Open(Config{Dir: dir, segmentSize: 1 << 20, textStretch: 50_000})
	require.NoError(t, err)
	defer s.Close()
	summaries := func() int {
		all, err := filepath.Glob(filepath.Join(dir, ".dalogd", summaryDir, "web.log.*"))
		require.NoError(t, err)
		return len(all)
	}
	is := func(host string, n int64) {
		t.Helper()
		got, _ := tally(t, s, "web.log", Query{})
		require.Equal(t, map[string]int64{host + " celery": n}, got.Writers)
	}
	s.summarizeTexts(t.Context())
	require.Equal(t, 8, summaries())
	_, res := tally(t, s, "web.log", Query{})
	require.Less(t, res.Scanned, int64(50_000))

	require.NoError(t, os.WriteFile(path, text(10_000, "web2"), 0o600)) // the same file, as long as before
	is("web2", 10_000)
	s.summarizeTexts(t.Context())
	is("web2", 10_000)
	_, res = tally(t, s, "web.log", Query{})
	require.Less(t, res.Scanned, int64(50_000))

	require.NoError(t, os.WriteFile(path+".new", text(10_000, "web2"), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
	is("web2", 10_000)
	require.NoError(t, os.Truncate(path, 200_001))
	got, _ := tally(t, s, "web.log", Query{})
	require.Less(t, got.Lines, int64(10_000/2))
	s.summarizeTexts(t.Context())
	again, _ := tally(t, s, "web.log", Query{})
	require.Equal(t, got, again)
	require.LessOrEqual(t, summaries(), 4)
	require.NoError(t, os.Remove(path))
	s.summarizeTexts(t.Context())
	require.Zero(t, summaries())
}

// Buckets that do not begin where cells do are counted by reading.
func TestTallyOfOddBuckets(t *testing.T) {
	t.Parallel()
	s, _ := needles(t)
	count := func() (tallied, int64) {
		text, err := s.OpenText("worker.log")
		require.NoError(t, err)
		defer text.Close()
		sum := NewTally(planStart.Add(90*time.Second+50*time.Millisecond), time.Minute, 50)
		res, err := text.Tally(t.Context(), Query{}, sum)
		require.NoError(t, err)
		return sum.plain(), res.Scanned
	}
	want, _ := count()
	s.summarize(t.Context())
	got, read := count()
	require.Equal(t, want, got)
	require.NotZero(t, read)
}
