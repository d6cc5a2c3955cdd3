package logstore

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
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

// submit hands msgs over and waits until they are committed.
func submit(t testing.TB, s *Store, msgs ...syslog.Message) {
	t.Helper()
	done := make(chan error, 1)
	require.NoError(t, s.Submit(t.Context(), testTime, msgs, func(err error) { done <- err }))
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("not committed after 20 s")
	}
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
