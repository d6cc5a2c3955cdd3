package logstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// writePart makes a closed part as another dalogd would have left it.
func writePart(t testing.TB, dir, name string, offset int64, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, partsDir(name)), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, partPath(name, offset, plainSuffix)), []byte(text), 0o600))
}

func openStored(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() }) // a second time for those that were closed
	return s
}

// textOf is the whole of a file as readers see it.
func textOf(t testing.TB, s *Store, name string) string {
	t.Helper()
	sn, err := s.OpenFile(name)
	require.NoError(t, err, name)
	defer sn.Close()
	return snapshotText(t, sn)
}

func snapshotText(t testing.TB, sn *Snapshot) string {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(sn, 0, sn.Size))
	require.NoError(t, err)
	require.Len(t, b, int(sn.Size))
	return string(b)
}

func TestParsePartName(t *testing.T) {
	t.Parallel()
	const zeros = "00000000000000000"
	for _, c := range []struct {
		name   string
		offset int64
		suffix string
		ok     bool
	}{
		{zeros + "123.log", 123, ".log", true},
		{zeros + "123.log.zst", 123, ".log.zst", true},
		{zeros + "123.log.zst.tmp", 123, ".log.zst.tmp", true},
		{"09223372036854775807.log", 1<<63 - 1, ".log", true},
		{"09223372036854775808.log", 0, "", false},
		{"-0000000000000000123.log", 0, "", false},
		{"+0000000000000000123.log", 0, "", false},
		{zeros + "12.log", 0, "", false},
		{zeros + "1234.log", 0, "", false},
		{zeros + "123.gz", 0, "", false},
		{zeros + "123", 0, "", false},
		{"", 0, "", false},
	} {
		offset, suffix, ok := parsePartName(c.name)
		require.Equal(t, c.ok, ok, c.name)
		if ok {
			require.Equal(t, c.offset, offset)
			require.Equal(t, c.suffix, suffix)
			require.Equal(t, "x.log.d/"+c.name, partPath("x.log", offset, suffix))
		}
	}
}

func TestPartsAreListed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writePart(t, dir, "worker.log", 0, "1\n")
	writePart(t, dir, "worker.log", 2, "22\n")
	writePart(t, dir, "worker.log", 5, "333\n")
	writePart(t, dir, "docassemble.log", 1000, "x\n")
	writePart(t, dir, "gone.log", 7, "its file is not there\n")
	writePart(t, dir, "_hidden.log", 0, "a name that cannot be asked for\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "worker.log.d", "notes.txt"), []byte("not ours"), 0o600))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "worker.log.d", "00000000000000000009.log")))
	s := openStored(t, Config{Dir: dir})

	want := append([]string{"docassemble.log", "access.log", "apache_access.log", "apache_error.log", "docassemble.log.1", "error.log", "gone.log.1"}, standardNames[5:]...)
	want = append(want, "worker.log.1", "worker.log.2", "worker.log.3")
	require.Equal(t, want, names(t, s))
	list, err := s.List()
	require.NoError(t, err)
	starts := make(map[string][2]int64)
	for _, f := range list {
		starts[f.Name] = [2]int64{f.Start, f.Size}
		require.False(t, f.ModTime.IsZero())
	}
	require.Equal(t, [2]int64{5, 4}, starts["worker.log.1"])
	require.Equal(t, [2]int64{2, 3}, starts["worker.log.2"])
	require.Equal(t, [2]int64{0, 2}, starts["worker.log.3"])

	for name, text := range map[string]string{"worker.log.1": "333\n", "worker.log.2": "22\n", "worker.log.3": "1\n", "docassemble.log.1": "x\n"} {
		require.Equal(t, text, textOf(t, s, name))
	}
	for _, name := range []string{"worker.log.4", "worker.log.0", "worker.log.01", "worker.log.", "worker.log.-1", "worker.log.d", "worker.1", "worker.log.1.1",
		"worker.log.99999999999999999999999", "_hidden.log.1", "worker.log.d/00000000000000000000.log"} {
		_, err := s.OpenFile(name)
		require.ErrorIs(t, err, fs.ErrNotExist, name)
	}
}

