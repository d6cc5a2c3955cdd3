package vfstest_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

func create(t *testing.T, fsys vfs.FS, name, content string) vfs.File {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte(content), 0)
	require.NoError(t, err)
	return f
}

// content is what the file holds; "-" if there is none.
func content(t *testing.T, fsys vfs.FS, name string) string {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
		return "-"
	}
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size))
	require.NoError(t, err)
	return string(b)
}

// outcomes runs an episode with many seeds and tells how often which state was
// found after the loss of power.
func outcomes(t *testing.T, episode func(*vfstest.Disk), state func(vfs.FS) string) map[string]int {
	t.Helper()
	found := map[string]int{}
	for seed := range uint64(400) {
		d := vfstest.New(vfstest.Options{Seed: seed})
		episode(d)
		d.PowerLoss()
		found[state(d.FS())]++
	}
	return found
}

func keys(m map[string]int) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}

func TestPowerLoss(t *testing.T) {
	t.Parallel()
	nul := func(n int) string { return string(make([]byte, n)) }
	old, long := "old", bytes.Repeat([]byte("x"), 5000)
	tests := []struct {
		name    string
		episode func(vfs.FS)
		state   func(vfs.FS) string
		want    []string
	}{{
		name: "synced file in synced folder stays",
		episode: func(f vfs.FS) {
			create(t, f, "a", old).Datasync()
			f.SyncDir(".")
		},
		want: []string{old},
	}, {
		name:    "synced file without its entry may be gone",
		episode: func(f vfs.FS) { create(t, f, "a", old).Datasync() },
		want:    []string{old, "-"},
	}, {
		name: "size may be there without content",
		episode: func(f vfs.FS) {
			create(t, f, "a", old)
			f.SyncDir(".")
		},
		want: []string{old, nul(3), ""},
	}, {
		name: "each page by itself",
		episode: func(f vfs.FS) {
			file := create(t, f, "a", string(long))
			file.Datasync()
			f.SyncDir(".")
			file.WriteAt([]byte("1"), 0)
			file.WriteAt([]byte("2"), 4096)
		},
		state: func(f vfs.FS) string { c := content(t, f, "a"); return c[:1] + c[4096:4097] },
		want:  []string{"xx", "1x", "x2", "12"},
	}, {
		name: "shrunk and grown again",
		episode: func(f vfs.FS) {
			file := create(t, f, "a", old)
			file.Datasync()
			f.SyncDir(".")
			file.Truncate(1)
			file.WriteAt([]byte("N"), 2)
		},
		// The page may be written in place before the cut is in the journal.
		want: []string{old, "o", "o\x00N", "o\x00\x00"},
	}, {
		name: "entries by themselves",
		episode: func(f vfs.FS) {
			create(t, f, "a", "A").Datasync()
			create(t, f, "b", "B").Datasync()
		},
		state: func(f vfs.FS) string { return content(t, f, "a") + content(t, f, "b") },
		want:  []string{"--", "A-", "-B", "AB"},
	}, {
		name: "a rename is one change",
		episode: func(f vfs.FS) {
			create(t, f, "a", "A").Datasync()
			create(t, f, "b", "B").Datasync()
			f.SyncDir(".")
			f.Rename("a", "b")
		},
		state: func(f vfs.FS) string { return content(t, f, "a") + content(t, f, "b") },
		want:  []string{"AB", "-A"},
	}, {
		name: "a name in use again tells of the rename before",
		episode: func(f vfs.FS) {
			create(t, f, "a", "A").Datasync()
			f.Mkdir("d", 0o750)
			f.SyncDir(".")
			f.Rename("a", "d/a")
			create(t, f, "a", "N").Datasync()
		},
		state: func(f vfs.FS) string { return content(t, f, "a") + content(t, f, "d/a") },
		want:  []string{"A-", "-A", "NA"},
	}, {
		name: "an inode in use again tells of the removal before",
		episode: func(f vfs.FS) {
			file := create(t, f, "a", "A")
			file.Datasync()
			file.Close()
			f.SyncDir(".")
			f.Remove("a")
			create(t, f, "b", "B").Datasync()
		},
		state: func(f vfs.FS) string { return content(t, f, "a") + content(t, f, "b") },
		want:  []string{"A-", "--", "-B"},
	}, {
		name: "a folder not synced takes its files with it",
		episode: func(f vfs.FS) {
			f.Mkdir("d", 0o750)
			create(t, f, "d/a", "A").Datasync()
			f.SyncDir("d")
		},
		state: func(f vfs.FS) string { return content(t, f, "d/a") },
		want:  []string{"-", "A"},
	}, {
		name: "a removed file may be back, with its synced content",
		episode: func(f vfs.FS) {
			file := create(t, f, "a", "A")
			file.Datasync()
			f.SyncDir(".")
			file.Close()
			f.Remove("a")
		},
		want: []string{"A", "-"},
	}, {
		name: "an allocated file holds NUL",
		episode: func(f vfs.FS) {
			file := create(t, f, "a", "A")
			file.Allocate(4)
			file.Datasync()
			f.SyncDir(".")
		},
		want: []string{"A\x00\x00\x00"},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.state == nil {
				tt.state = func(f vfs.FS) string { return content(t, f, "a") }
			}
			found := outcomes(t, func(d *vfstest.Disk) { tt.episode(d.FS()) }, tt.state)
			require.ElementsMatch(t, tt.want, keys(found), "%q", found)
		})
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	before := d.FS()
	f := create(t, before, "a", "A")
	lock, err := before.Lock("lock")
	require.NoError(t, err)
	d.Kill()

	after := d.FS()
	require.Equal(t, "A", content(t, after, "a"), "what was written is there")
	for what, err := range map[string]error{
		"close": f.Close(), "sync": f.Datasync(), "unlock": lock.Close(),
		"remove": before.Remove("a"), "sync folder": before.SyncDir("."),
	} {
		require.ErrorIs(t, err, vfstest.ErrCrashed, what)
	}
	_, err = after.Lock("lock")
	require.NoError(t, err, "the lock died with its holder")
	_, err = d.Outside().Lock("lock")
	require.ErrorIs(t, err, vfs.ErrLocked)
}

