package logstore

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// watchedFS lets the test act while a name is looked at, and around the sync of
// all files.
type watchedFS struct {
	vfs.FS
	looked, before, after func()
}

func (w *watchedFS) Lstat(name string) (vfs.Info, error) {
	if name == "worker.log" {
		once(&w.looked)
	}
	return w.FS.Lstat(name)
}

func (w *watchedFS) SyncAll() error {
	once(&w.before)
	err := w.FS.SyncAll()
	once(&w.after)
	return err
}

// What was added when a sync began counts as durable only with the position that
// tells of it: else the checkpoint after that would have an old one for a file that
// nothing more is added to, while the log has forgotten the lines.
func TestSyncBesideAppend(t *testing.T) {
	t.Parallel()
	for _, many := range []int{1, 100} {
		d := vfstest.New(vfstest.Options{})
		w := &watchedFS{FS: d.FS()}
		s, err := openTwin(w, Config{manyDirty: many})
		require.NoError(t, err)
		startStore(t, s)
		submit(t, s, message("celery", "1"))
		require.NoError(t, s.checkpoint())
		w.looked = func() { // before the write
			w.looked = func() { require.NoError(t, s.checkpoint()) } // after it
		}
		submit(t, s, message("celery", "2"))
		require.Nil(t, w.looked)
		for range 3 {
			require.NoError(t, s.checkpoint())
		}
		f := s.router.lookup("worker.log")
		require.Equal(t, f.position.size, f.durable.size)
		require.Equal(t, f.position.own, f.durable.own)
		d.PowerLoss()
		s.fail(vfstest.ErrCrashed)
		startStore(t, twinStore(t, d, Config{}))()
		require.Equal(t, testHeader+"1\n"+testHeader+"2\n", onDisk(t, d, "worker.log"))
	}
}

// A file is truncated, and grows again past what it was, while all are being synced:
// the position of before is not durable, whatever stands there now.
func TestTruncatedBesideSync(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	w := &watchedFS{FS: d.FS()}
	s, err := openTwin(w, Config{manyDirty: 1})
	require.NoError(t, err)
	defer startStore(t, s)()
	submit(t, s, message("celery", "1"))
	f := s.router.lookup("worker.log")
	w.after = func() {
		h, err := d.Outside().OpenFile("worker.log", os.O_RDWR, 0)
		require.NoError(t, err)
		require.NoError(t, h.Truncate(0))
		require.NoError(t, h.Close())
		submit(t, s, message("celery", "2"), message("celery", "3"))
	}
	before := f.durable
	require.NoError(t, s.checkpoint())
	require.Nil(t, w.after)
	require.Equal(t, before, f.durable)
	require.NoError(t, s.checkpoint())
	require.EqualValues(t, 2*(len(testHeader)+2), f.durable.size)
	require.Equal(t, f.base.Load(), f.durable.base)
}

// A file that was renamed, and got its name back before anything was added, is as
// durable as any.
func TestSyncOfFileThatCameBack(t *testing.T) {
	t.Parallel()
	for _, many := range []int{1, 100} {
		d := vfstest.New(vfstest.Options{})
		s := twinStore(t, d, Config{manyDirty: many})
		startStore(t, s)
		submit(t, s, message("new", "1"))
		require.NoError(t, d.Outside().Rename("new.log", "old.log"))
		require.NoError(t, s.Reopen(t.Context()))
		require.NoError(t, d.Outside().Rename("old.log", "new.log"))
		submit(t, s, message("new", "2"))
		for range 3 {
			require.NoError(t, s.checkpoint())
		}
		f := s.router.lookup("new.log")
		require.Equal(t, f.position.size, f.durable.size)
		require.Equal(t, f.position.own, f.durable.own)
		want := onDisk(t, d, "new.log")
		require.Equal(t, 2, strings.Count(want, "\n"))
		d.PowerLoss()
		s.fail(vfstest.ErrCrashed)
		startStore(t, twinStore(t, d, Config{}))()
		require.Equal(t, want, onDisk(t, d, "new.log"))
	}
}

