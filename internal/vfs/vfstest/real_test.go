package vfstest_test

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// TestAgainstReal does the same on a real folder and on the twin, and sees the
// same.
func TestAgainstReal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "vfstest")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		real, err := vfs.Open(dir)
		require.NoError(t, err)
		defer real.Close()
		twin := vfstest.New(vfstest.Options{Seed: rapid.Uint64().Draw(t, "seed"), Writeback: 0.2}).FS()
		p := &pair{real: real, twin: twin}
		defer p.close()
		t.Repeat(map[string]func(*rapid.T){
			"open":     p.open,
			"write":    p.write,
			"truncate": p.truncate,
			"allocate": p.allocate,
			"sync":     p.sync,
			"close":    p.closeOne,
			"mkdir":    p.mkdir,
			"rename":   p.rename,
			"remove":   p.remove,
			"lock":     p.lock,
			"":         p.compare,
		})
	})
}

// pair are the two file systems and the files open in both.
type pair struct {
	real, twin vfs.FS
	files      [][2]vfs.File
}

func (p *pair) close() {
	for _, f := range p.files {
		f[0].Close()
		f[1].Close()
	}
}

func name(t *rapid.T, label string) string {
	return rapid.SampledFrom([]string{"a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/a", "e", "e/d", ".", "../a", "a/", "", "d/../a"}).Draw(t, label)
}

// same asks that both failed or neither, and for the same reason.
func same(t *rapid.T, what string, real, twin error) {
	if (real == nil) != (twin == nil) {
		t.Fatalf("%s: real %v, twin %v", what, real, twin)
	}
	for _, reason := range []error{
		fs.ErrNotExist, fs.ErrExist, fs.ErrClosed, vfs.ErrNotRegular, vfs.ErrLocked,
		syscall.EINVAL, syscall.ENOTDIR, syscall.EISDIR, syscall.EBADF,
	} {
		if errors.Is(real, reason) != errors.Is(twin, reason) {
			// Opening a folder may or may not name the reason beneath.
			if errors.Is(real, vfs.ErrNotRegular) && errors.Is(twin, vfs.ErrNotRegular) {
				continue
			}
			t.Fatalf("%s: real %v, twin %v: differ in %v", what, real, twin, reason)
		}
	}
}

func (p *pair) open(t *rapid.T) {
	name := name(t, "name")
	flag := rapid.SampledFrom([]int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR}).Draw(t, "access")
	flag |= rapid.SampledFrom([]int{0, os.O_CREATE, os.O_CREATE | os.O_EXCL, os.O_APPEND, os.O_TRUNC}).Draw(t, "create")
	a, errA := p.real.OpenFile(name, flag, 0o640)
	b, errB := p.twin.OpenFile(name, flag, 0o640)
	same(t, "open", errA, errB)
	if errA == nil {
		p.files = append(p.files, [2]vfs.File{a, b})
	}
}

func (p *pair) lock(t *rapid.T) {
	name := name(t, "name")
	a, errA := p.real.Lock(name)
	b, errB := p.twin.Lock(name)
	same(t, "lock", errA, errB)
	if errA == nil {
		p.files = append(p.files, [2]vfs.File{a, b})
	}
}

// each runs fn on both sides of one open file.
func (p *pair) each(t *rapid.T, what string, fn func(vfs.File) (int, error)) {
	if len(p.files) == 0 {
		t.Skip()
	}
	f := p.files[rapid.IntRange(0, len(p.files)-1).Draw(t, "file")]
	a, errA := fn(f[0])
	b, errB := fn(f[1])
	same(t, what, errA, errB)
	if a != b {
		t.Fatalf("%s: real %d, twin %d", what, a, b)
	}
}

func (p *pair) write(t *rapid.T) {
	off := int64(rapid.IntRange(-1, 20_000).Draw(t, "offset"))
	parts := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 6000), 1, 4).Draw(t, "parts")
	switch rapid.SampledFrom([]string{"write", "writev", "append"}).Draw(t, "how") {
	case "write":
		p.each(t, "write", func(f vfs.File) (int, error) { return f.WriteAt(parts[0], max(0, off)) })
	case "writev":
		p.each(t, "writev", func(f vfs.File) (int, error) { return f.WritevAt(parts, max(0, off)) })
	case "append":
		p.each(t, "append", func(f vfs.File) (int, error) { return f.Append(parts) })
	}
}

