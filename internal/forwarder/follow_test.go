package forwarder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// running is a Forwarder at work.
type running struct {
	*Forwarder
	t      testing.TB
	cancel context.CancelFunc
	ended  chan error
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newConfig(t testing.TB, server string, files ...File) Config {
	return Config{Protocol: "syslog", Servers: []string{server}, Hostname: "web1", Files: files, StateDir: filepath.Join(t.TempDir(), "state")}
}

func start(t testing.TB, cfg Config) *running {
	t.Helper()
	r := &running{t: t, ended: make(chan error, 1), log: &lockedBuffer{}}
	cfg.Log = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Servers = slices.Clone(cfg.Servers)
	// Another test may be starting a process, which for a moment has all our
	// descriptors and so the lock that was just released.
	require.Eventually(t, func() bool {
		var err error
		if r.Forwarder, err = Open(cfg); !errors.Is(err, ErrInUse) {
			require.NoError(t, err)
			return true
		}
		return false
	}, 10*time.Second, 5*time.Millisecond, "the state folder stays in use")
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		r.Abort()
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	return r
}

// stop stops it as a signal does.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	select {
	case err := <-r.ended:
		require.NoError(r.t, err)
	case <-time.After(20 * time.Second):
		require.Fail(r.t, "does not stop")
	}
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func numberedLines(from, to int) []string {
	return strings.Split(strings.TrimSuffix(numbered(from, to), "\n"), "\n")
}

var frameForm = regexp.MustCompile(`^<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d) (\S+) (\S+) - - \[meta sequenceId="(\d+)"\] ((?s:.*))\n$`)

// Frames are, byte for byte, what syslog-ng's syslog() destination sends.
func TestFrames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	celery, nginx := filepath.Join(dir, "worker.log"), filepath.Join(dir, "error.log")
	s := startSink(t)
	appendTo(t, celery, "[2024-05-05 10:11:12,345: INFO/MainProcess] hello\n\n\r\n  \t in front\r\r\n \nbehind \t \n\xff\xfe\x00\x1b\n%d\n")
	before := time.Now().Truncate(time.Second)
	r := start(t, newConfig(t, s.addr,
		File{Pattern: celery, Program: "celery", Severity: 7}, File{Pattern: nginx, Program: "nginx", Severity: 3}))
	s.waitFor("%d")
	appendTo(t, nginx, "bad\n")
	s.waitFor("bad")
	r.stop()
	after := time.Now()

	texts := []string{"[2024-05-05 10:11:12,345: INFO/MainProcess] hello", "  \t in front", " ", "behind \t ", "\xff\xfe\x00\x1b", "%d", "bad"}
	frames := s.got()
	require.Len(t, frames, len(texts))
	for i, frame := range frames {
		m := frameForm.FindStringSubmatch(frame)
		require.NotNil(t, m, "%q", frame)
		pri, program := "15", "celery"
		if texts[i] == "bad" {
			pri, program = "11", "nginx"
		}
		assert.Equal(t, []string{pri, "web1", program, fmt.Sprint(i + 1), texts[i]}, []string{m[1], m[3], m[4], m[5], m[6]})
		at, err := time.Parse("2006-01-02T15:04:05-07:00", m[2])
		require.NoError(t, err)
		assert.False(t, at.Before(before) || at.After(after), "%s is the time of reading", m[2])
		_, offset := at.Zone()
		_, want := time.Now().Zone()
		assert.Equal(t, want, offset, "local zone")
	}
	stats := r.Stats()
	assert.Equal(t, uint64(9), stats.Lines)
	assert.Equal(t, uint64(2), stats.Blank)
	assert.Equal(t, uint64(7), stats.Messages)
	assert.Equal(t, uint64(9), stats.Delivered)
}

func TestBSDFrames(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	l := newRawServer(t)
	cfg := newConfig(t, l.addr, File{Pattern: path, Program: "celery", Severity: 7})
	cfg.Protocol = "bsd"
	cfg.KeepBlank = true
	r := start(t, cfg)
	appendTo(t, path, "text\n\n  more\r\n"+strings.Repeat("\x00", 50_000)+"\nend\n")
	require.Eventually(t, func() bool { return bytes.HasSuffix(l.bytes(), []byte("celery: end\n")) }, 10*time.Second, time.Millisecond)
	r.stop()
	form := regexp.MustCompile(`^<15>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d web1 celery: (.*)$`)
	var texts []string
	for line := range strings.Lines(string(l.bytes())) {
		assert.LessOrEqual(t, len(line), maxFrame)
		m := form.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		require.NotNil(t, m, "%q", line)
		texts = append(texts, m[1])
	}
	require.Len(t, texts, 3+4+1)
	assert.Equal(t, []string{"text", "", "  more"}, texts[:3])
	nuls := strings.NewReplacer(continuesMark, "", continuedMark, "").Replace(strings.Join(texts[3:7], ""))
	assert.Equal(t, strings.Repeat(`\x00`, 50_000), nuls, "NUL would end the message at its receiver")
	assert.Equal(t, "end", texts[7])
}

