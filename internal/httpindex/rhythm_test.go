package httpindex

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRhythm(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	every := func(gap time.Duration, n int, ago time.Duration) *rhythm {
		r := new(rhythm)
		for i := range n {
			r.add(now.Add(-ago - time.Duration(n-1-i)*gap))
		}
		return r
	}
	for _, c := range []struct {
		name   string
		rhythm *rhythm
		usual  time.Duration // 0 = not known
		silent bool
	}{
		{"never seen enough", every(time.Minute, 5, 24*time.Hour), 0, false},
		{"busy, just now", every(10*time.Millisecond, 1000, time.Second), time.Second, false},
		{"busy, a short pause", every(10*time.Millisecond, 1000, 119*time.Second), time.Second, false},
		{"busy, then nothing", every(10*time.Millisecond, 1000, 121*time.Second), time.Second, true},
		{"every ten minutes, in time", every(10*time.Minute, 50, 39*time.Minute), 10 * time.Minute, false},
		{"every ten minutes, then nothing", every(10*time.Minute, 50, 41*time.Minute), 10 * time.Minute, true},
		{"once a night", every(24*time.Hour, 10, 30*time.Hour), 24 * time.Hour, false},
	} {
		usual, known := c.rhythm.usual()
		require.Equal(t, c.usual != 0, known, c.name)
		if known {
			require.Equal(t, c.usual, usual, c.name)
		}
		require.Equal(t, c.silent, c.rhythm.silent(now), c.name)
	}

	// A pause as long as one that was there before is no silence.
	r := every(time.Minute, 100, 10*time.Hour)
	r.add(now.Add(-4 * time.Hour))
	require.False(t, r.silent(now))
	// Lines that come late do not turn the time back.
	r.add(now.Add(-5 * time.Hour))
	require.Equal(t, now.Add(-4*time.Hour), r.last)
	// Memory is bounded.
	for i := range 10_000 {
		r.add(now.Add(time.Duration(i) * time.Minute))
	}
	require.Len(t, r.gaps, gapsKept)
}

func TestRhythmsAreLearntFromFiles(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var text strings.Builder
	for i := range 300 {
		at := now.Add(time.Duration(i-300) * time.Minute)
		if i < 200 {
			fmt.Fprintf(&text, "%s web2 celery[7]: still here\n", at.Format(time.RFC3339))
		}
		fmt.Fprintf(&text, "%s web1 celery[7]: still here\n", at.Format(time.RFC3339))
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "worker.log")
	require.NoError(t, os.WriteFile(path, []byte(text.String()+"no time\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data.gz"), []byte("\x1f\x8b"), 0o600))
	store, _ := openStore(t, dir)

	var s rhythms
	require.NoError(t, s.look(context.Background(), store, now))
	require.Len(t, s.writers, 2)
	silent := s.writers[writer{"worker.log", "web2", "celery"}]
	require.True(t, silent.silent(now))
	require.False(t, s.writers[writer{"worker.log", "web1", "celery"}].silent(now))

	// What comes later is read once.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = fmt.Fprintf(f, "%s web2 celery[7]: back\n", now.Format(time.RFC3339))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	lines := silent.lines
	require.NoError(t, s.look(context.Background(), store, now)) // good for a moment
	require.Equal(t, lines, silent.lines)
	// The list may be that of a moment ago.
	again := func(reached func() bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			s.looked = time.Time{}
			return s.look(context.Background(), store, now) == nil && reached()
		}, eventually, tick)
	}
	again(func() bool { return silent.lines > lines })
	require.Equal(t, lines+1, silent.lines)
	require.False(t, silent.silent(now))

	// A file that is gone is forgotten.
	require.NoError(t, os.Remove(path))
	again(func() bool { return len(s.writers) == 0 && len(s.read) == 0 })
}