func (p *pair) truncate(t *rapid.T) {
	size := int64(rapid.IntRange(0, 20_000).Draw(t, "size"))
	p.each(t, "truncate", func(f vfs.File) (int, error) { return 0, f.Truncate(size) })
}

func (p *pair) allocate(t *rapid.T) {
	size := int64(rapid.IntRange(1, 20_000).Draw(t, "size"))
	p.each(t, "allocate", func(f vfs.File) (int, error) {
		err := f.Allocate(size)
		if errors.Is(err, syscall.EBADF) { // of a file open for reading
			err = syscall.EINVAL
		}
		return 0, err
	})
}

func (p *pair) sync(t *rapid.T) {
	p.each(t, "datasync", func(f vfs.File) (int, error) { return 0, f.Datasync() })
	name := name(t, "folder")
	same(t, "syncdir", p.real.SyncDir(name), p.twin.SyncDir(name))
}

func (p *pair) closeOne(t *rapid.T) {
	p.each(t, "close", func(f vfs.File) (int, error) { return 0, f.Close() })
}

func (p *pair) mkdir(t *rapid.T) {
	name := name(t, "name")
	same(t, "mkdir", p.real.Mkdir(name, 0o750), p.twin.Mkdir(name, 0o750))
}

func (p *pair) rename(t *rapid.T) {
	a, b := name(t, "from"), name(t, "to")
	same(t, "rename", p.real.Rename(a, b), p.twin.Rename(a, b))
}

func (p *pair) remove(t *rapid.T) {
	name := name(t, "name")
	same(t, "remove", p.real.Remove(name), p.twin.Remove(name))
}

// compare looks at everything there is.
func (p *pair) compare(t *rapid.T) {
	p.compareDir(t, ".")
	for _, f := range p.files {
		a, errA := f[0].Stat()
		b, errB := f[1].Stat()
		same(t, "stat", errA, errB)
		compareInfo(t, "open file", a, b)
		compareContent(t, "open file", f[0], f[1], a.Size)
	}
}

func (p *pair) compareDir(t *rapid.T, dir string) {
	a, errA := p.real.ReadDir(dir)
	b, errB := p.twin.ReadDir(dir)
	same(t, "readdir", errA, errB)
	require.Equal(t, a, b)
	for _, e := range a {
		path := e.Name
		if dir != "." {
			path = dir + "/" + e.Name
		}
		infoA, errA := p.real.Lstat(path)
		infoB, errB := p.twin.Lstat(path)
		same(t, "lstat", errA, errB)
		if e.Type.IsDir() {
			require.Equal(t, infoA.Mode, infoB.Mode)
			p.compareDir(t, path)
			continue
		}
		compareInfo(t, path, infoA, infoB)
		fileA, errA := p.real.OpenFile(path, os.O_RDONLY, 0)
		fileB, errB := p.twin.OpenFile(path, os.O_RDONLY, 0)
		same(t, "open to read", errA, errB)
		compareContent(t, path, fileA, fileB, infoA.Size)
		p.compareIdentity(t, path, fileA, fileB)
		require.NoError(t, errors.Join(fileA.Close(), fileB.Close()))
	}
}

func compareInfo(t *rapid.T, what string, a, b vfs.Info) {
	if a.Size != b.Size || a.Mode != b.Mode || a.Links != b.Links {
		t.Fatalf("%s: real %+v, twin %+v", what, a, b)
	}
}

func compareContent(t *rapid.T, what string, a, b vfs.File, size int64) {
	bufA, bufB := make([]byte, size+1), make([]byte, size+1)
	nA, errA := a.ReadAt(bufA, 0)
	nB, errB := b.ReadAt(bufB, 0)
	same(t, what, errA, errB)
	if nA != nB || string(bufA[:nA]) != string(bufB[:nB]) {
		t.Fatalf("%s: contents differ", what)
	}
}

func (p *pair) compareIdentity(t *rapid.T, path string, a, b vfs.File) {
	for _, side := range []struct {
		fs vfs.FS
		f  vfs.File
	}{{p.real, a}, {p.twin, b}} {
		byName, err := side.fs.Identify(path)
		require.NoError(t, err)
		byFile, err := side.f.Identity()
		require.NoError(t, err)
		require.Equal(t, byName, byFile)
		require.True(t, byName.Same(byFile))
	}
}
