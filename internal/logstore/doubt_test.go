package logstore

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// meddledFS lets somebody else act right before and after the next write to a
// log file, when its name has just been looked at, and after each list.
type meddledFS struct {
	vfs.FS
	before, after, listed func()
}

type meddledFile struct {
	vfs.File
	fs *meddledFS
}

func (m *meddledFS) OpenFile(name string, flag int, perm os.FileMode) (vfs.File, error) {
	f, err := m.FS.OpenFile(name, flag, perm)
	if err != nil || name != "worker.log" {
		return f, err
	}
	return &meddledFile{f, m}, nil
}

func (m *meddledFS) ReadDir(name string) ([]vfs.Entry, error) {
	list, err := m.FS.ReadDir(name)
	once(&m.listed)
	return list, err
}

func (f *meddledFile) Append(parts [][]byte) (int, error) {
	once(&f.fs.before)
	n, err := f.File.Append(parts)
	once(&f.fs.after)
	return n, err
}

func once(fn *func()) {
	if do := *fn; do != nil {
		*fn = nil
		do()
	}
}

// outsider is somebody else in the folder.
type outsider struct {
	t  testing.TB
	fs vfs.FS
}

func (o outsider) read(name string) string {
	f, err := o.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	require.NoError(o.t, err)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size))
	require.NoError(o.t, err)
	return string(b)
}

func (o outsider) write(name string, b []byte) {
	f, err := o.fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(o.t, err)
	defer f.Close()
	_, err = f.WriteAt(b, 0)
	require.NoError(o.t, err)
}

func (o outsider) rename(from, to string) { require.NoError(o.t, o.fs.Rename(from, to)) }
func (o outsider) remove(name string)     { require.NoError(o.t, o.fs.Remove(name)) }

// pack compresses a file by the end of the copy's name.
func (o outsider) pack(from, to string) { o.write(to, packedText(o.t, path.Ext(to), o.read(from))) }

func packedText(t testing.TB, ext, text string) []byte {
	var b bytes.Buffer
	switch ext {
	case ".gz":
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		require.NoError(t, z.Close())
	case ".zst":
		z, err := zstd.NewWriter(&b)
		require.NoError(t, err)
		_, _ = io.WriteString(z, text)
		require.NoError(t, z.Close())
	case ".bz2": // nothing here makes one
		require.Equal(t, testHeader+"a\n", text)
		var data []byte
		_, err := fmt.Sscanf(bzipped, "%x", &data)
		require.NoError(t, err)
		return data
	case ".xz":
		return []byte("\xfd7zXZ\x00\x00\x04" + text)
	default:
		return []byte(text)
	}
	return b.Bytes()
}

// bzipped is testHeader+"a\n".
const bzipped = "425a683931415926535957823ddc000009db80001040037fd004003a0410a02000314006234d34683527b48ca30107a99c335822488e5f3aa1af44bbb8b5d70a120eb6dbf388f7e50b1f8bb9229c28482bc11eee00"

// rotated is all that is there of worker.log, in order, whatever it is compressed with.
func (o outsider) rotated(s *Store) string {
	var all strings.Builder
	for _, name := range []string{"worker.log.2.gz", "old/worker.log.1.gz", "worker.log.1.gz", "worker.log.1.zst", "worker.log.1.bz2", "worker.log.1.xz", "worker.log.1"} {
		f, err := o.fs.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			continue
		}
		defer f.Close()
		if path.Ext(name) == ".xz" {
			all.WriteString(o.read(name)[8:])
			break
		}
		r, err := s.openCopy(f)
		require.NoError(o.t, err)
		defer r.Close()
		text, err := io.ReadAll(r)
		require.NoError(o.t, err)
		all.Write(text)
		break // further ones hold the same
	}
	return all.String() + o.read("worker.log")
}

