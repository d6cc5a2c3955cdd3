package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// eachKernel runs a test with a folder opened by openat2 and, as
// on a kernel without it, by steps.
func eachKernel(t *testing.T, test func(t *testing.T, dir string, fsys FS)) {
	for _, tt := range []struct {
		name      string
		noOpenat2 bool
	}{{"openat2", false}, {"by steps", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			fsys, err := Open(dir)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, fsys.Close()) })
			fsys.(*dirFS).noOpenat2.Store(tt.noOpenat2)
			test(t, dir, fsys)
		})
	}
}

func TestNothingLeadsOut(t *testing.T) {
	t.Parallel()
	eachKernel(t, func(t *testing.T, dir string, fsys FS) {
		outside := t.TempDir()
		secret := filepath.Join(outside, "secret")
		require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
		require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "own"), nil, 0o640))
		for name, target := range map[string]string{
			"file": secret, "dir": outside, "dangling": filepath.Join(outside, "new"), "inside": "own", "d/up": "..",
		} {
			require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
		}
		for _, name := range []string{"file", "dir/secret", "dangling", "inside", "dir/new", "d/up/own", "dir"} {
			for _, flag := range []int{os.O_RDONLY, os.O_RDWR | os.O_CREATE} {
				_, err := fsys.OpenFile(name, flag, 0o640)
				require.Error(t, err, "%s %x", name, flag)
			}
			_, err := fsys.Lock(name)
			require.Error(t, err, name)
		}
		for _, name := range []string{"file", "dangling", "inside", "dir"} {
			_, err := fsys.OpenFile(name, os.O_RDONLY, 0)
			require.ErrorIs(t, err, ErrNotRegular, name)
		}
		for _, name := range []string{"../" + filepath.Base(outside) + "/secret", secret, "d/../../x", "..", ".", "", "d//x", "./own", "own/", "a\x00b"} {
			_, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
			require.Error(t, err, "%q", name)
			require.Error(t, fsys.Mkdir(name, 0o750), "%q", name)
			require.Error(t, fsys.Remove(name), "%q", name)
			require.Error(t, fsys.Rename("own", name), "%q", name)
			if _, err = fsys.Lstat(name); name != "." { // which is the folder itself
				require.Error(t, err, "%q", name)
			}
		}
		_, err := fsys.ReadDir("dir")
		require.Error(t, err)
		_, err = fsys.Sub("dir")
		require.Error(t, err)
		require.Error(t, fsys.Rename("own", "dir/own"))
		require.Error(t, fsys.Remove("dir/secret"))

		entries, err := os.ReadDir(outside)
		require.NoError(t, err)
		require.Len(t, entries, 1, "nothing was made or removed outside")

		info, err := fsys.Lstat("file")
		require.NoError(t, err)
		require.Equal(t, fs.ModeSymlink, info.Mode.Type(), "Lstat tells of the link itself")
	})
}

func TestNotRegular(t *testing.T) {
	t.Parallel()
	eachKernel(t, func(t *testing.T, dir string, fsys FS) {
		require.NoError(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o640))
		require.NoError(t, os.Mkdir(filepath.Join(dir, "dir"), 0o750))
		sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		require.NoError(t, err)
		defer unix.Close(sock)
		// The address of a socket is short, a test's folder may not be.
		d, err := os.Open(dir)
		require.NoError(t, err)
		defer d.Close()
		link := fmt.Sprintf("/proc/self/fd/%d/sock", d.Fd())
		require.NoError(t, unix.Bind(sock, &unix.SockaddrUnix{Name: link}))
		for _, name := range []string{"fifo", "dir", "sock"} {
			for _, flag := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_CREATE} {
				_, err := fsys.OpenFile(name, flag, 0o640)
				require.ErrorIs(t, err, ErrNotRegular, "%s %x", name, flag)
				var path *fs.PathError
				require.ErrorAs(t, err, &path)
				require.Equal(t, filepath.Join(dir, name), path.Path)
			}
		}
	})
}