// TestCrashAt meets every place in a short run once, and a half write in the
// middle.
func TestCrashAt(t *testing.T) {
	t.Parallel()
	run := func(d *vfstest.Disk) {
		f, err := d.FS().OpenFile("a", os.O_RDWR|os.O_CREATE, 0o640)
		if err == nil {
			f.WriteAt([]byte("0123456789"), 0)
			f.Datasync()
		}
		d.FS().SyncDir(".")
	}
	torn := map[string]bool{}
	for seed := range uint64(200) {
		for at := 1; ; at++ {
			d := vfstest.New(vfstest.Options{Seed: seed})
			d.CrashAt(at)
			run(d)
			if !d.Crashed() {
				require.Equal(t, 5, at, "create, write, sync, sync of the folder")
				break
			}
			d.Kill()
			got := content(t, d.FS(), "a")
			if at == 1 {
				require.Equal(t, "-", got)
			} else if at == 2 {
				torn[got] = true
			} else {
				require.Equal(t, "0123456789", got)
			}
		}
	}
	require.Greater(t, len(torn), 3, "%q", torn)
}

func TestInject(t *testing.T) {
	t.Parallel()
	t.Run("the n-th write of a file is torn", func(t *testing.T) {
		t.Parallel()
		d := vfstest.New(vfstest.Options{})
		d.Inject(vfstest.Fault{Op: vfstest.Write, Name: "b*", After: 1, Err: syscall.EIO, Tear: 3})
		a, b := create(t, d.FS(), "a", "aaaa"), create(t, d.FS(), "bb", "bbbb")
		n, err := a.WriteAt([]byte("AAAA"), 0)
		require.NoError(t, err)
		require.Equal(t, 4, n)
		n, err = b.WritevAt([][]byte{[]byte("BB"), []byte("BB")}, 0)
		require.ErrorIs(t, err, syscall.EIO)
		require.Equal(t, 3, n)
		require.Equal(t, "BBBb", content(t, d.FS(), "bb"))
		_, err = b.WriteAt([]byte("CCCC"), 0)
		require.NoError(t, err, "once")
	})
	t.Run("any call, for ever, until the process ends", func(t *testing.T) {
		t.Parallel()
		d := vfstest.New(vfstest.Options{})
		d.Inject(vfstest.Fault{Times: -1, Err: syscall.EROFS})
		for range 3 {
			_, err := d.FS().ReadDir(".")
			require.ErrorIs(t, err, syscall.EROFS)
		}
		_, err := d.Outside().ReadDir(".")
		require.NoError(t, err, "others are not concerned")
		d.Kill()
		_, err = d.FS().ReadDir(".")
		require.NoError(t, err)
	})
	t.Run("a failed sync is forgotten by the next", func(t *testing.T) {
		t.Parallel()
		lost := 0
		found := outcomes(t, func(d *vfstest.Disk) {
			f := create(t, d.FS(), "a", "old")
			require.NoError(t, f.Datasync())
			require.NoError(t, d.FS().SyncDir("."))
			d.Inject(vfstest.Fault{Op: vfstest.Datasync, Err: syscall.EIO})
			f.WriteAt([]byte("new"), 0)
			require.ErrorIs(t, f.Datasync(), syscall.EIO)
			require.NoError(t, f.Datasync())
			require.Equal(t, "new", content(t, d.FS(), "a"), "the cache still shows it")
		}, func(f vfs.FS) string { return content(t, f, "a") })
		lost = found["old"]
		require.Positive(t, lost)
		require.Equal(t, 400, lost+found["new"], "%v", found)
	})
	t.Run("a failed sync of a folder settles some entries", func(t *testing.T) {
		t.Parallel()
		found := outcomes(t, func(d *vfstest.Disk) {
			d.Inject(vfstest.Fault{Op: vfstest.SyncDir, Err: syscall.EIO})
			create(t, d.FS(), "a", "A").Datasync()
			require.ErrorIs(t, d.FS().SyncDir("."), syscall.EIO)
		}, func(f vfs.FS) string { return content(t, f, "a") })
		require.ElementsMatch(t, []string{"A", "-"}, keys(found))
	})
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	a := create(t, d.FS(), "a", "A")
	d.SetFree(2*4096, 1)

	big := bytes.Repeat([]byte("x"), 5*4096)
	n, err := a.WriteAt(big, 4096)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.True(t, vfs.IsFull(err))
	require.Equal(t, 2*4096, n, "what fits is written")
	_, err = a.WriteAt(big[:4096], 0)
	require.NoError(t, err, "a page that is there can be written")
	require.ErrorIs(t, a.Allocate(5*4096), syscall.ENOSPC)

	space, err := d.FS().Free()
	require.NoError(t, err)
	require.EqualValues(t, 0, space.FreeBytes)
	require.EqualValues(t, 1, space.FreeInodes)
	b := create(t, d.FS(), "b", "")
	require.ErrorIs(t, d.FS().Mkdir("c", 0o750), syscall.ENOSPC)

	require.NoError(t, a.Truncate(0))
	require.NoError(t, b.Allocate(2*4096))
	_, err = a.WriteAt([]byte("x"), 0)
	require.NoError(t, err)
	_, err = a.WriteAt([]byte("x"), 4096)
	require.ErrorIs(t, err, syscall.ENOSPC)
	_, err = b.WriteAt(big[:2*4096], 0)
	require.NoError(t, err, "reserved by Allocate")

	require.NoError(t, b.Close())
	require.NoError(t, d.FS().Remove("b"))
	_, err = a.WriteAt(big, 4096)
	require.ErrorIs(t, err, syscall.ENOSPC)
	d.SetFree(-1, -1)
	_, err = a.WriteAt(big, 4096)
	require.NoError(t, err)
}