// A file loses its name in the very moment in which lines are added to it: they are
// there once and in order, wherever they can still be seen.
func TestRenamedWhileWrittenTo(t *testing.T) {
	t.Parallel()
	const b, c = testHeader + "b\n", testHeader + "c\n"
	for _, x := range []struct {
		name          string
		before, after func(o outsider)
		missing       bool // b cannot be saved, and the log says so
		removed       bool // a is gone
		rescued       int
	}{
		{name: "renamed", before: func(o outsider) { o.rename("worker.log", "worker.log.1") }},
		{name: "renamed after the write", after: func(o outsider) { o.rename("worker.log", "worker.log.1") }},
		{name: "renamed and created", before: func(o outsider) { o.rename("worker.log", "worker.log.1"); o.write("worker.log", nil) }},
		{name: "gzip", before: compressed(".gz"), rescued: len(b)},
		{name: "zstd", before: compressed(".zst"), rescued: len(b)},
		{name: "bzip2", before: compressed(".bz2"), rescued: len(b)},
		{name: "copied", before: func(o outsider) { o.pack("worker.log", "worker.log.1"); o.remove("worker.log") }, rescued: len(b)},
		{name: "gzip after the write", after: compressed(".gz")},
		{name: "zstd after the write", after: compressed(".zst")},
		{name: "gzip around the write", before: func(o outsider) { o.rename("worker.log", "worker.log.1"); o.pack("worker.log.1", "worker.log.1.gz") },
			after: func(o outsider) { o.remove("worker.log.1") }, rescued: len(b)},
		{name: "gzip of the rest after the write", before: func(o outsider) { o.rename("worker.log", "worker.log.1") },
			after: func(o outsider) { o.pack("worker.log.1", "worker.log.1.gz"); o.remove("worker.log.1") }},
		{name: "gzip into a folder", before: func(o outsider) {
			require.NoError(o.t, o.fs.Mkdir("old", 0o700))
			o.rename("worker.log", "old/worker.log.1")
			o.pack("old/worker.log.1", "old/worker.log.1.gz")
			o.remove("old/worker.log.1")
		}, rescued: len(b)},
		{name: "xz", before: compressed(".xz"), missing: true},
		{name: "damaged copy", before: func(o outsider) {
			o.rename("worker.log", "worker.log.1")
			o.write("worker.log.7.gz", packedText(o.t, ".gz", o.read("worker.log.1"))[:20])
			o.remove("worker.log.1")
		}, missing: true, removed: true},
		{name: "removed", before: func(o outsider) { o.remove("worker.log") }, removed: true, rescued: len(b)},
		{name: "removed after the write", after: func(o outsider) { o.remove("worker.log") }, removed: true, rescued: len(b)},
		{name: "beside others of that size", before: func(o outsider) {
			compressed(".gz")(o)
			for i := range 3 {
				o.write(fmt.Sprintf("worker.log.%d.gz", i+3), packedText(o.t, ".gz", testHeader+"x\n"+b))
			}
		}, rescued: len(b)},
	} {
		for _, real := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/real=%v", x.name, real), func(t *testing.T) {
				t.Parallel()
				var logged logBuffer
				s, fs, o := meddled(t, real, Config{Logger: logged.logger()})
				stop := startStore(t, s)
				submit(t, s, message("celery", "a"))
				if x.before != nil {
					fs.before = func() { x.before(o) }
				}
				if x.after != nil {
					fs.after = func() { x.after(o) }
				}
				submit(t, s, message("celery", "b"))
				submit(t, s, message("celery", "c"))
				stop()
				want := b + c
				if x.missing {
					want = c
					require.Contains(t, logged.String(), fmt.Sprintf("bytes=%d", len(b)))
					require.Contains(t, logged.String(), "may be missing")
				}
				if !x.removed {
					want = testHeader + "a\n" + want
				}
				require.Equal(t, want, o.rotated(s), "%s", &logged)
				require.EqualValues(t, x.rescued, s.Stats().Rescued, "%s", &logged)
				require.EqualValues(t, 1, s.Stats().Replaced)
			})
		}
	}
}

// compressed renames, compresses and removes worker.log.
func compressed(ext string) func(o outsider) {
	return func(o outsider) {
		o.rename("worker.log", "worker.log.1")
		o.pack("worker.log.1", "worker.log.1"+ext)
		o.remove("worker.log.1")
	}
}