func TestFile(t *testing.T) {
	t.Parallel()
	eachKernel(t, func(t *testing.T, dir string, fsys FS) {
		_, err := fsys.OpenFile("a", os.O_RDWR, 0)
		require.ErrorIs(t, err, fs.ErrNotExist)
		f, err := fsys.OpenFile("a", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
		require.NoError(t, err)
		_, err = fsys.OpenFile("a", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
		require.ErrorIs(t, err, fs.ErrExist)
		for _, flag := range []int{os.O_APPEND, os.O_TRUNC} {
			_, err = fsys.OpenFile("a", os.O_RDWR|flag, 0)
			require.ErrorIs(t, err, syscall.EINVAL)
		}
		_, err = f.WriteAt([]byte("hello"), 3)
		require.NoError(t, err)
		require.NoError(t, f.Datasync())
		require.NoError(t, f.Chown(-1, -1))
		info, err := f.Stat()
		require.NoError(t, err)
		require.EqualValues(t, 8, info.Size)
		require.Equal(t, fs.FileMode(0o640), info.Mode)
		require.EqualValues(t, 1, info.Links)
		require.EqualValues(t, os.Getuid(), info.UID)
		require.WithinDuration(t, time.Now(), info.ModTime, time.Minute)
		byName, err := fsys.Lstat("a")
		require.NoError(t, err)
		require.Equal(t, info, byName)
		require.NotNil(t, f.OS())

		require.NoError(t, os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")))
		info, err = f.Stat()
		require.NoError(t, err)
		require.EqualValues(t, 2, info.Links)

		require.NoError(t, f.Close())
		require.ErrorIs(t, f.Datasync(), fs.ErrClosed)
		_, err = f.WritevAt([][]byte{{1}}, 0)
		require.ErrorIs(t, err, fs.ErrClosed)
	})
}

func TestManyParts(t *testing.T) {
	t.Parallel()
	fsys, err := Open(t.TempDir())
	require.NoError(t, err)
	defer fsys.Close()
	f, err := fsys.OpenFile("a", os.O_RDWR|os.O_CREATE, 0o640)
	require.NoError(t, err)
	defer f.Close()
	var parts [][]byte
	for i := range 3*maxVector + 5 {
		parts = append(parts, bytes.Repeat([]byte{byte(i)}, i%5))
	}
	want := bytes.Join(parts, nil)
	got := make([]byte, len(want))
	n, err := f.WritevAt(parts, 7)
	require.NoError(t, err)
	require.Equal(t, len(want), n)
	_, err = f.ReadAt(got, 7)
	require.NoError(t, err)
	require.Equal(t, want, got)
	n, err = f.Append(parts)
	require.NoError(t, err)
	require.Equal(t, len(want), n)
	_, err = f.ReadAt(got, int64(7+len(want)))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestGather(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	for limit := 1; limit <= 9; limit++ {
		for stop := range 10 {
			parts := [][]byte{nil, []byte("abc"), nil, []byte("defg"), []byte("h"), nil}
			var got []byte
			n, err := gather(parts, func(batch [][]byte, done int) (int, error) {
				require.Equal(t, len(got), done)
				if done >= stop {
					return -1, failed
				}
				b := bytes.Join(batch, nil)
				b = b[:min(limit, len(b))]
				got = append(got, b...)
				return len(b), nil
			})
			require.Equal(t, len(got), n)
			require.Equal(t, "abcdefgh"[:n], string(got))
			if n < 8 {
				require.ErrorIs(t, err, failed)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, "abc", string(parts[1]), "the caller's list is left alone")
		}
	}
	_, err := gather([][]byte{{1}}, func([][]byte, int) (int, error) { return 0, nil })
	require.ErrorIs(t, err, syscall.EIO, "a system that writes nothing does not hang us")
}

// TestAppend has two appenders and a writer who knows only sizes.
func TestAppend(t *testing.T) {
	t.Parallel()
	for _, noFlag := range []bool{false, true} {
		t.Run(fmt.Sprintf("noAppendFlag=%v", noFlag), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			fsys, err := Open(dir)
			require.NoError(t, err)
			defer fsys.Close()
			f, err := fsys.OpenFile("a", os.O_RDWR|os.O_CREATE, 0o640)
			require.NoError(t, err)
			f.(*file).noAppendFlag.Store(noFlag)
			other, err := os.OpenFile(filepath.Join(dir, "a"), os.O_WRONLY|os.O_APPEND, 0)
			require.NoError(t, err)
			defer other.Close()
			for range 3 {
				n, err := f.Append([][]byte{[]byte("ours "), []byte("too\n")})
				require.NoError(t, err)
				require.Equal(t, 9, n)
				_, err = other.WriteString("theirs\n")
				require.NoError(t, err)
			}
			got, err := os.ReadFile(filepath.Join(dir, "a"))
			require.NoError(t, err)
			require.Equal(t, strings.Repeat("ours too\ntheirs\n", 3), string(got))
			require.NoError(t, f.Close())
			_, err = f.Append([][]byte{{1}})
			require.ErrorIs(t, err, fs.ErrClosed)
		})
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	fsys, err := Open(t.TempDir())
	require.NoError(t, err)
	defer fsys.Close()
	first, err := fsys.Lock("LOCK")
	require.NoError(t, err)
	_, err = fsys.Lock("LOCK")
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, first.Close())
	second, err := fsys.Lock("LOCK")
	require.NoError(t, err)
	require.NoError(t, second.Close())
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	fsys, err := Open(t.TempDir())
	require.NoError(t, err)
	defer fsys.Close()
	f, err := fsys.OpenFile("a", os.O_RDWR|os.O_CREATE, 0o640)
	require.NoError(t, err)
	id, err := f.Identity()
	require.NoError(t, err)
	require.NoError(t, fsys.Rename("a", "b"))
	require.NoError(t, f.Truncate(10))
	moved, err := fsys.Identify("b")
	require.NoError(t, err)
	require.Equal(t, id, moved)
	require.True(t, id.Same(moved))

	// A file system may hand the inode out again at once.
	for range 20 {
		require.NoError(t, f.Close())
		require.NoError(t, fsys.Remove("b"))
		f, err = fsys.OpenFile("b", os.O_RDWR|os.O_CREATE, 0o640)
		require.NoError(t, err)
		next, err := f.Identity()
		require.NoError(t, err)
		require.False(t, id.Same(next), "%v %v", id, next)
	}
	require.NoError(t, f.Close())

	a := Identity{Handle: "x", Inode: 1, Birth: 2}
	require.True(t, a.Same(Identity{Inode: 1, Birth: 2}), "a kernel that gives no handle")
	require.False(t, a.Same(Identity{Handle: "y", Inode: 1, Birth: 2}))
	require.False(t, a.Same(Identity{Inode: 1, Birth: 3}))
	require.False(t, a.Same(Identity{Handle: "x", Inode: 2, Birth: 2}))
}

func TestSubAndList(t *testing.T) {
	t.Parallel()
	eachKernel(t, func(t *testing.T, dir string, fsys FS) {
		require.NoError(t, fsys.Mkdir("d", 0o750))
		require.NoError(t, fsys.Mkdir("d/e", 0o750))
		for _, name := range []string{"d/e/2", "d/e/10", "d/e/1"} {
			f, err := fsys.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o640)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		sub, err := fsys.Sub("d/e")
		require.NoError(t, err)
		defer sub.Close()
		for range 2 {
			list, err := sub.ReadDir(".")
			require.NoError(t, err)
			require.Equal(t, []Entry{{Name: "1"}, {Name: "10"}, {Name: "2"}}, list)
		}
		require.NoError(t, sub.SyncDir("."))
		require.NoError(t, fsys.SyncDir("d/e"))
		require.NoError(t, fsys.Rename("d/e/1", "d/1"))
		require.ErrorIs(t, fsys.Remove("d/e"), syscall.ENOTEMPTY)
		require.NoError(t, sub.Remove("10"))
		require.NoError(t, sub.Remove("2"))
		require.NoError(t, fsys.Remove("d/e"))
		space, err := fsys.Free()
		require.NoError(t, err)
		require.Positive(t, space.FreeBytes)
		require.Greater(t, space.TotalBytes, space.FreeBytes)
	})
}

func TestSyncAll(t *testing.T) {
	t.Parallel()
	eachKernel(t, func(t *testing.T, dir string, fsys FS) {
		f, err := fsys.OpenFile("a", os.O_RDWR|os.O_CREATE, 0o640)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteAt([]byte("text"), 0)
		require.NoError(t, err)
		var st unix.Statfs_t
		require.NoError(t, unix.Statfs(dir, &st))
		err = fsys.SyncAll()
		if syncfsTells() && (st.Type == unix.EXT4_SUPER_MAGIC || st.Type == unix.XFS_SUPER_MAGIC || st.Type == unix.BTRFS_SUPER_MAGIC) {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, errors.ErrUnsupported)
		}
	})
	shm, err := Open("/dev/shm") // not on a disk
	require.NoError(t, err)
	defer shm.Close()
	require.ErrorIs(t, shm.SyncAll(), errors.ErrUnsupported)
}

func TestIsFull(t *testing.T) {
	t.Parallel()
	require.True(t, IsFull(&fs.PathError{Op: "write", Path: "a", Err: syscall.ENOSPC}))
	require.True(t, IsFull(syscall.EDQUOT))
	require.True(t, IsFull(syscall.EFBIG))
	require.False(t, IsFull(syscall.EIO))
	require.False(t, IsFull(errors.New("full")))
	require.False(t, IsFull(nil))
}

func TestOpenFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Open(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o640))
	_, err = Open(filepath.Join(dir, "file"))
	require.ErrorIs(t, err, syscall.ENOTDIR)
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "link")))
	fsys, err := Open(filepath.Join(dir, "link"))
	require.NoError(t, err, "the way to the root may be a link")
	require.NoError(t, fsys.Close())
}