// Files that another rotator made are shown under their own names; parts pass
// over them.
func TestPartsBesideRealFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range int64(3) {
		writePart(t, dir, "worker.log", 10*i, fmt.Sprintf("part at %d0\n", i))
	}
	real := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	real("worker.log.1", "logrotate 1\n")
	real("worker.log.3", "logrotate 3\n")
	real("worker.log.2.gz", "\x1f\x8b")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "worker.log.4"), 0o755))
	s := openStored(t, Config{Dir: dir})

	var workers []string
	for _, n := range names(t, s) {
		if strings.HasPrefix(n, "worker") {
			workers = append(workers, n)
		}
	}
	require.Equal(t, []string{"worker.log", "worker.log.1", "worker.log.2", "worker.log.2.gz", "worker.log.3", "worker.log.5", "worker.log.6"}, workers)
	for name, text := range map[string]string{
		"worker.log.1": "logrotate 1\n", "worker.log.2": "part at 20\n", "worker.log.3": "logrotate 3\n",
		"worker.log.5": "part at 10\n", "worker.log.6": "part at 00\n",
	} {
		require.Equal(t, text, textOf(t, s, name))
	}
	_, err := s.OpenFile("worker.log.4")
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, os.Remove(filepath.Join(dir, "worker.log.1")))
	require.Equal(t, "part at 20\n", textOf(t, s, "worker.log.1"))
}

func TestPartsOfOthersDoing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log logBuffer
	for i := range int64(3) {
		writePart(t, dir, "worker.log", 10*i, fmt.Sprintf("part at %d0\n", i))
	}
	s := openStored(t, Config{Dir: dir, Logger: log.logger()})
	require.EqualValues(t, 31, s.parts.next("worker.log"))

	// One is removed, one comes back from a backup.
	require.NoError(t, os.Remove(filepath.Join(dir, partPath("worker.log", 10, plainSuffix))))
	_, err := s.OpenFile("worker.log.2")
	require.ErrorIs(t, err, fs.ErrNotExist)
	writePart(t, dir, "access.log", 500, "restored\n")
	require.NoError(t, s.parts.scan())
	require.Equal(t, "part at 00\n", textOf(t, s, "worker.log.2"))
	require.Equal(t, "restored\n", textOf(t, s, "access.log.1"))

	// Somebody goes on writing to the newest: no offset moves.
	f, err := os.OpenFile(filepath.Join(dir, partPath("worker.log", 20, plainSuffix)), os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteString("more\n")
	require.NoError(t, err)
	require.NoError(t, s.parts.scan())
	require.EqualValues(t, 31, s.parts.next("worker.log"))
	require.Equal(t, "part at 20\nmore\n", textOf(t, s, "worker.log.1"))
	p, err := loadParts(s.folder.fs, s.log)
	require.NoError(t, err)
	require.EqualValues(t, 31, p.next("worker.log"), "after a restart")

	// And while he does, it is not compressed.
	s.keep(t.Context())
	require.Equal(t, []string{"00000000000000000000.log.zst", "00000000000000000020.log", "00000000000000000031.log"}, partFiles(t, dir, "worker.log"))
	require.Contains(t, log.String(), "compressed when nobody writes to it")
	require.NoError(t, f.Close())
	clear(s.keeper.postponed)
	s.keep(t.Context())
	require.Equal(t, []string{"00000000000000000000.log.zst", "00000000000000000020.log.zst", "00000000000000000031.log"}, partFiles(t, dir, "worker.log"))
	require.Equal(t, "part at 20\nmore\n", textOf(t, s, "worker.log.1"))

	// The whole folder goes.
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "access.log.d")))
	require.NoError(t, s.parts.scan())
	require.NotContains(t, names(t, s), "access.log.1")
}

