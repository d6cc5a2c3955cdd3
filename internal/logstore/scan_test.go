package logstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A plan is a log file as a test makes it: lines, and where they are.
type plan struct {
	name   string
	lines  []planned
	start  int64 // of the first one
	text   string
	places []int64
}

type planned struct {
	raw           string
	at            int64 // in nanoseconds
	host, program string
	level         Level
}

// layOut writes the lines into parts of a new folder, some compressed, and an
// active file, cutting at the given numbers of lines. The first evicted bytes
// are missing. The caller closes the Store.
func layOut(t testing.TB, p *plan, cuts []int, packed func(i int) bool, evicted int64) *Store {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	p.places = nil
	for _, l := range p.lines {
		p.places = append(p.places, evicted+int64(b.Len()))
		b.WriteString(l.raw)
		b.WriteByte('\n')
	}
	p.text, p.start = b.String(), evicted
	at := 0
	bounds := append(append([]int{}, cuts...), len(p.lines))
	var packs []string
	for i, cut := range bounds {
		end := len(p.text)
		if cut < len(p.lines) {
			end = int(p.places[cut] - evicted)
		}
		text := p.text[at:end]
		if i == len(bounds)-1 {
			require.NoError(t, os.WriteFile(filepath.Join(dir, p.name), []byte(text), 0o600))
			break
		}
		if text == "" {
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Join(dir, p.name+".d"), 0o755))
		part := filepath.Join(dir, partPath(p.name, evicted+int64(at), plainSuffix))
		require.NoError(t, os.WriteFile(part, []byte(text), 0o600))
		if packed(i) {
			packs = append(packs, part)
		}
		at = end
	}
	if len(p.lines) > 0 && at == 0 && evicted > 0 { // nothing but a mark tells where it begins
		require.NoError(t, os.MkdirAll(filepath.Join(dir, p.name+".d"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, partPath(p.name, evicted, plainSuffix)), nil, 0o600))
	}
	s, err := Open(Config{Dir: dir, segmentSize: 1 << 20, searchTimes: 50_000, textStretch: 100_000})
	require.NoError(t, err)
	for name, parts := range s.parts.all() {
		for _, part := range parts {
			for _, path := range packs {
				if strings.HasSuffix(path, part.path(name)) {
					require.NoError(t, s.pack(context.Background(), name, part))
				}
			}
		}
	}
	return s
}

var planStart = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

var planTexts = []struct {
	text  string
	level Level
}{
	{"[2026-11-23 08:00:00,000: INFO/MainProcess] Task alpha received", LevelInfo},
	{"[2026-11-23 08:00:00,000: ERROR/MainProcess] Task beta failed uid=needle", LevelError},
	{"docassemble: ip=10.0.0.1 i=q.yml uid=abc user=a@b.c opened", LevelNone},
	{"10.0.0.9 - - \"GET /ERROR HTTP/1.1\" 200 17", LevelInfo},
	{"10.0.0.9 - - \"GET /x HTTP/1.1\" 503 17", LevelError},
	{"WARNING: disk", LevelWarning},
	{"", LevelNone},
	{"Ünïcödé Alpha", LevelNone},
}

// drawPlan draws a file of lines whose times are in a little disorder.
func drawPlan(t *rapid.T, most int) *plan {
	p := &plan{name: "worker.log"}
	n := rapid.IntRange(0, most).Draw(t, "lines")
	at := planStart
	for range n {
		at = at.Add(time.Duration(rapid.IntRange(-3, 8).Draw(t, "step")) * time.Second)
		text := planTexts[rapid.IntRange(0, len(planTexts)-1).Draw(t, "text")]
		l := planned{host: rapid.SampledFrom([]string{"web1", "web2", "10.0.0.3"}).Draw(t, "host"), program: rapid.SampledFrom([]string{"celery", "docassemble"}).Draw(t, "program"), level: text.level, at: at.UnixNano()}
		if rapid.IntRange(0, 12).Draw(t, "timeless") == 0 && len(p.lines) > 0 {
			l = planned{raw: "somebody else's line", at: p.lines[len(p.lines)-1].at, level: LevelNone}
		} else {
			pad := ""
			if rapid.IntRange(0, 20).Draw(t, "long") == 0 {
				pad = strings.Repeat("z", rapid.IntRange(0, 70_000).Draw(t, "pad"))
			}
			l.raw = at.Format("2006-01-02T15:04:05.000000-07:00") + " " + l.host + " " + l.program + "[7]: " + text.text + pad
		}
		p.lines = append(p.lines, l)
	}
	return p
}