// Forget drops the range from the page cache, and nothing else.
func TestForget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var st unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &st))
	if st.Type == unix.TMPFS_MAGIC {
		peers.Lacking(t, "a file in tmpfs is nowhere but in the page cache: set TMPDIR to a folder on a disk")
	}
	fsys, err := Open(dir)
	require.NoError(t, err)
	defer fsys.Close()
	f, err := fsys.OpenFile("f", os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer f.Close()
	const size = 16 << 20
	for range size >> 16 { // pages that are held together are dropped as a whole
		_, err = f.Append([][]byte{make([]byte, 1<<16)})
		require.NoError(t, err)
	}
	require.NoError(t, f.Datasync())
	m, err := unix.Mmap(int(f.OS().Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Munmap(m)) }()
	cached := func(from, to int) (n int) {
		vec := make([]byte, (to-from)/os.Getpagesize())
		_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[from])), uintptr(to-from), uintptr(unsafe.Pointer(&vec[0])))
		require.Zero(t, errno)
		for _, v := range vec {
			n += int(v & 1)
		}
		return n * os.Getpagesize()
	}
	require.Equal(t, size, cached(0, size))
	require.NoError(t, f.Forget(size/2, size/2), "an empty range is not all")
	require.Equal(t, size, cached(0, size))
	require.NoError(t, f.Forget(4<<20, 8<<20))
	require.LessOrEqual(t, cached(4<<20, 8<<20), 1<<20, "dropped")
	require.Equal(t, size-4<<20, cached(0, 4<<20)+cached(8<<20, size), "kept")
	require.NoError(t, f.Forget(8<<20, 0))
	require.LessOrEqual(t, cached(8<<20, size), 1<<20, "dropped up to the end")
}
