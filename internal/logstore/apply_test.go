package logstore

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// slowFS takes its time for writes to the log files.
type slowFS struct {
	vfs.FS
	delay time.Duration
}

type slowAppender struct {
	vfs.File
	delay time.Duration
}

func (s slowFS) OpenFile(name string, flag int, perm os.FileMode) (vfs.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return slowAppender{f, s.delay}, nil
}

func (f slowAppender) Append(parts [][]byte) (int, error) {
	time.Sleep(f.delay)
	return f.File.Append(parts)
}

// How long a line waits for its file does not follow from how long the write before
// it took.
func TestSlowWriteHoldsUpNoLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const delay = 15 * time.Millisecond
		d := vfstest.New(vfstest.Options{})
		s, err := openTwin(slowFS{d.FS(), delay}, Config{})
		require.NoError(t, err)
		defer startStore(t, s)()
		for _, text := range []string{"one", "two", "three"} {
			require.NoError(t, s.Submit(t.Context(), testTime, []syslog.Message{message("celery", text)}, nil))
			began := time.Now()
			for !strings.Contains(onDisk(t, d, "worker.log"), text) {
				require.Less(t, time.Since(began), applyWithin+2*delay, text)
				time.Sleep(time.Millisecond)
			}
		}
	})
}