func partFiles(t testing.TB, dir, name string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, partsDir(name)))
	require.NoError(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// A part is the same before and after it is compressed, and who has it open
// reads on.
func TestPackedPart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := string(logText(600 << 10))
	writePart(t, dir, "worker.log", 4000, text)
	path := filepath.Join(dir, partPath("worker.log", 4000, plainSuffix))
	written := time.Date(2026, 11, 20, 1, 2, 3, 456789, time.UTC)
	require.NoError(t, os.Chtimes(path, written, written))
	require.NoError(t, os.Chmod(path, 0o640))
	s := openStored(t, Config{Dir: dir})
	before, err := s.OpenFile("worker.log.1")
	require.NoError(t, err)
	defer before.Close()
	require.NotNil(t, before.File())
	require.EqualValues(t, 4000, before.Start)
	listed, err := s.List()
	require.NoError(t, err)

	s.keep(t.Context())
	require.Equal(t, []string{"00000000000000004000.log.zst"}, partFiles(t, dir, "worker.log"))
	info, err := os.Stat(path + ".zst")
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode())
	require.Less(t, info.Size(), int64(len(text)/4))
	require.True(t, text == snapshotText(t, before), "read on by who had it open")

	for _, again := range []string{"at once", "after a restart"} {
		after, err := s.OpenFile("worker.log.1")
		require.NoError(t, err, again)
		require.Nil(t, after.File())
		require.True(t, text == snapshotText(t, after))
		require.Equal(t, before.ETag(), after.ETag())
		require.True(t, written.Equal(after.ModTime))
		require.EqualValues(t, 4000, after.Start)
		for _, n := range []int{1, 30, 4000, 1 << 30} {
			want, err := before.LastLines(n)
			require.NoError(t, err)
			got, err := after.LastLines(n)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		require.NoError(t, after.Close())
		list, err := s.List()
		require.NoError(t, err)
		for i := range list {
			require.Equal(t, listed[i].Name, list[i].Name)
			require.Equal(t, listed[i].Size, list[i].Size)
			require.True(t, listed[i].ModTime.Equal(list[i].ModTime))
		}
		if again == "at once" {
			require.NoError(t, s.Close())
			s = openStored(t, Config{Dir: dir})
		}
	}
	if zstdPath, err := exec.LookPath("zstd"); err == nil {
		out, err := exec.Command(zstdPath, "-dc", path+".zst").Output()
		require.NoError(t, err)
		require.True(t, text == string(out), "as zstd unpacks it")
	}
}

func TestDamagedPartIsNotShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log logBuffer
	for i := range int64(3) {
		writePart(t, dir, "worker.log", 10*i, fmt.Sprintf("part at %d0\n", i))
	}
	s := openStored(t, Config{Dir: dir})
	s.keep(t.Context())
	require.NoError(t, s.Close())
	require.NoError(t, os.Truncate(filepath.Join(dir, partPath("worker.log", 10, packedSuffix)), 40))
	require.NoError(t, os.Rename(filepath.Join(dir, partPath("worker.log", 0, packedSuffix)), filepath.Join(dir, partPath("worker.log", 1, packedSuffix))))

	s = openStored(t, Config{Dir: dir, Logger: log.logger()})
	require.Equal(t, "part at 20\n", textOf(t, s, "worker.log.1"))
	require.NotContains(t, names(t, s), "worker.log.2")
	require.Contains(t, log.String(), "00000000000000000010.log.zst")
	require.Contains(t, log.String(), "00000000000000000001.log.zst")
	require.EqualValues(t, 31, s.parts.next("worker.log"))
	require.Len(t, partFiles(t, dir, "worker.log"), 3, "it stays for who can mend it")
}

// A folder that cannot be read is an error in the log, and no more.
func TestPartsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	twinPart(t, d, "access.log", 0, "a part\n")
	twinPart(t, d, "worker.log", 0, "a part\n")
	d.Inject(vfstest.Fault{Op: vfstest.ReadDir, Name: "worker.log.d", Times: -1, Err: syscall.EIO})
	var log logBuffer
	s := twinStore(t, d, Config{Logger: log.logger()})
	require.Contains(t, log.String(), "folder=worker.log.d")
	require.Contains(t, names(t, s), "access.log.1")
	require.NotContains(t, names(t, s), "worker.log.1")
}