// meddled opens a Store on a file system that somebody else meddles with.
func meddled(t testing.TB, real bool, cfg Config) (*Store, *meddledFS, outsider) {
	t.Helper()
	d := vfstest.New(vfstest.Options{})
	in, out := d.FS(), d.Outside()
	if real {
		dir := t.TempDir()
		var err error
		in, err = vfs.Open(dir)
		require.NoError(t, err)
		out, err = vfs.Open(dir)
		require.NoError(t, err)
		t.Cleanup(func() { out.Close() })
	}
	fs := &meddledFS{FS: in}
	s, err := openTwin(fs, cfg)
	require.NoError(t, err)
	return s, fs, outsider{t, out}
}

// Of the lines of one write, those are written once more that the copy has not, whole,
// be it cut within a line and others have written as well.
func TestCopyWithHalfOfAWrite(t *testing.T) {
	t.Parallel()
	line := func(i int) string { return fmt.Sprintf("%sline %d\n", testHeader, i) }
	for cut := range 2 * len(line(0)) {
		synctest.Test(t, func(t *testing.T) {
			s, fs, o := meddled(t, false, Config{})
			stop := startStore(t, s)
			submit(t, s, message("celery", "a"))
			text := ""
			fs.before = func() {
				outsideAdd(t, o.fs, "worker.log", "foreign\n")
				o.rename("worker.log", "worker.log.1")
			}
			fs.after = func() {
				whole := o.read("worker.log.1")
				text = whole[:len(whole)-len(line(0))*3+cut]
				o.write("worker.log.1.gz", packedText(t, ".gz", text))
				o.remove("worker.log.1")
			}
			submit(t, s, lines(3, "celery")...)
			stop()
			there := cut / len(line(0))
			want := ""
			for i := there; i < 3; i++ {
				want += line(i)
			}
			require.Equal(t, want, o.read("worker.log"), "cut at %d", cut)
			require.Equal(t, testHeader+"a\nforeign\n"+line(0)+line(1)+line(2), text[:len(text)-cut]+line(0)+line(1)+line(2))
			require.EqualValues(t, len(want), s.Stats().Rescued)
		})
	}
}

func outsideAdd(t testing.TB, fs vfs.FS, name, text string) {
	f, err := fs.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Append([][]byte{[]byte(text)})
	require.NoError(t, err)
}

// While somebody compresses the file, what comes for it waits, other files go on, and
// then it comes in order; but not for longer than it takes.
func TestCompressionUnderWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		takes   time.Duration // 0: it leaves the original
		crowd   bool          // senders wait
		rescued bool
		least   time.Duration
		most    time.Duration
	}{
		{name: "short", takes: copyWithin / 2, rescued: true, least: copyWithin / 2, most: copyWithin/2 + time.Second/10},
		{name: "the original stays", least: copyWithin, most: copyWithin + time.Second/10},
		{name: "senders wait", crowd: true, most: time.Second / 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := Config{}
				if c.crowd {
					cfg.MaxUncommitted = 1000
				}
				s, fs, o := meddled(t, false, cfg)
				stop := startStore(t, s)
				submit(t, s, message("celery", "a"))
				fs.before = func() {
					o.rename("worker.log", "worker.log.1")
					o.pack("worker.log.1", "worker.log.1.gz")
				}
				done := make(chan struct{})
				began := time.Now()
				go func() {
					defer close(done)
					for i := range 40 {
						require.NoError(t, s.Submit(t.Context(), testTime, []syslog.Message{message("celery", fmt.Sprint(i))}, nil))
					}
					submit(t, s)
				}()
				if !c.crowd {
					time.Sleep(time.Second / 10)
					require.NoError(t, s.Submit(t.Context(), testTime, []syslog.Message{message("cron", "x")}, nil))
					eventually(t, func() bool { return o.read("cron.log") != "" }, "another file")
					require.NoError(t, s.Reopen(t.Context()))
					require.Less(t, time.Since(began), time.Second/2, "others are not held up")
				}
				if c.takes > 0 {
					time.Sleep(time.Until(began.Add(c.takes)))
					o.remove("worker.log.1")
				}
				eventually(t, func() bool { return applied(s) }, "in the files")
				<-done
				took := time.Since(began)
				stop()
				text := o.read("worker.log.1") + o.read("worker.log")
				if c.rescued {
					text = testHeader + "a\n" + text
				}
				want := testHeader + "a\n"
				for i := range 40 {
					want += fmt.Sprintf("%s%d\n", testHeader, i)
				}
				require.Equal(t, want, text)
				require.Equal(t, c.rescued, s.Stats().Rescued > 0)
				require.GreaterOrEqual(t, took, c.least)
				require.LessOrEqual(t, took, c.most)
			})
		})
	}
}

