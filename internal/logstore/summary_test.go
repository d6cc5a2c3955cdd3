package logstore

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Every text that is long enough is known by the grams that are chosen of it.
func TestWinnowFindsEveryText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		text := []byte(rapid.StringMatching(`[ab ]{0,40}[a-z0-9= ]{20,200}[ab\n]{0,40}`).Draw(r, "text"))
		filter := appendFilter(nil, winnow(text, nil))
		from := rapid.IntRange(0, len(text)).Draw(r, "from")
		to := rapid.IntRange(from, len(text)).Draw(r, "to")
		hashes := winnow(text[from:to], nil)
		require.Equal(r, to-from >= minFiltered, len(hashes) > 0)
		require.True(r, mayHave(filter, hashes), "%q in %q", text[from:to], text)
	})
}

// needles is a part with one line of its own in each frame.
func needles(t testing.TB) (s *Store, lines int) {
	t.Helper()
	dir := t.TempDir()
	var b bytes.Buffer
	random := rand.New(rand.NewPCG(3, 4))
	for b.Len() < 4<<20 {
		at := planStart.Add(time.Duration(lines) * 100 * time.Millisecond)
		level := "INFO"
		if lines == 20_000 {
			level = "ERROR"
		}
		fmt.Fprintf(&b, "%s web%d celery: [%s/MainProcess] uid=%08x%08x line %d of the test is done\n",
			at.Format("2006-01-02T15:04:05.000000-07:00"), lines/10_000, level, random.Uint32(), lines, lines)
		lines++
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "worker.log.d"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, partPath("worker.log", 0, plainSuffix)), b.Bytes(), 0o600))
	s, err := Open(Config{Dir: dir, segmentSize: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	s.keep(t.Context())
	return s, lines
}

// scanned runs a query and tells what was found and how much was looked
// through.
func scanned(t testing.TB, s *Store, q Query) (found []string, bytes int64) {
	t.Helper()
	text, err := s.OpenText("worker.log")
	require.NoError(t, err)
	defer text.Close()
	res, err := text.Scan(context.Background(), q, func(f *Found) error {
		found = append(found, string(f.Raw))
		return nil
	})
	require.NoError(t, err)
	return found, res.Scanned
}

func grep(t testing.TB, text string) []*Pattern {
	t.Helper()
	p, err := NewPattern(text, true, false)
	require.NoError(t, err)
	return []*Pattern{p}
}

// With a summary, a scan looks only through the frames that can have what is
// wanted; without it, or with one that is damaged, it finds the same.
func TestSummary(t *testing.T) {
	t.Parallel()
	s, lines := needles(t)
	all, _ := scanned(t, s, Query{})
	require.Len(t, all, lines)
	last := all[lines-1]
	queries := map[string]Query{
		"grep":  {Grep: grep(t, last[strings.Index(last, "uid="):])},
		"since": {Since: planStart.Add(time.Duration(lines-5) * 100 * time.Millisecond)},
		"until": {Until: planStart.Add(500 * time.Millisecond)},
		"level": {Level: LevelError},
		"host":  {Hosts: []string{"web0"}, Limit: 3},
		"none":  {Grep: grep(t, "this text stands nowhere in it")},
		"whose": {Hosts: []string{"web77"}},
	}
	want := map[string][]string{}
	for name, q := range queries {
		var bytes int64
		want[name], bytes = scanned(t, s, q)
		if name != "host" {
			require.Greater(t, bytes, int64(4<<20), name)
		}
	}
	require.Len(t, want["grep"], 1)
	require.Len(t, want["since"], 5)
	require.Len(t, want["level"], 1)

	s.summarize(t.Context())
	path := filepath.Join(s.cfg.StateDir, summaryPath("worker.log", 0))
	sound, err := os.ReadFile(path)
	require.NoError(t, err)
	t.Logf("a summary of %d bytes for %d of text", len(sound), len(strings.Join(all, "\n")))
	for name, q := range queries {
		found, bytes := scanned(t, s, q)
		require.Equal(t, want[name], found, name)
		require.LessOrEqual(t, bytes, int64(2*frameText), name)
	}

	random := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		damaged := bytes.Clone(sound)
		switch at := random.IntN(len(damaged)); random.IntN(3) {
		case 0:
			damaged[at] ^= 1 << random.IntN(8)
		case 1:
			damaged = damaged[:at]
		default:
			clear(damaged[at:min(len(damaged), at+4096)])
		}
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		s.summaries.forget(summaryPath("worker.log", 0))
		for name, q := range queries {
			found, _ := scanned(t, s, q)
			require.Equal(t, want[name], found, name)
		}
	}

	// It is made again where it is not sound, and goes with its part.
	require.NoError(t, os.WriteFile(path, sound[:100], 0o600))
	s.summaries.forget(summaryPath("worker.log", 0))
	s.summarize(t.Context())
	again, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sound, again))
	require.NoError(t, s.evictPart(eviction{name: "worker.log", part: s.parts.all()["worker.log"][0]}))
	require.NoFileExists(t, path)
}

func BenchmarkSummarize(b *testing.B) {
	s, _ := needles(b)
	snap, err := s.OpenFile("worker.log.1")
	require.NoError(b, err)
	defer snap.Close()
	u := snap.text.(*unpacked)
	text := make([]byte, u.size())
	_, err = snap.ReadAt(text, 0)
	require.NoError(b, err)
	b.SetBytes(u.size())
	for b.Loop() {
		s := newSummarizer(0)
		for i := range len(u.frames) - 1 {
			s.add(text[u.frames[i].plain:u.frames[i+1].plain], u.frames[i+1].plain-u.frames[i].plain)
		}
	}
}
