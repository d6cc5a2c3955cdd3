package logstore

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func names(t testing.TB, s *Store) []string {
	t.Helper()
	list, err := s.List()
	require.NoError(t, err)
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	return names
}

var standardNames = []string{
	"docassemble.log", "access.log", "apache_access.log", "apache_error.log", "error.log",
	"single_worker.log", "supervisor.log", "uwsgi.log", "websockets.log", "worker.log",
}

func TestList(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{})
	require.Equal(t, standardNames, names(t, s), "a fresh folder")

	for _, name := range []string{"Upper.log", "my file.log", "docassemble.log.1", "zz.log", ".hidden", "_x", "a+b.log", "ünï.log", "trail_", "\xff.log"} {
		require.NoError(t, os.WriteFile(filepath.Join(s.cfg.Dir, name), []byte("x\n"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(s.cfg.Dir, "folder.log"), 0o700))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(s.cfg.Dir, "link.log")))
	require.NoError(t, unix.Mkfifo(filepath.Join(s.cfg.Dir, "fifo.log"), 0o600))
	want := []string{
		"docassemble.log", "Upper.log", "access.log", "apache_access.log", "apache_error.log", "docassemble.log.1", "error.log",
		"my file.log", "single_worker.log", "supervisor.log", "uwsgi.log", "websockets.log", "worker.log", "zz.log",
	}
	require.Equal(t, want, names(t, s))

	submit(t, s, message("celery", "x"))
	list, err := s.List()
	require.NoError(t, err)
	for _, f := range list {
		info, err := os.Stat(filepath.Join(s.cfg.Dir, f.Name))
		require.NoError(t, err)
		require.Equal(t, FileInfo{Name: f.Name, Size: info.Size(), ModTime: info.ModTime()}, f)
	}
}

func TestListOfAFolderThatIsGone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	s, err := Open(Config{Dir: dir, StateDir: t.TempDir()})
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(dir))
	_, err = s.List()
	require.Error(t, err)
	require.NoError(t, s.Close())
	_, err = s.List()
	require.Error(t, err)
}

func TestListLooksAtMetadataOnly(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{})
	for i := range 50 {
		require.NoError(t, os.Truncate(mustCreate(t, s, fmt.Sprintf("big%d.log", i)), 100<<20))
	}
	begin := time.Now()
	list, err := s.List()
	require.NoError(t, err)
	require.Len(t, list, 60)
	require.Less(t, time.Since(begin), time.Second, "5 GB would take longer to read")
}

func mustCreate(t testing.TB, s *Store, name string) string {
	path := filepath.Join(s.cfg.Dir, name)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	return path
}

func TestOpenFileRefuses(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{})
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(s.cfg.Dir, "link.log")))
	require.NoError(t, os.Mkdir(filepath.Join(s.cfg.Dir, "folder"), 0o700))
	require.NoError(t, unix.Mkfifo(filepath.Join(s.cfg.Dir, "fifo"), 0o600))
	mustCreate(t, s, "_x")
	require.NoError(t, os.Link(mustCreate(t, s, "one.log"), filepath.Join(s.cfg.Dir, "two.log")))
	for _, name := range []string{
		"", ".", "..", "nope.log", "/etc/passwd", "../x", "folder/x", "link.log", "folder", "fifo", "_x", ".dalogd", ".dalogd/lock",
		"one.log", "two.log", "a\x00b", "x" + strings.Repeat("y", 300),
	} {
		_, err := s.OpenFile(name)
		require.Error(t, err, name)
		if len(name) < 256 {
			require.ErrorIs(t, err, fs.ErrNotExist, name)
		}
	}
}

