package logstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

var testPeer = &syslog.Peer{Addr: netip.MustParseAddr("172.31.20.5"), Name: "172.31.20.5"}

// testTime is when test messages arrive.
var testTime = time.Date(2026, 11, 23, 8, 27, 0, 123456000, time.FixedZone("", -5*3600))

// testHeader is what stands before the text of a test message of celery's.
const testHeader = "2026-11-23T08:27:00.123456-05:00 web1 celery: "

func message(program, text string) syslog.Message {
	return syslog.Message{Pri: 15, Host: []byte("web1"), Program: []byte(program), Text: []byte(text), From: testPeer}
}

// runStore opens a Store in its own folder, or that of cfg, and runs it until
// the test ends or stop is called.
func runStore(t testing.TB, cfg Config) (s *Store, stop func()) {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	cfg.segmentSize = cmp.Or(cfg.segmentSize, 4<<20)
	s, err := Open(cfg)
	require.NoError(t, err)
	stop = startStore(t, s)
	t.Cleanup(stop)
	return s, stop
}

func startStore(t testing.TB, s *Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	return func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// submit hands msgs over and waits until they are committed and in their files.
func submit(t testing.TB, s *Store, msgs ...syslog.Message) {
	t.Helper()
	done := make(chan error, 1)
	var lsn uint64
	require.NoError(t, s.Submit(t.Context(), testTime, msgs, func(err error) {
		s.journal.mu.Lock()
		lsn = s.journal.last
		s.journal.mu.Unlock()
		done <- err
	}))
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("not committed after 20 s")
	}
	eventually(t, func() bool { return applied(s) || s.pending.applied() >= lsn }, "in the files")
}

// applied tells whether all that was submitted is in the files.
func applied(s *Store) bool {
	used, _ := s.budget.inUse()
	return used == 0
}

func content(t testing.TB, s *Store, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.cfg.Dir, name))
	require.NoError(t, err)
	return string(b)
}

// lines makes n messages of the programs in turn, whose texts count up.
func lines(n int, programs ...string) []syslog.Message {
	msgs := make([]syslog.Message, n)
	for i := range msgs {
		msgs[i] = message(programs[i%len(programs)], fmt.Sprintf("line %d", i))
	}
	return msgs
}

// twinStore opens a Store on a file system in memory.
func twinStore(t testing.TB, d *vfstest.Disk, cfg Config) *Store {
	t.Helper()
	s, err := openTwin(d.FS(), cfg)
	require.NoError(t, err)
	return s
}

// openTwin is Open on a file system in memory, with a small write-ahead log.
func openTwin(logs vfs.FS, cfg Config) (*Store, error) {
	cfg.segmentSize = cmp.Or(cfg.segmentSize, 64<<10)
	cfg.StateDir = ".dalogd"
	cfg = cfg.withDefaults()
	if err := logs.Mkdir(".dalogd", 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := logs.SyncDir("."); err != nil {
		return nil, err
	}
	state, err := logs.Sub(".dalogd")
	if err != nil {
		return nil, err
	}
	held, err := lock(state, cfg)
	if err != nil {
		return nil, err
	}
	s, err := open(cfg, logs, state)
	if err != nil {
		return nil, errors.Join(err, held.Close())
	}
	s.lock = held
	return s, nil
}

// onDisk is the content of a file on the file system in memory.
func onDisk(t testing.TB, d *vfstest.Disk, name string) string {
	t.Helper()
	f, err := d.Outside().OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "(missing)"
	}
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size))
	require.NoError(t, err)
	return string(b)
}

// outsideAppend adds to a file as another process would.
func outsideAppend(t testing.TB, d *vfstest.Disk, name, text string) {
	t.Helper()
	f, err := d.Outside().OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Append([][]byte{[]byte(text)})
	require.NoError(t, err)
}

// logBuffer collects what a Store logs.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// eventually polls until ok holds.
func eventually(t testing.TB, ok func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 20 s: " + what)
		}
	}
}

// clean reports whether all records are synced.
func (j *journal) clean() bool { return j.due(0).IsZero() }
