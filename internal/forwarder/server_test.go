package forwarder

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// requireAll wants every line at least once and the first of each in order. It
// gives how many came more than once.
func requireAll(t testing.TB, got, want []string) (again int) {
	t.Helper()
	seen := map[string]bool{}
	var first []string
	for _, line := range got {
		if seen[line] {
			again++
			continue
		}
		seen[line] = true
		first = append(first, line)
	}
	require.Equal(t, len(want), len(first), "lines")
	for i := range want {
		require.Equal(t, want[i], first[i], "line %d", i)
	}
	return again
}

func TestServerComesLater(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	s.leave()
	appendTo(t, path, numbered(0, 50_000))
	r := start(t, newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6}))
	require.Eventually(t, func() bool { return r.Stats().DialFailures > 2 }, 10*time.Second, time.Millisecond)
	assert.Zero(t, r.Stats().Lines, "nothing is read before it can be sent")
	s.listen()
	s.waitFor("line 49999")
	r.stop()
	require.Equal(t, numberedLines(0, 50_000), s.texts())
}

// A server that leaves politely costs nothing, however often.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	r := start(t, newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6}))
	const rounds, lines = 12, 2000
	for i := range rounds {
		appendTo(t, path, numbered(i*lines, i*lines+lines))
		switch i % 3 {
		case 0:
			s.until(func() bool { return s.count() > i*lines }, "some lines")
			s.leave()
			s.listen()
		case 1:
			s.until(func() bool { return s.count() > i*lines }, "some lines")
			s.hangUp()
		case 2:
			s.waitFor(fmt.Sprint("line ", i*lines+lines-1))
			s.leave() // while nothing is to be sent
			s.listen()
		}
	}
	s.waitFor(fmt.Sprint("line ", rounds*lines-1))
	r.stop()
	again := requireAll(t, s.texts(), numberedLines(0, rounds*lines))
	assert.Zero(t, again)
	assert.GreaterOrEqual(t, r.Stats().Connects, uint64(rounds))
}

// A server that accepts, and closes at once, is not hammered.
func TestServerHangsUpAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	r := start(t, newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6}))
	end := time.Now().Add(1500 * time.Millisecond)
	for time.Now().Before(end) {
		s.hangUp()
		time.Sleep(time.Millisecond)
	}
	assert.Less(t, s.connections(), 12)
	assert.LessOrEqual(t, strings.Count(r.log.String(), "level=WARN"), 1, "nor is the log")
	assert.LessOrEqual(t, strings.Count(r.log.String(), "level=INFO msg=connected"), 1)
	appendTo(t, path, "a\n")
	s.waitFor("a")
	r.stop()
	assert.Contains(t, r.log.String(), "delivering again")
}

// A server that takes nothing more is given up after a while; nothing is lost
// and little is held in memory.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	cfg := newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6})
	cfg.PeerTimeout = 500 * time.Millisecond
	cfg.Window = 2 << 20
	r := start(t, cfg)
	appendTo(t, path, "first\n")
	s.waitFor("first")
	s.pause()
	line := strings.Repeat("x", 990)
	var want []string
	var b strings.Builder
	for i := range 20_000 {
		want = append(want, fmt.Sprintf("%s %d", line, i))
		fmt.Fprintln(&b, want[i])
	}
	appendTo(t, path, b.String())
	require.Eventually(t, func() bool { return r.Stats().Connects > 2 }, 20*time.Second, time.Millisecond, "the connection is given up")
	assert.LessOrEqual(t, r.Stats().Unconfirmed, int64(cfg.Window+segmentSize+maxFrame))
	s.resume()
	s.waitFor(want[len(want)-1])
	r.stop()
	got := map[string]bool{}
	for _, text := range s.texts() { // of the connections given up in any order
		got[text] = true
	}
	assert.Len(t, got, 1+len(want))
	assert.Contains(t, r.log.String(), "timed out")
}