func TestSnapshotEndsAtALineEnd(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{})
	long := strings.Repeat("x", 3*readBlock)
	for i, c := range []struct {
		name, content string
		size          int
	}{
		{"a.log", "", 0},
		{"a.log", "\n", 1},
		{"a.log", "one\ntwo\n", 8},
		{"a.log", "one\ntwo", 4},
		{"a.log", "one", 0},
		{"a.log", "one\n" + long, 4},
		{"a.log", long, 0},
		{"a.log", strings.Repeat("y", readBlock-1) + "\n" + long, readBlock},
		{"a.log", strings.Repeat("x", maxPartial+1), maxPartial + 1},
		{"a.log", "one\n" + strings.Repeat("x", maxPartial-1), 4},
		{"a.log.1", "one\ntwo", 4},
		{"a.log.gz", "one\ntwo", 7},
		{"a.log.zst", "one\ntwo", 7},
		{"a.zip", "one\ntwo", 7},
	} {
		path := mustCreate(t, s, c.name)
		require.NoError(t, os.WriteFile(path, []byte(c.content), 0o600))
		sn, err := s.OpenFile(c.name)
		require.NoError(t, err)
		require.EqualValues(t, c.size, sn.Size, "case %d", i)
		b, err := io.ReadAll(io.NewSectionReader(sn, 0, 1<<40))
		require.NoError(t, err)
		require.True(t, c.content[:c.size] == string(b))
		b, err = io.ReadAll(io.LimitReader(sn.File(), sn.Size))
		require.NoError(t, err)
		require.True(t, c.content[:c.size] == string(b))
		_, err = sn.ReadAt(make([]byte, 1), -1)
		require.ErrorIs(t, err, fs.ErrInvalid)
		n, err := sn.ReadAt(make([]byte, 1), sn.Size)
		require.Equal(t, io.EOF, err)
		require.Zero(t, n)
		require.NoError(t, sn.Close())
	}
}

func TestSnapshotIsNotChangedByWhatComesLater(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{})
	submit(t, s, message("celery", "a"))
	sn, err := s.OpenFile("worker.log")
	require.NoError(t, err)
	defer sn.Close()
	submit(t, s, message("celery", "b"))
	require.NoError(t, os.Remove(filepath.Join(s.cfg.Dir, "worker.log")))
	submit(t, s, message("celery", "c"))
	b, err := io.ReadAll(io.NewSectionReader(sn, 0, 1<<40))
	require.NoError(t, err)
	require.Equal(t, testHeader+"a\n", string(b))
}

func TestETag(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{})
	tag := func() string {
		sn, err := s.OpenFile("worker.log")
		require.NoError(t, err)
		defer sn.Close()
		require.Regexp(t, `^"[0-9a-f-]+"$`, sn.ETag())
		return sn.ETag()
	}
	seen := map[string]bool{}
	for i := range 5 {
		switch i {
		case 1, 2:
			submit(t, s, message("celery", "x"))
		case 3:
			require.NoError(t, os.Rename(filepath.Join(s.cfg.Dir, "worker.log"), filepath.Join(s.cfg.Dir, "worker.log.1")))
			require.NoError(t, s.Reopen(t.Context()))
		case 4: // the same length again
			submit(t, s, message("celery", "y"), message("celery", "z"))
		}
		require.False(t, seen[tag()], "step %d", i)
		require.Equal(t, tag(), tag())
		seen[tag()] = true
	}
}

// While the Store writes, a snapshot ends at a line end, never shrinks, and
// what it shows stays.
func TestSnapshotsWhileWriting(t *testing.T) {
	t.Parallel()
	s, stop := runStore(t, Config{})
	end := feed(t, s)
	var size int64
	var shown []byte
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); {
		list, err := s.List()
		require.NoError(t, err)
		listed := list[len(list)-1]
		require.Equal(t, "worker.log", listed.Name)
		require.GreaterOrEqual(t, listed.Size, size)

		sn, err := s.OpenFile("worker.log")
		require.NoError(t, err)
		require.GreaterOrEqual(t, sn.Size, listed.Size, "what is written here always ends at a line end")
		tail := make([]byte, sn.Size-size)
		_, err = sn.ReadAt(tail, size)
		require.True(t, err == nil || err == io.EOF && len(tail) == 0, err)
		shown = append(shown, tail...)
		require.True(t, len(shown) == 0 || shown[len(shown)-1] == '\n')
		size = sn.Size
		require.NoError(t, sn.Close())
	}
	n := end()
	stop()
	text := content(t, s, "worker.log")
	requireNumbers(t, text, 0, n)
	require.True(t, strings.HasPrefix(text, string(shown)), "what was shown stays")
}