// A copy is found though it is renamed while it is looked for.
func TestCopyIsRenamedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, fs, o := meddled(t, false, Config{})
		stop := startStore(t, s)
		submit(t, s, message("celery", "a"))
		fs.after = func() {
			compressed(".gz")(o)
			fs.listed = func() {
				o.rename("worker.log.1.gz", "worker.log.2.gz")
				o.write("worker.log.1.gz", packedText(t, ".gz", "something else\n"))
			}
		}
		submit(t, s, message("celery", "b"))
		submit(t, s, message("celery", "c"))
		stop()
		require.Equal(t, testHeader+"a\n"+testHeader+"b\n"+testHeader+"c\n", o.rotated(s))
		require.Zero(t, s.Stats().Rescued)
	})
}

// What was compressed out of reach may hold all lines: they are not written again, and
// the log says so.
func TestCompressedElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logged logBuffer
		s, fs, o := meddled(t, false, Config{Logger: logged.logger()})
		stop := startStore(t, s)
		submit(t, s, message("celery", "a"))
		fs.before = func() {
			o.rename("worker.log", "elsewhere")
			o.write("worker.log.3.gz", packedText(t, ".gz", "another\n")) // else nobody would wait
		}
		time.AfterFunc(copyWithin/2, func() { o.remove("elsewhere") })
		submit(t, s, message("celery", "b"))
		submit(t, s, message("celery", "c"))
		stop()
		require.Equal(t, testHeader+"c\n", o.read("worker.log"))
		require.Contains(t, logged.String(), "may be missing")
		require.Zero(t, s.Stats().Rescued)
	})
}

// dalogd is killed while a file is in doubt: the next start finds out.
func TestKilledInDoubt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                   string
		before, after, removed func(o outsider)
	}{
		{name: "without the lines",
			before:  func(o outsider) { o.rename("worker.log", "worker.log.1"); o.pack("worker.log.1", "worker.log.1.gz") },
			removed: func(o outsider) { o.remove("worker.log.1") }},
		{name: "with the lines",
			after:   func(o outsider) { o.rename("worker.log", "worker.log.1"); o.pack("worker.log.1", "worker.log.1.gz") },
			removed: func(o outsider) { o.remove("worker.log.1") }},
		{name: "the original stays",
			before:  func(o outsider) { o.rename("worker.log", "worker.log.1"); o.pack("worker.log.1", "worker.log.9.gz") },
			removed: func(o outsider) { o.remove("worker.log.9.gz") }},
	} {
		for _, checkpoint := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/checkpoint=%v", c.name, checkpoint), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					d := vfstest.New(vfstest.Options{})
					o := outsider{t, d.Outside()}
					fs := &meddledFS{FS: d.FS()}
					s, err := openTwin(fs, Config{})
					require.NoError(t, err)
					done := make(chan error, 1)
					go func() { done <- s.Run(t.Context()) }()
					submit(t, s, message("celery", "a"))
					fs.before, fs.after = bind(c.before, o), bind(c.after, o)
					for _, text := range []string{"b", "c"} {
						require.NoError(t, s.Submit(t.Context(), testTime, []syslog.Message{message("celery", text)}, nil))
						time.Sleep(copyWithin / 4)
					}
					if checkpoint {
						require.NoError(t, s.checkpoint())
						require.NoError(t, s.checkpoint())
					}
					require.EqualValues(t, 1, s.Stats().Replaced)
					require.False(t, applied(s))
					d.Kill()
					require.ErrorIs(t, <-done, vfstest.ErrCrashed)
					_ = s.Close()
					c.removed(o)
					s = twinStore(t, d, Config{})
					stop := startStore(t, s)
					submit(t, s, message("celery", "d"))
					stop()
					want := ""
					for _, text := range []string{"a", "b", "c", "d"} {
						want += testHeader + text + "\n"
					}
					require.Equal(t, want, o.rotated(s))
				})
			})
		}
	}
}