// naive gives the numbers of the lines that q wants, by plain means.
func (p *plan) naive(q Query, patterns, excludes []string) (hits []int) {
	wanted, unwanted := compileAll(patterns), compileAll(excludes)
	for i, l := range p.lines {
		off := p.places[i]
		to := q.To
		if to == 0 {
			to = 1 << 62
		}
		if off < q.From || off >= to {
			continue
		}
		ok := true
		ok = ok && (q.Since.IsZero() || l.at >= q.Since.UnixNano()) && (q.Until.IsZero() || l.at < q.Until.UnixNano())
		ok = ok && (len(q.Hosts) == 0 || l.host != "" && oneOf(q.Hosts, []byte(l.host)))
		ok = ok && (len(q.Programs) == 0 || l.program != "" && oneOf(q.Programs, []byte(l.program)))
		ok = ok && l.level >= q.Level
		for _, x := range wanted {
			ok = ok && x.MatchString(l.raw) != q.Invert
		}
		for _, x := range unwanted {
			ok = ok && !x.MatchString(l.raw)
		}
		if ok {
			hits = append(hits, i)
		}
	}
	if n := len(hits); q.Limit > 0 && n > q.Limit {
		if q.Backward {
			return hits[n-q.Limit:]
		}
		return hits[:q.Limit]
	}
	return hits
}

func compileAll(patterns []string) (all []*regexp.Regexp) {
	for _, p := range patterns {
		all = append(all, regexp.MustCompile(p))
	}
	return all
}

// withContext adds the lines around, as "number:hit".
func (p *plan) withContext(hits []int, before, after int) (all []string) {
	isHit := map[int]bool{}
	shown := map[int]bool{}
	for _, h := range hits {
		isHit[h] = true
		for i := max(0, h-before); i <= min(len(p.lines)-1, h+after); i++ {
			shown[i] = true
		}
	}
	for i := range p.lines {
		if shown[i] {
			all = append(all, fmt.Sprintf("%d:%v", i, isHit[i]))
		}
	}
	return all
}

// However a file is cut into parts, a scan finds what a naive search finds.
func TestScanFindsWhatANaiveSearchFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		p := drawPlan(r, 60)
		var cuts []int
		for c := rapid.IntRange(0, 4).Draw(r, "cuts"); c > 0 && len(p.lines) > 0; c-- {
			last := 0
			if len(cuts) > 0 {
				last = cuts[len(cuts)-1]
			}
			cuts = append(cuts, rapid.IntRange(last, len(p.lines)).Draw(r, "cut"))
		}
		packed := rapid.SliceOfN(rapid.Bool(), 5, 5).Draw(r, "packed")
		s := layOut(t, p, cuts, func(i int) bool { return packed[i] }, rapid.SampledFrom([]int64{0, 1000}).Draw(r, "evicted"))
		defer s.Close()
		text, err := s.OpenText(p.name)
		require.NoError(r, err)
		defer text.Close()
		if len(p.lines) > 0 {
			require.Equal(r, p.start, text.Start())
			require.Equal(r, p.start+int64(len(p.text)), text.End())
		}
		for range 4 {
			q, patterns, excludes := drawQuery(r, p)
			compareScan(r, text, p, q, patterns, excludes)
		}
	})
}

// The same over files of many blocks and frames, a few lines of which are wanted.
func TestScanOfManyBlocks(t *testing.T) {
	t.Parallel()
	p := &plan{name: "worker.log"}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		at := planStart.Add(time.Duration(i) * 200 * time.Millisecond)
		text := planTexts[random.IntN(len(planTexts))]
		if random.IntN(1000) == 0 {
			text.text, text.level = fmt.Sprintf("a rare thing uid=%032x", random.Uint64()), LevelNone
		}
		if random.IntN(7_000) == 0 {
			text.text += strings.Repeat(" and on", 200_000)
		}
		host := fmt.Sprintf("web%d", i*5/20_000)
		p.lines = append(p.lines, planned{
			raw: at.Format("2006-01-02T15:04:05.000000-07:00") + " " + host + " celery[7]: " + text.text,
			at:  at.UnixNano(), host: host, program: "celery", level: text.level,
		})
	}
	for _, layout := range []struct {
		packed bool
		cuts   []int
	}{{true, []int{3_000, 12_000, 16_000}}, {false, []int{3_000, 12_000, 16_000}}, {false, nil}} {
		packed := layout.packed
		s := layOut(t, p, layout.cuts, func(int) bool { return packed }, 1000)
		defer s.Close()
		text, err := s.OpenText(p.name)
		require.NoError(t, err)
		defer text.Close()
		s.summarize(t.Context())
		require.Equal(t, packed, len(s.summaries.heads) == 3)
		rapid.Check(t, func(r *rapid.T) {
			q, patterns, excludes := drawQuery(r, p)
			q.Before, q.After = min(q.Before, 1), min(q.After, 1)
			for _, word := range []string{"rare", "uid=0+1", "web3 .*503", "Alpha", "a rare thing uid=0000000", "Task beta failed uid=needle", "web1 celery.7.: a rare thing"} {
				if rapid.IntRange(0, 4).Draw(r, "word") == 0 {
					pattern, err := NewPattern(word, false, false)
					require.NoError(r, err)
					q.Grep, patterns = append(q.Grep, pattern), append(patterns, word)
				}
			}
			if !q.Since.IsZero() {
				q.Since = q.Since.Add(time.Duration(rapid.IntRange(0, 4000).Draw(r, "later")) * time.Second)
				if !q.Until.IsZero() {
					q.Until = q.Since.Add(time.Duration(rapid.IntRange(0, 60).Draw(r, "until")) * time.Second)
				}
			}
			compareScan(r, text, p, q, patterns, excludes)
		})
	}
}

