package logstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// searchFile writes size bytes of lines as docassemble has them.
func searchFile(b *testing.B, size int) *Text {
	dir := b.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	at := planStart
	buf := make([]byte, 0, size+1000)
	for len(buf) < size {
		at = at.Add(time.Duration(random.IntN(20)) * time.Millisecond)
		buf = at.AppendFormat(buf, "2006-01-02T15:04:05.000000-07:00")
		buf = fmt.Appendf(buf, " web%d docassemble: docassemble: ip=10.0.%d.%d i=docassemble.demo:data/questions/q%d.yml uid=%016x%016x user=user%d@example.org ",
			random.IntN(4), random.IntN(256), random.IntN(256), random.IntN(50), random.Uint64(), random.Uint64(), random.IntN(500))
		buf = fmt.Appendf(buf, "answered question %d in %d ms\n", random.IntN(1000), random.IntN(3000))
	}
	require.NoError(b, os.WriteFile(filepath.Join(dir, "docassemble.log"), buf, 0o600))
	s, err := Open(Config{Dir: dir, segmentSize: 1 << 20})
	require.NoError(b, err)
	b.Cleanup(func() { s.Close() })
	t, err := s.OpenText("docassemble.log")
	require.NoError(b, err)
	b.Cleanup(func() { t.Close() })
	return t
}

func BenchmarkScan(b *testing.B) {
	const size = 64 << 20
	t := searchFile(b, size)
	for _, c := range []struct {
		name, grep string
		q          Query
	}{
		{"absent", "uid=doesnotexist", Query{}},
		{"literal", "question 77 in", Query{}},
		{"common", "docassemble", Query{}},
		{"regex", "question [0-9]+7 in [0-9]{4} ms", Query{}},
		{"regex-without-literal", "[a-z]+[0-9]{3}@|1[0-9]{3} ms$", Query{}},
		{"fold", "(?i)QUESTION 77 IN", Query{}},
		{"host", "", Query{Hosts: []string{"web9"}}},
		{"events", "question 7", Query{Events: true}},
		{"level", "", Query{Level: LevelError}},
		{"timed", "", Query{Since: planStart.Add(time.Second), Until: planStart.Add(time.Hour), Count: true}},
		{"since", "", Query{Since: planStart.Add(1000 * time.Hour)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			q := c.q
			if c.grep != "" {
				p, err := NewPattern(c.grep, false, false)
				require.NoError(b, err)
				q.Grep = []*Pattern{p}
			}
			b.SetBytes(size)
			hits := 0
			for b.Loop() {
				res, err := t.Scan(context.Background(), q, func(*Found) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
				hits = res.Hits
			}
			b.ReportMetric(float64(hits), "hits")
		})
	}
}