// A first start that finds no room while it syncs begins once there is some, and goes on.
func TestNoRoomToSyncAtFirst(t *testing.T) {
	t.Parallel()
	for many, fault := range map[int]vfstest.Fault{
		1:   {Op: vfstest.SyncAll, Err: syscall.ENOSPC},
		100: {Op: vfstest.Datasync, Name: "worker.log", Err: syscall.ENOSPC},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := vfstest.New(vfstest.Options{})
			d.Inject(fault)
			s := twinStore(t, d, Config{manyDirty: many})
			require.NotNil(t, s.unrecovered.Load())
			stop := startStore(t, s)
			eventually(t, func() bool { return s.unrecovered.Load() == nil }, "the beginning")
			submit(t, s, message("celery", "1"))
			require.NoError(t, s.checkpoint())
			stop()
			require.Equal(t, testHeader+"1\n", onDisk(t, d, "worker.log"))
		})
	}
}

// A sync of all files takes as long as others have written to the same file system.
// Rotations, and so lines, do not wait for it.
func TestRotationBesideSyncAll(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	w := &watchedFS{FS: d.FS()}
	cfg := Config{manyDirty: 1, RotateSize: int64(3 * lineBytes)}
	s, err := openTwin(w, cfg)
	require.NoError(t, err)
	startStore(t, s)
	submit(t, s, numbered("celery", 0, 2)...)
	var rotated int64
	meanwhile := func(from int) func() {
		return func() {
			submit(t, s, numbered("celery", from, 4)...)
			submit(t, s, numbered("celery", from+4, 4)...)
			eventually(t, func() bool { return s.Stats().Rotated > rotated }, "a rotation during the sync")
			rotated = s.Stats().Rotated
		}
	}
	w.before, w.after = meanwhile(2), meanwhile(10)
	require.NoError(t, s.checkpoint())
	require.Nil(t, w.before)
	require.Nil(t, w.after)
	d.PowerLoss()
	s.fail(vfstest.ErrCrashed)
	s = twinStore(t, d, cfg)
	defer startStore(t, s)()
	require.Zero(t, requireWhole(t, s, 18))
}

// Files are closed and opened again, and lines added, while all are being synced.
func TestSyncAllBesideAppliers(t *testing.T) {
	t.Parallel()
	for n := range 60 {
		d := vfstest.New(vfstest.Options{Seed: uint64(n)})
		w := &watchedFS{FS: d.FS()}
		s, err := openTwin(w, Config{manyDirty: 1, MaxOpenFiles: []int{2, 100}[n/12%2], RotateSize: int64(n % 2 * 200)})
		require.NoError(t, err)
		startStore(t, s)
		wrote := map[string]int{}
		write := func(programs ...string) {
			for _, p := range programs {
				submit(t, s, message(p, fmt.Sprintf("line %d", wrote[p])))
				wrote[p]++
			}
		}
		write("celery", "new", "celery")
		meanwhile := func() { write("newer", "newest", "celery", "new", "celery") }
		if n%4 < 2 {
			w.before = meanwhile
		} else {
			w.after = meanwhile
		}
		require.NoError(t, s.checkpoint())
		require.Nil(t, w.before)
		require.Nil(t, w.after)
		for range n % 3 {
			require.NoError(t, s.checkpoint())
		}
		d.PowerLoss()
		s.fail(vfstest.ErrCrashed)

		s = twinStore(t, d, Config{})
		stop := startStore(t, s)
		for program, name := range map[string]string{"celery": "worker.log", "new": "new.log", "newer": "newer.log", "newest": "newest.log"} {
			text, err := s.OpenText(name) // with its parts
			require.NoError(t, err)
			b := make([]byte, text.End()-text.Start())
			_, err = io.ReadFull(io.NewSectionReader(text, text.Start(), int64(len(b))), b)
			require.NoError(t, err)
			text.Close()
			all := string(b)
			for i := range wrote[program] {
				require.Equal(t, 1, strings.Count(all, fmt.Sprintf("line %d\n", i)), "%s, line %d: %q", name, i, all)
			}
		}
		stop()
	}
}