// The bytes of a write that failed half-way are never shown.
func TestTornWriteIsNotShown(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{})
	submit(t, s, message("celery", "a"))
	f := s.router.lookup("worker.log")
	before, err := f.view.begin(f.handle.Stat)
	require.NoError(t, err)
	require.NoError(t, appendTo(filepath.Join(s.cfg.Dir, "worker.log"), "torn\ntorn"))
	sn, err := s.OpenFile("worker.log")
	require.NoError(t, err)
	require.Equal(t, before.Size, sn.Size)
	require.NoError(t, sn.Close())
	list, err := s.List()
	require.NoError(t, err)
	require.Equal(t, before.Size, list[len(list)-1].Size)

	require.NoError(t, os.Rename(filepath.Join(s.cfg.Dir, "worker.log"), filepath.Join(s.cfg.Dir, "renamed.log")))
	require.NoError(t, os.WriteFile(filepath.Join(s.cfg.Dir, "worker.log"), []byte(strings.Repeat("other\n", 100)), 0o600))
	sn, err = s.OpenFile("worker.log")
	require.NoError(t, err)
	require.EqualValues(t, 600, sn.Size, "another file of the same name is not cut")
	require.NoError(t, sn.Close())
	f.view.done(&s.folder.writes)
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errorsJoinClose(err, f)
}

func errorsJoinClose(err error, c io.Closer) error {
	if closed := c.Close(); err == nil {
		err = closed
	}
	return err
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{})
	path := mustCreate(t, s, "x.log")
	gzPath := mustCreate(t, s, "x.gz")
	piece := rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("ab\n")), 0, 40, -1),
		rapid.Map(rapid.SampledFrom([]int{511, 512, 513, readBlock - 1, readBlock, readBlock + 1}), func(n int) string { return strings.Repeat("x", n) }),
		rapid.Map(rapid.IntRange(0, 300), func(n int) string { return strings.Repeat("\n", n) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
		n := rapid.IntRange(-1, 400).Draw(t, "n")
		for name, path := range map[string]string{"x.log": path, "x.gz": gzPath} {
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			sn, err := s.OpenFile(name)
			require.NoError(t, err)
			got, err := sn.LastLines(n)
			require.NoError(t, err)
			require.NoError(t, sn.Close())

			lines := strings.SplitAfter(text[:sn.Size], "\n")
			if lines[len(lines)-1] == "" {
				lines = lines[:len(lines)-1]
			}
			kept := lines[max(0, len(lines)-max(0, n)):]
			require.EqualValues(t, int(sn.Size)-len(strings.Join(kept, "")), got, "%s: last %d lines of %d", name, n, len(lines))
		}
	})
}

// countingReader counts the bytes read.
type countingReader struct {
	io.ReaderAt
	read int
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	c.read += len(p)
	return c.ReaderAt.ReadAt(p, off)
}

func TestLastLinesReadsNoMoreThanTheAnswer(t *testing.T) {
	t.Parallel()
	r := &countingReader{ReaderAt: bytes.NewReader(bytes.Repeat([]byte(strings.Repeat("x", 99)+"\n"), 100000))}
	off, _, err := nthLineEnd(r, 10_000_000-1, 30, 10_000_000)
	require.NoError(t, err)
	require.EqualValues(t, 10_000_000-3000, off)
	require.LessOrEqual(t, r.read, 512+readBlock)
	r.read = 0
	off, _, err = nthLineEnd(r, 10_000_000-1, 5000, 10_000_000)
	require.NoError(t, err)
	require.EqualValues(t, 10_000_000-500_000, off)
	require.LessOrEqual(t, r.read, 500_000+2*readBlock)
}

func TestCompressedFileIsWhole(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{})
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, err := w.Write([]byte("a line\n"))
	require.NoError(t, errorsJoinClose(err, w))
	require.NoError(t, os.WriteFile(mustCreate(t, s, "docassemble.log.2.gz"), buf.Bytes(), 0o600))
	sn, err := s.OpenFile("docassemble.log.2.gz")
	require.NoError(t, err)
	defer sn.Close()
	r, err := gzip.NewReader(io.NewSectionReader(sn, 0, sn.Size))
	require.NoError(t, err)
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "a line\n", string(b))
}