func bind(fn func(o outsider), o outsider) func() {
	if fn == nil {
		return nil
	}
	return func() { fn(o) }
}

// What the write-ahead log still has when dalogd is killed may be in files that were
// rotated before the next start: it is not written again.
func TestRotatedAfterKill(t *testing.T) {
	t.Parallel()
	empty := func(o outsider) {
		f, err := o.fs.OpenFile("worker.log", os.O_RDWR, 0)
		require.NoError(o.t, err)
		defer f.Close()
		require.NoError(o.t, f.Truncate(0))
	}
	for _, c := range []struct {
		name   string
		rotate func(o outsider)
	}{
		{"gzip", compressed(".gz")},
		{"zstd", compressed(".zst")},
		{"gzip and created", func(o outsider) { compressed(".gz")(o); o.write("worker.log", nil) }},
		{"copytruncate", func(o outsider) { o.pack("worker.log", "worker.log.1"); empty(o) }},
		{"copytruncate and gzip", func(o outsider) { o.pack("worker.log", "worker.log.1.gz"); empty(o) }},
	} {
		for _, old := range []bool{false, true} { // the file has something that is durable
			t.Run(fmt.Sprintf("%s/old=%v", c.name, old), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					d := vfstest.New(vfstest.Options{})
					o := outsider{t, d.Outside()}
					s := twinStore(t, d, Config{})
					done := make(chan error, 1)
					go func() { done <- s.Run(t.Context()) }()
					want := ""
					add := func(text string) {
						submit(t, s, message("celery", text))
						want += testHeader + text + "\n"
					}
					add("a")
					if old {
						require.NoError(t, s.checkpoint())
					}
					add("the same")
					add("the same")
					d.Kill()
					require.ErrorIs(t, <-done, vfstest.ErrCrashed)
					_ = s.Close()
					c.rotate(o)
					s = twinStore(t, d, Config{})
					stop := startStore(t, s)
					add("b")
					stop()
					require.Equal(t, want, o.rotated(s))
				})
			})
		}
	}
}

// A log that was renamed before begins as the present one does. It is no copy of
// that: what the power took from the present one is written again.
func TestRenamedAlike(t *testing.T) {
	t.Parallel()
	for _, removed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := vfstest.New(vfstest.Options{})
			o := outsider{t, d.Outside()}
			s := twinStore(t, d, Config{})
			done := make(chan error, 1)
			go func() { done <- s.Run(t.Context()) }()
			add := func() { submit(t, s, message("celery", "the same")) }
			for range 3 {
				add()
			}
			require.NoError(t, s.checkpoint())
			o.rename("worker.log", "worker.log.1")
			add()
			require.NoError(t, s.checkpoint())
			require.NoError(t, s.checkpoint())
			for range 2 {
				add()
			}
			_, err := s.journal.sync()
			require.NoError(t, err)
			d.PowerLoss()
			require.Error(t, <-done)
			_ = s.Close()
			want := 6
			if removed { // by whom it may concern, and with it what was durable
				o.remove("worker.log")
				want = 5
			}
			s = twinStore(t, d, Config{})
			startStore(t, s)()
			require.Equal(t, want, strings.Count(o.read("worker.log.1")+o.read("worker.log"), "the same"))
		})
	}
}

// What somebody copied out of a log, of which nothing was known to be durable, is no
// copy of it.
func TestExcerpt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := vfstest.New(vfstest.Options{})
		o := outsider{t, d.Outside()}
		s := twinStore(t, d, Config{})
		done := make(chan error, 1)
		go func() { done <- s.Run(t.Context()) }()
		submit(t, s, message("celery", "a"))
		submit(t, s, message("celery", "b"))
		d.Kill()
		require.ErrorIs(t, <-done, vfstest.ErrCrashed)
		_ = s.Close()
		text := o.read("worker.log")
		o.write("worker.log.excerpt", []byte("see:\n"+text))
		o.remove("worker.log")
		s = twinStore(t, d, Config{})
		startStore(t, s)()
		require.Equal(t, text, o.read("worker.log"))
	})
}