// Lines longer than a frame come in pieces that say so and lose nothing.
func TestLongLinesAreCut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	cfg := newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6})
	cfg.MaxLine = 200_000
	r := start(t, cfg)
	fits := strings.Repeat("a", 65_000)
	long := strings.Repeat("bé", 50_000)
	longer := strings.Repeat("0123456789", 45_000)
	appendTo(t, path, fits+"\n"+long+"\r\n"+longer+"\nend\n")
	s.waitFor("end")
	r.stop()
	var whole []string
	inLine := false
	for _, frame := range s.got() {
		require.LessOrEqual(t, len(fmt.Sprint(len(frame)))+1+len(frame), maxFrame)
		text, continued := strings.CutPrefix(frameText(frame), continuedMark)
		require.Equal(t, inLine, continued)
		text, inLine = strings.CutSuffix(text, continuesMark)
		require.True(t, strings.ToValidUTF8(text, "?") == text, "no character is cut")
		if continued {
			whole[len(whole)-1] += text
		} else {
			whole = append(whole, text)
		}
	}
	assert.Equal(t, []string{fits, long, longer, "end"}, whole)
	assert.Equal(t, uint64(2), r.Stats().Cut)
}

// A restart goes on where the last run stopped, in the same line.
func TestRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	cfg := newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6})
	for i := range 5 {
		appendTo(t, path, numbered(i*100, i*100+100))
		r := start(t, cfg)
		if i%2 == 0 {
			s.waitFor(fmt.Sprint("line ", i*100+99))
		} else { // what the files hold is sent even if there is hardly time
			s.until(func() bool { return r.Stats().Connected != "" }, "a connection")
		}
		r.stop() // when the peer's TCP has all; the peer may read it later
		s.until(func() bool { return s.count() >= i*100+100 }, "the last line")
		require.Equal(t, numberedLines(0, i*100+100), s.texts())
	}
}

// What is in the files when it is told to stop is sent, the last line's begin is
// not.
func TestStopSendsTheRest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	cfg := newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6})
	r := start(t, cfg)
	appendTo(t, path, "first\n")
	s.waitFor("first")
	appendTo(t, path, numbered(0, 100_000)+"half")
	r.stop()
	s.until(func() bool { return s.count() >= 100_001 }, "the last line")
	require.Equal(t, append([]string{"first"}, numberedLines(0, 100_000)...), s.texts())
	r = start(t, cfg)
	appendTo(t, path, " and half\n")
	s.waitFor("half and half")
	r.stop()
	assert.Len(t, s.texts(), 100_002)
}

func TestStopWithoutServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	s.leave()
	appendTo(t, path, "a\n")
	r := start(t, newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6}))
	require.Eventually(t, func() bool { return r.Stats().DialFailures > 1 }, 10*time.Second, time.Millisecond)
	began := time.Now()
	r.stop()
	assert.Less(t, time.Since(began), 4*time.Second, "there is no one to wait for")
	assert.Contains(t, r.log.String(), "nothing can be delivered")
}

// A server that takes nothing more does not keep the forwarder from stopping.
func TestStopWithHangingServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	cfg := newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6})
	cfg.StopTimeout = 300 * time.Millisecond
	r := start(t, cfg)
	appendTo(t, path, "first\n")
	s.waitFor("first")
	s.pause()
	appendTo(t, path, strings.Repeat(strings.Repeat("x", 999)+"\n", 20_000))
	require.Eventually(t, func() bool { return r.Stats().Unconfirmed > 1<<20 }, 10*time.Second, time.Millisecond)
	r.stop()
	assert.Contains(t, r.log.String(), "stopped with lines not delivered")

	s.resume()
	appendTo(t, path, "end\n")
	r = start(t, cfg)
	s.waitFor("end")
	r.stop()
	assert.GreaterOrEqual(t, s.count(), 20_002)
}

func TestAbort(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	cfg := newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6})
	cfg.StopTimeout = time.Hour
	r := start(t, cfg)
	s.pause()
	appendTo(t, path, strings.Repeat(strings.Repeat("x", 999)+"\n", 20_000))
	require.Eventually(t, func() bool { return r.Stats().Unconfirmed > 1<<20 }, 10*time.Second, time.Millisecond)
	r.cancel()
	r.Abort()
	r.stop()
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	good := newConfig(t, "127.0.0.1:1", File{Pattern: "/nowhere", Program: "app"})
	for name, change := range map[string]func(c *Config){
		"no server":       func(c *Config) { c.Servers = nil },
		"empty server":    func(c *Config) { c.Servers = []string{""} },
		"bad port":        func(c *Config) { c.Servers = []string{"host:no-such-port"} },
		"too many colons": func(c *Config) { c.Servers = []string{"a:b:c"} },
		"protocol":        func(c *Config) { c.Protocol = "carrier-pigeon" },
	} {
		c := good
		change(&c)
		_, err := Open(c)
		require.Error(t, err, name)
		assert.False(t, errors.Is(err, ErrState) || errors.Is(err, ErrInUse), name)
	}
	file := filepath.Join(t.TempDir(), "file")
	appendTo(t, file, "")
	c := good
	c.StateDir = file
	_, err := Open(c)
	require.ErrorIs(t, err, ErrState)
	assert.ErrorContains(t, err, file)

	r := start(t, good)
	_, err = Open(good)
	require.ErrorIs(t, err, ErrInUse)
	r.stop()
	r = start(t, good)
	r.stop()
}

func TestServerAddress(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"host": "host:514", "host:1514": "host:1514", " host ": "host:514", "::1": "[::1]:514", "[::1]": "[::1]:514",
		"[::1]:1514": "[::1]:1514", "10.0.0.1": "10.0.0.1:514", "host:": "", ":514": "", "a:b:c": "", "": "",
		"a b": "", "a b:514": "", "a,b": "", "a\tb": "", "http://a:80": "",
	} {
		got, err := serverAddress(in)
		assert.Equal(t, want, got, in)
		assert.Equal(t, want == "", err != nil, in)
	}
}