func TestIdentityOfReusedInode(t *testing.T) {
	t.Parallel()
	for _, noHandles := range []bool{false, true} {
		t.Run(fmt.Sprintf("NoHandles=%v", noHandles), func(t *testing.T) {
			t.Parallel()
			f := vfstest.New(vfstest.Options{NoHandles: noHandles}).FS()
			create(t, f, "a", "").Close()
			a, err := f.Identify("a")
			require.NoError(t, err)
			require.NoError(t, f.Rename("a", "b"))
			b, err := f.Identify("b")
			require.NoError(t, err)
			require.True(t, a.Same(b), "by another name")
			require.NoError(t, f.Remove("b"))
			create(t, f, "a", "").Close()
			c, err := f.Identify("a")
			require.NoError(t, err)
			require.Equal(t, a.Inode, c.Inode)
			require.False(t, a.Same(c))
		})
	}
}

// TestSameSeed asks that an episode can be had again.
func TestSameSeed(t *testing.T) {
	t.Parallel()
	run := func() (states []string) {
		d := vfstest.New(vfstest.Options{Seed: 7, Writeback: 0.3, Page: 16})
		for i := range 200 {
			f := create(t, d.FS(), fmt.Sprintf("f%d", i%7), "")
			f.WriteAt(bytes.Repeat([]byte{byte(i)}, 10+i), int64(i*3))
			if i%5 == 0 {
				f.Datasync()
				d.FS().SyncDir(".")
			}
			if i%11 == 0 {
				d.PowerLoss()
			}
			for k := range 7 {
				states = append(states, content(t, d.FS(), fmt.Sprintf("f%d", k)))
			}
		}
		return states
	}
	require.Equal(t, run(), run())
}

// BenchmarkEpisode is a short life of a process with a log of 16 KiB.
func BenchmarkEpisode(b *testing.B) {
	seed := uint64(0)
	record := bytes.Repeat([]byte("r"), 300)
	for b.Loop() {
		seed++
		d := vfstest.New(vfstest.Options{Seed: seed})
		fsys := d.FS()
		f, err := fsys.OpenFile("a", os.O_RDWR|os.O_CREATE, 0o640)
		if err != nil {
			b.Fatal(err)
		}
		f.Allocate(16 << 10)
		fsys.SyncDir(".")
		for i := range int64(40) {
			f.WriteAt(record, i*300)
			if i%4 == 0 {
				f.Datasync()
			}
		}
		d.PowerLoss()
	}
}