// twinPart makes a closed part on the file system in memory, durable.
func twinPart(t testing.TB, d *vfstest.Disk, name string, offset int64, text string) {
	t.Helper()
	out := d.Outside()
	if err := out.Mkdir(partsDir(name), 0o755); err != nil {
		require.ErrorIs(t, err, fs.ErrExist)
	}
	f, err := out.OpenFile(partPath(name, offset, plainSuffix), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte(text), 0)
	require.NoError(t, err)
	require.NoError(t, f.Datasync())
	require.NoError(t, f.Close())
	require.NoError(t, out.SyncDir(partsDir(name)))
	require.NoError(t, out.SyncDir("."))
}

// Killed, or without power, at any call: each part is there, whole, and the
// next start ends what was begun.
func TestCrashWhilePacking(t *testing.T) {
	t.Parallel()
	text := func(i int64) string { return strings.Repeat(fmt.Sprintf("line of part %d\n", i), 1000) }
	length := int64(len(text(0)))
	for _, power := range []bool{false, true} {
		crashed, n := true, 0
		for n = 1; crashed; n++ {
			d := vfstest.New(vfstest.Options{Seed: uint64(n)})
			for i := range int64(2) {
				twinPart(t, d, "worker.log", i*length, text(i))
			}
			s := twinStore(t, d, Config{})
			d.CrashAt(n)
			s.keep(t.Context())
			crashed = d.Crashed()
			if power {
				d.PowerLoss()
			} else {
				d.Kill()
			}

			for range 2 {
				s = twinStore(t, d, Config{})
				require.EqualValues(t, 2*length, s.parts.next("worker.log"))
				for i := range int64(2) {
					require.True(t, text(1-i) == textOf(t, s, fmt.Sprintf("worker.log.%d", i+1)), "crash at %d", n)
				}
				require.NotContains(t, names(t, s), "worker.log.3")
				s.keep(t.Context())
				require.NoError(t, s.Close())
			}
			entries, err := d.Outside().ReadDir("worker.log.d")
			require.NoError(t, err)
			require.Len(t, entries, 2, "crash at %d: %v", n, entries)
			for _, e := range entries {
				require.True(t, strings.HasSuffix(e.Name, packedSuffix))
			}
		}
		require.Greater(t, n, 15, "calls that were crashed at")
	}
}

// Parts go oldest first, and offsets never begin again.
func TestCrashWhileEvicting(t *testing.T) {
	t.Parallel()
	for _, power := range []bool{false, true} {
		crashed, n := true, 0
		for n = 1; crashed; n++ {
			d := vfstest.New(vfstest.Options{Seed: uint64(n)})
			for i := range int64(3) {
				twinPart(t, d, "worker.log", i*10, "012345678\n")
			}
			cfg := Config{Keep: Keep{Age: time.Hour}} // the twin's clock is in 1970
			s := twinStore(t, d, cfg)
			d.CrashAt(n)
			s.keep(t.Context())
			crashed = d.Crashed()
			if power {
				d.PowerLoss()
			} else {
				d.Kill()
			}
			s = twinStore(t, d, cfg)
			require.EqualValues(t, 30, s.parts.next("worker.log"), "crash at %d", n)
			s.keep(t.Context())
			require.EqualValues(t, 30, s.parts.next("worker.log"), "crash at %d", n)
			require.Equal(t, standardNames, names(t, s))
			entries, err := d.Outside().ReadDir("worker.log.d")
			require.NoError(t, err)
			require.Len(t, entries, 1)
			require.Equal(t, "00000000000000000030.log", entries[0].Name, "the mark")
		}
		require.Greater(t, n, 4, "calls that were crashed at")
	}
}

// A disk without room for the compressed part leaves the plain one.
func TestPackOnAFullDisk(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	text := string(logText(100 << 10))
	twinPart(t, d, "worker.log", 0, text)
	var log logBuffer
	s := twinStore(t, d, Config{Logger: log.logger()})
	d.SetFree(4096, -1)
	s.keep(t.Context())
	require.Contains(t, log.String(), "cannot be compressed")
	require.True(t, text == textOf(t, s, "worker.log.1"))
	entries, err := d.Outside().ReadDir("worker.log.d")
	require.NoError(t, err)
	require.Len(t, entries, 1, "no draft is left")

	d.SetFree(-1, -1)
	clear(s.keeper.postponed)
	s.keep(t.Context())
	require.True(t, text == textOf(t, s, "worker.log.1"))
	entries, err = d.Outside().ReadDir("worker.log.d")
	require.NoError(t, err)
	require.Equal(t, "00000000000000000000.log.zst", entries[0].Name)
}

func TestEvictionIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range int64(3) {
		writePart(t, dir, "worker.log", 10*i, "012345678\n")
	}
	var log logBuffer
	s := openStored(t, Config{Dir: dir, Keep: Keep{Count: 1}, Logger: log.logger()})
	require.EqualValues(t, 3, s.Stats().Parts)
	require.EqualValues(t, 30, s.Stats().PartBytes)
	s.evict(false)
	require.Equal(t, []string{"00000000000000000020.log"}, partFiles(t, dir, "worker.log"))
	st := s.Stats()
	require.EqualValues(t, 2, st.Evicted)
	require.EqualValues(t, 20, st.EvictedBytes)
	require.EqualValues(t, 1, st.Parts)
	require.Contains(t, log.String(), "closed part of a log file removed")
	require.Contains(t, log.String(), "file=worker.log why=count from=10 to=20")
}

func TestMakeRoom(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	for i := range int64(3) {
		twinPart(t, d, "worker.log", i*5000, strings.Repeat("x", 4999)+"\n")
	}
	s := twinStore(t, d, Config{})
	require.False(t, s.makeRoom(), "nothing goes unless a limit on free space is set")
	require.EqualValues(t, 3, s.Stats().Parts)
	require.NoError(t, s.Close())

	s = twinStore(t, d, Config{KeepFree: Reserve{Bytes: 100}})
	require.True(t, s.makeRoom(), "at least one, whatever the file system says")
	require.EqualValues(t, 2, s.Stats().Parts)
	require.True(t, s.makeRoom())
	require.True(t, s.makeRoom())
	require.False(t, s.makeRoom(), "none is left")
	require.EqualValues(t, 15000, s.parts.next("worker.log"))
}

func TestKeeperStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writePart(t, dir, "worker.log", 0, string(logText(20<<20)))
	s := openStored(t, Config{Dir: dir})
	stop := s.startKeeper()
	eventually(t, func() bool { return len(partFiles(t, dir, "worker.log")) == 2 }, "a draft")
	stop()
	files := partFiles(t, dir, "worker.log")
	require.Len(t, files, 1, "no draft is left")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.keep(ctx)
	require.Equal(t, files, partFiles(t, dir, "worker.log"))
}

func Benchmark10000Parts(b *testing.B) {
	dir := b.TempDir()
	p, err := newPacker(testDecoder)
	require.NoError(b, err)
	f := newFile(b)
	text := logText(2000)
	for i := range int64(10_000) {
		n := note{offset: i * 10000, size: int64(len(text)), modified: time.Unix(1795422420+i, 0)}
		size, err := p.pack(b.Context(), f, bytes.NewReader(text), n)
		require.NoError(b, err)
		packed, err := io.ReadAll(io.NewSectionReader(f, 0, size))
		require.NoError(b, err)
		name := fmt.Sprintf("app%d.log", i%10)
		require.NoError(b, os.MkdirAll(filepath.Join(dir, partsDir(name)), 0o755))
		require.NoError(b, os.WriteFile(filepath.Join(dir, partPath(name, n.offset, packedSuffix)), packed, 0o600))
	}
	b.Run("start", func(b *testing.B) {
		for b.Loop() {
			s, err := Open(Config{Dir: dir})
			require.NoError(b, err)
			require.NoError(b, s.Close())
		}
	})
	s, err := Open(Config{Dir: dir})
	require.NoError(b, err)
	defer s.Close()
	b.Run("list", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			list, err := s.List()
			if err != nil || len(list) < 10_000 {
				b.Fatal(err, len(list))
			}
		}
	})
	b.Run("last part", func(b *testing.B) {
		for b.Loop() {
			sn, err := s.OpenFile("app5.log.1000")
			if err != nil {
				b.Fatal(err)
			}
			sn.Close()
		}
	})
	b.Run("each minute", func(b *testing.B) {
		for b.Loop() {
			if err := s.parts.scan(); err != nil {
				b.Fatal(err)
			}
			s.evict(false)
		}
	})
}