// The first server that can be reached is used, and the first of all again when
// it is back.
func TestFailOverAndBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	first, second := startSink(t), startSink(t)
	cfg := newConfig(t, first.addr, File{Pattern: path, Program: "app", Severity: 6})
	cfg.Servers = append(cfg.Servers, second.addr)
	cfg.FailBack = 20 * time.Millisecond
	r := start(t, cfg)
	appendTo(t, path, "1\n")
	first.waitFor("1")
	first.leave()
	appendTo(t, path, "2\n")
	second.waitFor("2")
	first.listen()
	first.until(func() bool { return r.Stats().Connected == first.addr }, "the first server to be used again")
	appendTo(t, path, "3\n")
	first.waitFor("3")
	r.stop()
	assert.Equal(t, []string{"1", "3"}, first.texts())
	assert.Equal(t, []string{"2"}, second.texts())
}

// Under load, both servers coming and going: every line reaches one of them.
func TestFailOverUnderLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	servers := []*sink{startSink(t), startSink(t)}
	cfg := newConfig(t, servers[0].addr, File{Pattern: path, Program: "app", Severity: 6})
	cfg.Servers = append(cfg.Servers, servers[1].addr)
	cfg.FailBack = 10 * time.Millisecond
	r := start(t, cfg)
	const rounds, lines = 20, 3000
	for i := range rounds {
		appendTo(t, path, numbered(i*lines, i*lines+lines))
		up := servers[i%2]
		up.leave()
		up.until(func() bool { return servers[0].count()+servers[1].count() > i*lines }, "lines of round %d", i)
		up.listen()
	}
	last := fmt.Sprint("line ", rounds*lines-1)
	has := func(s *sink) bool { return slices.Contains(s.texts(), last) }
	servers[0].until(func() bool { return has(servers[0]) || has(servers[1]) }, "the last line")
	r.stop()
	seen := map[string]bool{}
	for _, s := range servers {
		for _, text := range s.texts() {
			seen[text] = true
		}
	}
	assert.Len(t, seen, rounds*lines)
}

// Ten renames under load, the writer going on in the renamed file for a while,
// as logrotate with create has it: everything arrives, once, in order.
func TestRenamesUnderLoad(t *testing.T) {
	t.Parallel()
	const lines, renames, late = 200_000, 10, 500
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	r := start(t, newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6}))
	appendTo(t, path, "")
	s.until(func() bool { return r.Stats().Open == 1 }, "the first look")
	var f *os.File
	n := 0
	write := func(count int) {
		for range count / 100 {
			_, err := f.WriteString(numbered(n, n+100))
			require.NoError(t, err)
			n += 100
		}
	}
	for i := range renames + 1 {
		next, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		if f != nil {
			write(late)
			require.NoError(t, f.Close())
		}
		f = next
		write(min(lines/(renames+1)/100*100, lines-n))
		if i == renames {
			write(lines - n)
			break
		}
		for k := i; k > 0; k-- {
			require.NoError(t, os.Rename(fmt.Sprintf("%s.%d", path, k), fmt.Sprintf("%s.%d", path, k+1)))
		}
		require.NoError(t, os.Rename(path, path+".1"))
	}
	require.NoError(t, f.Close())
	s.until(func() bool { return s.count() >= lines }, "%d lines", lines)
	r.stop()
	got := s.texts()
	for i, want := range numberedLines(0, lines) {
		require.Equal(t, want, got[i])
	}
	require.Len(t, got, lines)
}

// A line is seen at the server soon after it was written, while others flood.
func TestFloodDelaysNoOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startSink(t)
	flood, quiet := filepath.Join(dir, "flood.log"), filepath.Join(dir, "quiet.log")
	appendTo(t, flood, strings.Repeat(strings.Repeat("f", 199)+"\n", 300_000))
	appendTo(t, quiet, "quiet\n")
	r := start(t, newConfig(t, s.addr, File{Pattern: flood, Program: "flood"}, File{Pattern: quiet, Program: "quiet"}))
	s.until(func() bool { return s.count() == 300_001 }, "all lines")
	r.stop()
	at := slices.Index(s.texts(), "quiet")
	assert.Less(t, at, 2*segmentSize/200, "behind one turn of the other file")
}
