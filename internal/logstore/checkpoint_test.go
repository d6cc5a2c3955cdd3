package logstore

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// A checkpoint comes as soon as the write-ahead log has grown enough, or what it takes
// would depend on how fast lines come.
func TestCheckpointAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := twinStore(t, vfstest.New(vfstest.Options{}), Config{})
		defer startStore(t, s)()
		time.Sleep(time.Millisecond) // the ticks are at others
		text := strings.Repeat("x", 4000)
		before := s.Stats().Checkpoints
		began := time.Now()
		for range 3 {
			for range 17 { // more than a segment
				require.NoError(t, s.Submit(t.Context(), testTime, []syslog.Message{message("celery", text)}, nil))
			}
			synctest.Wait()
		}
		require.Zero(t, time.Since(began))
		require.Equal(t, int64(3), s.Stats().Checkpoints-before)
	})
}

// A short flood is over before a checkpoint comes; in one that goes on they come as
// above, until a second after the last.
func TestCheckpointAfterBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := twinStore(t, vfstest.New(vfstest.Options{}), Config{burst: 256 << 10})
		defer startStore(t, s)()
		time.Sleep(2*time.Second + time.Millisecond)
		text := strings.Repeat("x", 4000)
		before := s.Stats().Checkpoints
		made := func() int64 {
			for range 17 { // more than a segment
				require.NoError(t, s.Submit(t.Context(), testTime, []syslog.Message{message("celery", text)}, nil))
			}
			synctest.Wait()
			return s.Stats().Checkpoints - before
		}
		began := time.Now()
		for _, want := range []int64{0, 0, 0, 1, 2, 3} {
			require.Equal(t, want, made())
		}
		require.Zero(t, time.Since(began))
		time.Sleep(floodWithin)
		require.Equal(t, int64(3), made())
		time.Sleep(checkpointEvery)
		require.Equal(t, int64(4), s.Stats().Checkpoints-before)
	})
}
