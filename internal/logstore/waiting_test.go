package logstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Lines that wait to be durable come to their file once they are, whoever made
// them so: the applier and checkpoints do, too.
func TestWaitingLinesAreHandedOn(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{Durability: DurabilityMemory, SyncWithin: time.Hour})
	for n := range 20 {
		done := make(chan error, 1)
		r, msgs := testRange(n, n+1)
		require.NoError(t, s.SubmitRange(t.Context(), testTime, r, msgs, func(err error) { done <- err }))
		require.NoError(t, <-done)
		_, err := s.journal.sync()
		require.NoError(t, err)
		linesIn(t, s, n+1)
	}
}

// What is durable does not wait for what others have added to the log since.
func TestDurableLinesDoNotWait(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{SyncWithin: time.Hour})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		other := testKey
		other.ID[0]++
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := s.journal.append(recForget, [][]byte{appendKey(nil, other)}); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	for n := range 20 {
		done := make(chan error, 1)
		r, msgs := testRange(n, n+1)
		require.NoError(t, s.SubmitRange(t.Context(), testTime, r, msgs, func(err error) { done <- err }))
		require.NoError(t, <-done)
		linesIn(t, s, n+1)
	}
}

func linesIn(t *testing.T, s *Store, want int) {
	t.Helper()
	var text []byte
	for range 1000 {
		text, _ = os.ReadFile(filepath.Join(s.cfg.Dir, "worker.log"))
		if strings.Count(string(text), "\n") == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%d lines of %d", strings.Count(string(text), "\n"), want)
}