func drawQuery(r *rapid.T, p *plan) (q Query, patterns, excludes []string) {
	words := []string{"alpha", "needle", "ERROR", "(?i)alpha", "^2026-11-23T08:00", "Task (alpha|beta)", "503|17$|uid=", "(?i)(ÜN|hello|disk)", "17$", "z", "absent", `uid=\w+`, "Ünï", "[7]:", ".", "z\n2026", "a.c|b\n2"}
	q.Grep, patterns = drawPatterns(r, words, "grep")
	q.Exclude, excludes = drawPatterns(r, words[:3], "exclude")
	q.Invert = rapid.Bool().Draw(r, "invert")
	q.Zone = time.UTC
	if rapid.IntRange(0, 2).Draw(r, "timed") == 0 {
		q.Since = planStart.Add(time.Duration(rapid.IntRange(-20, 200).Draw(r, "since")) * time.Second)
		if rapid.Bool().Draw(r, "bounded") {
			q.Until = q.Since.Add(time.Duration(rapid.IntRange(0, 100).Draw(r, "until")) * time.Second)
		}
	}
	q.Hosts = rapid.SampledFrom([][]string{nil, nil, {"web1"}, {"web2", "10.0.0.3"}}).Draw(r, "hosts")
	q.Programs = rapid.SampledFrom([][]string{nil, nil, {"celery"}}).Draw(r, "programs")
	q.Level = rapid.SampledFrom([]Level{LevelNone, LevelNone, LevelInfo, LevelError}).Draw(r, "level")
	q.Backward = rapid.Bool().Draw(r, "backward")
	q.Limit = rapid.SampledFrom([]int{0, 1, 3, 30}).Draw(r, "limit")
	q.Before = rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(r, "before")
	q.After = rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(r, "after")
	if len(p.lines) > 0 && rapid.Bool().Draw(r, "range") {
		q.From = p.start + int64(rapid.IntRange(0, len(p.text)).Draw(r, "from"))
		if q.From == 0 {
			q.From = 1
		}
		if rapid.Bool().Draw(r, "has to") {
			q.To = q.From + int64(rapid.IntRange(1, len(p.text)).Draw(r, "to"))
		}
	}
	return q, patterns, excludes
}

func drawPatterns(r *rapid.T, words []string, what string) (all []*Pattern, texts []string) {
	for n := rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(r, what); n > 0; n-- {
		text := rapid.SampledFrom(words).Draw(r, what)
		p, err := NewPattern(text, false, false)
		require.NoError(r, err)
		all, texts = append(all, p), append(texts, text)
	}
	return all, texts
}

func compareScan(r *rapid.T, text *Text, p *plan, q Query, patterns, excludes []string) {
	want := p.withContext(p.naive(q, patterns, excludes), q.Before, q.After)
	number := map[int64]int{}
	for i, at := range p.places {
		number[at] = i
	}
	var got []string
	res, err := text.Scan(context.Background(), q, func(f *Found) error {
		i, ok := number[f.Offset]
		require.True(r, ok, "no line begins at %d", f.Offset)
		require.Equal(r, p.lines[i].raw, string(f.Raw))
		require.Equal(r, f.Offset+int64(len(f.Raw))+1, f.End)
		got = append(got, fmt.Sprintf("%d:%v", i, f.Hit))
		return nil
	})
	require.NoError(r, err)
	require.Equal(r, want, got, "%+v\ngrep %q exclude %q, from %d to %d, sections %+v", q, patterns, excludes, text.Start(), text.End(), text.sections)
	require.Zero(r, res.Missing)
	bare := q
	bare.Before, bare.After, bare.Count = 0, 0, true
	counted, err := text.Scan(context.Background(), bare, func(*Found) error { return nil })
	require.NoError(r, err)
	require.Equal(r, res.Hits, counted.Hits)
	// What is left is found from where this scan ended.
	whole, rest := q, q
	whole.Limit, rest.Limit = 0, 0
	if q.Backward && q.Limit > 0 {
		rest.To = res.Next
		if rest.From >= rest.To || rest.To == 0 {
			rest.To, rest.From = 1, 1
		}
	} else {
		rest.From = max(res.Next, 1)
	}
	if res.Next > text.End() || res.Next < text.Start() {
		r.Fatalf("next is %d", res.Next)
	}
	all, here, there := p.naive(whole, patterns, excludes), p.naive(q, patterns, excludes), p.naive(rest, patterns, excludes)
	require.Equal(r, len(all), len(here)+len(there), "next is wrong")
	require.Equal(r, len(here), res.Hits)
	if !res.More {
		require.Empty(r, there)
	}
}
