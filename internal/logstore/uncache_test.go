package logstore

import (
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// forgettingFS notes what is dropped from the page cache.
type forgettingFS struct {
	vfs.FS
	ranges *[][2]int64
}

type forgettingFile struct {
	vfs.File
	ranges *[][2]int64
}

func (r *forgettingFS) OpenFile(name string, flag int, perm os.FileMode) (vfs.File, error) {
	f, err := r.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &forgettingFile{f, r.ranges}, nil
}

func (f *forgettingFile) Forget(from, to int64) error {
	*f.ranges = append(*f.ranges, [2]int64{from, to})
	return f.File.Forget(from, to)
}

// What a flood leaves behind does not stay in the page cache, but for the ends of the
// files; what comes slower stays.
func TestFloodLeavesPageCache(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	for _, tt := range []struct {
		name  string
		pause time.Duration // between 64 KiB and 64 KiB
		flood bool
	}{
		{"flood", 10 * time.Millisecond, true},
		{"much", 2 * floodWithin, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := vfstest.New(vfstest.Options{})
				var ranges [][2]int64
				s, err := openTwin(&forgettingFS{d.FS(), &ranges}, Config{cachedMost: most})
				require.NoError(t, err)
				stop := startStore(t, s)
				text := fmt.Sprintf("%04000d", 7)
				for range 200 {
					for range 17 {
						submit(t, s, message("celery", text))
					}
					time.Sleep(tt.pause)
				}
				open := s.Stats().OpenFiles
				stop()
				if !tt.flood {
					require.Empty(t, ranges)
					return
				}
				size := int64(len(onDisk(t, d, "worker.log")))
				require.Equal(t, int64(200*17)*int64(len(testHeader+text+"\n")), size)
				require.Zero(t, ranges[0][0])
				for i, r := range ranges[1:] {
					require.LessOrEqual(t, r[0], ranges[i][1], "without a gap")
				}
				last := ranges[len(ranges)-1][1]
				require.LessOrEqual(t, last, size-most/open, "the end of the file stays")
				require.Greater(t, last, size-most/open-most, "and not much more")
			})
		})
	}
}

// A file that was cut, or is another one, begins anew.
func TestUncacheAfterCut(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	h, err := d.FS().OpenFile("f", os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	var ranges [][2]int64
	f := &logFile{handle: &forgettingFile{h, &ranges}}
	const keep = 1 << 20
	for _, size := range []int64{0, keep, 10 << 20, 10<<20 + 1, 20 << 20, 3 << 20, 3 << 20, 4 << 20} {
		f.durable.size = size
		require.NoError(t, f.uncache(keep))
	}
	require.Equal(t, [][2]int64{{0, 9 << 20}, {5 << 20, 19 << 20}, {0, 2 << 20}, {0, 3 << 20}}, ranges)
}
