package tail

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestLines(t *testing.T) {
	t.Parallel()
	const maxLine = 1024
	long := strings.Repeat("0123456789abcdef", maxLine/16)
	for _, c := range []struct {
		name    string
		content string
		want    []string
		cut     int
	}{
		{"none", "", nil, 0},
		{"no end yet", "abc", nil, 0},
		{"one", "abc\n", []string{"abc"}, 0},
		{"empty lines", "\n\na\n\n", []string{"", "", "a", ""}, 0},
		{"CR LF stays for the caller", "a\r\nb\r\r\n", []string{"a\r", "b\r\r"}, 0},
		{"any bytes", "\x00\xff\xfe\x1b[31m\n", []string{"\x00\xff\xfe\x1b[31m"}, 0},
		{"as long as allowed", long + "\nb\n", []string{long, "b"}, 0},
		{"one byte more", long + "x\nb\n", []string{long, "x", "b"}, 1},
		{"three times too long", long + long + long + "\nb\n", []string{long, long, long, "b"}, 2},
		{"too long and no end yet", long + long + "x", []string{long, long}, 2},
		{"no cut within a character", long[1:] + "é\nb\n", []string{long[1:], "é", "b"}, 1},
		{"no character to care for", long[1:] + "\x80\x80\x80\x80\n", []string{long[1:] + "\x80", "\x80\x80\x80"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			content := c.content
			if strings.HasPrefix(content, "\x00") {
				content = "first\n" + content
				c.want = append([]string{"first"}, c.want...)
			}
			r := tempRig(t, Config{MaxLine: maxLine}, "app.log")
			r.append("app.log", content)
			r.look()
			assert.Equal(t, c.want, r.lines, "at once")
			assert.Equal(t, c.cut, r.cut)

			r = tempRig(t, Config{MaxLine: maxLine}, "app.log")
			for len(content) > 0 {
				n := min(len(content), 97)
				r.append("app.log", content[:n])
				content = content[n:]
				r.step(time.Second)
				r.read()
			}
			r.look()
			assert.Equal(t, c.want, r.lines, "in small pieces")
		})
	}
}

// Lines longer than what is read at once.
func TestLongLines(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	var want []string
	for i, n := range []int{quantum - 1, quantum, quantum + 1, 3 * quantum / 2, 1 << 20} {
		line := strings.Repeat(string(rune('a'+i)), n)
		r.append("app.log", line+"\nshort\n")
		want = append(want, line, "short")
	}
	r.look()
	r.want(want...)
	r.append("app.log", strings.Repeat("z", 1<<20)+"12345\n")
	r.look()
	r.want(strings.Repeat("z", 1<<20), "12345")
	assert.Equal(t, 1, r.cut)
}

func TestChunkEnds(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{MaxLine: 1024}, "app.log")
	r.append("app.log", "a\nb\npart")
	r.step(time.Second)
	c, ok := r.tailer.Next()
	require.True(t, ok)
	assert.Equal(t, "a\nb\n", string(c.Data))
	assert.Equal(t, int64(4), c.End.Offset)
	assert.False(t, c.Continues)
	_, ok = r.tailer.Next()
	require.False(t, ok)

	r.append("app.log", strings.Repeat("x", 1024))
	r.step(time.Second)
	c, ok = r.tailer.Next()
	require.True(t, ok)
	assert.Equal(t, int64(4+1024), c.End.Offset)
	assert.False(t, c.Continues)
	r.append("app.log", "end\n")
	r.step(time.Second)
	c, ok = r.tailer.Next()
	require.True(t, ok)
	assert.True(t, c.Continues, "the line began in the chunk before")
	assert.Equal(t, "xxxxend\n", string(c.Data))
}

// The last line without its end waits, and ends with its file.
func TestLastLine(t *testing.T) {
	t.Parallel()
	t.Run("followed", func(t *testing.T) {
		t.Parallel()
		r := tempRig(t, Config{}, "app.log")
		r.append("app.log", "a\nb")
		r.look()
		r.step(time.Hour)
		r.look()
		r.want("a")
		r.append("app.log", "c\n")
		r.look()
		r.want("bc")
	})
	for name, vanish := range map[string]func(r *rig){
		"renamed": func(r *rig) { r.rename("app.log", "app.log.1") },
		"deleted": func(r *rig) { r.remove("app.log") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := tempRig(t, Config{RotateWait: time.Minute}, "app.log")
			r.append("app.log", "a\nb")
			r.look()
			vanish(r)
			r.append("app.log", "next\n")
			r.look()
			r.step(50 * time.Second)
			r.look()
			r.want("a", "next")
			r.step(10 * time.Second)
			r.look()
			r.want("b")
			r.look()
			assert.Equal(t, 1, r.saw(FileClosed))
			assert.Equal(t, 1, r.tailer.Stats().Open)
		})
	}
}

// A file is held until all of it is confirmed.
func TestClosesAfterConfirmation(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{RotateWait: time.Minute}, "app.log")
	r.lazy = true
	r.append("app.log", "a\n")
	r.look()
	r.remove("app.log")
	r.look()
	r.step(time.Hour)
	r.look()
	require.Zero(t, r.saw(FileClosed))
	require.Equal(t, 1, r.tailer.Stats().Open)
	r.tailer.Confirm(r.from[0], r.tailer.sources[0].position())
	r.look()
	require.Equal(t, 1, r.saw(FileClosed))
	require.Equal(t, 0, r.tailer.Stats().Open)
	assert.Empty(t, r.memory.sources, "a deleted file that is done is forgotten")
}

// A file that is written to without end does not keep others from being read.
func TestTakesTurns(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "*.log")
	r.append("flood.log", strings.Repeat("flood\n", 2<<20/6))
	r.append("quiet.log", "quiet\n")
	r.step(time.Second)
	var seen []string
	for range 3 {
		c, ok := r.tailer.Next()
		require.True(t, ok)
		require.LessOrEqual(t, len(c.Data), quantum)
		seen = append(seen, filepath.Base(c.Source.Path))
	}
	assert.Equal(t, []string{"flood.log", "quiet.log", "flood.log"}, seen)
}

func TestReadsNothingAhead(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.append("app.log", strings.Repeat(strings.Repeat("x", 99)+"\n", 10<<20/100))
	r.step(time.Second)
	r.step(time.Second)
	assert.Equal(t, int64(10<<20/100*100), r.tailer.Stats().Unread)
	r.read()
	r.step(time.Second)
	assert.Equal(t, int64(0), r.tailer.Stats().Unread)
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "a/*.log", "a/x.log", "b/c/x.log", "*/y.log")
	r.look()
	require.NoError(t, os.MkdirAll(r.path("b/c"), 0o700))
	require.NoError(t, os.MkdirAll(r.path("a"), 0o700))
	r.look()
	r.append("a/x.log", "1\n")
	r.append("a/y.log", "2\n")
	r.append("a/z.txt", "no\n")
	r.append("b/c/x.log", "3\n")
	r.append("b/y.log", "4\n")
	r.look()
	byPattern := map[string]int{}
	for i, s := range r.from {
		byPattern[r.lines[i]] = s.Pattern
	}
	assert.Equal(t, map[string]int{"1": 0, "2": 0, "3": 2, "4": 3}, byPattern)
}

// Several names of one file are one source.
func TestSecondNames(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "a.log", "b.log", "c.log")
	r.append("a.log", "1\n")
	require.NoError(t, os.Link(r.path("a.log"), r.path("b.log")))
	require.NoError(t, os.Symlink("a.log", r.path("c.log")))
	r.look()
	r.append("b.log", "2\n")
	r.look()
	r.want("1", "2")
	r.remove("a.log") // the link leads nowhere, the other name stays
	r.append("b.log", "3\n")
	r.look()
	r.want("3")
	assert.Zero(t, r.saw(FileRotated))
}

// A symbolic link that is turned to another file, as for the current log.
func TestTurnedLink(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "current")
	r.append("one", "1\n")
	require.NoError(t, os.Symlink("one", r.path("current")))
	r.look()
	r.append("one", "2\n")
	r.append("two", "3\n")
	r.remove("current")
	require.NoError(t, os.Symlink("two", r.path("current")))
	r.look()
	r.want("1", "2", "3")
}

// What is no file is told once and not waited upon.
func TestUnusablePaths(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "fifo", "folder", "loop", "file/below", "app.log")
	require.NoError(t, unix.Mkfifo(r.path("fifo"), 0o600))
	require.NoError(t, os.Mkdir(r.path("folder"), 0o700))
	require.NoError(t, os.Symlink("loop", r.path("loop")))
	r.append("file", "")
	r.append("app.log", "a\n")
	r.look()
	r.look()
	r.want("a")
	told := map[string]int{}
	for _, e := range r.events {
		if e.Kind == PathUnusable {
			told[filepath.Base(e.Path)]++
		}
	}
	assert.Equal(t, map[string]int{"fifo": 1, "folder": 1, "loop": 1}, told)
	require.NoError(t, os.Remove(r.path("folder")))
	r.append("folder", "b\n")
	r.look()
	r.want("b")
}

// A source is not read before it is durable, and its file is held meanwhile.
func TestMemoryFails(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.memory.fail = errDisk
	r.append("app.log", "a\n")
	r.look()
	r.remove("app.log")
	r.append("app.log", "b\n")
	r.look()
	r.want()
	assert.Equal(t, 1, r.saw(MemoryFailed), "said once")
	r.memory.fail = nil
	r.look()
	r.want("a", "b")
}

// Empty files by the thousand come and go, and leave nothing behind.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{RotateWait: time.Second}, "*.log")
	for i := range 1000 {
		content := ""
		if i%2 == 0 {
			content = fmt.Sprintf("%d\n", i)
		}
		r.append(fmt.Sprintf("%d.log", i), content)
	}
	r.look()
	require.Len(t, r.lines, 500)
	require.Less(t, r.memory.applied, 5, "sources are made durable together")
	for i := range 1000 {
		r.remove(fmt.Sprintf("%d.log", i))
	}
	for range 5 {
		r.rest()
		r.look()
	}
	assert.Empty(t, r.memory.sources)
	assert.Empty(t, r.tailer.places)
	assert.Empty(t, r.tailer.open)
	assert.Len(t, r.memory.marks, 1, "that of the pattern")
}

func TestRotatedNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"app.log.1": "1", "app.log.12": "12", "app.log-20261123": "20261123", "app.log-20261123-1763892000": "20261123-1763892000",
		"app.log.2026-11-23_10-00": "2026-11-23_10-00", "app.1.log": "1", "app-2026-11-23T10-00-00.000.log": "2026-11-23T10-00-00.000",
		"app.log": "", "app.log.1.gz": "1", "app-20261123.log.zst": "20261123", "app.log.gz": "0", "app.log.1.xz": "", "app.log.old": "", "app.log1": "", "other.log.1": "", "app.log.": "", "apple.1.log": "", "app.logs.1": "",
	} {
		got, ok := rotation("app.log", name)
		assert.Equal(t, want, got, name)
		assert.Equal(t, want != "", ok, name)
	}
	assert.True(t, olderSuffix("2", "1"))
	assert.True(t, olderSuffix("10", "9"))
	assert.True(t, olderSuffix("20261122", "20261123"))
	assert.True(t, olderSuffix("1", ""))
	assert.False(t, olderSuffix("", "1"))
	assert.False(t, olderSuffix("1", "1"))
}

// What happens between opening the path and reading its folder.
func TestRenamedDuringTheLook(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.look()
	p := r.tailer.order[0]
	r.append("app.log", "a\n")
	head, err := openFile(r.path("app.log"))
	require.NoError(t, err)
	defer head.file.Close()
	r.rename("app.log", "app.log.1")
	r.append("app.log.2", "b\n")
	found, _, _ := r.tailer.siblings(p, readDir(r.dir, 0), head, false)
	require.Len(t, found, 1, "the opened file is not a second one under its new name")
	assert.Equal(t, r.path("app.log.2"), found[0].name)
	found[0].file.Close()

	list := readDir(r.dir, 0)
	assert.True(t, list.current(r.dir))
	r.rest()
	r.rename("app.log.1", "app.log.3")
	assert.False(t, list.current(r.dir))
	assert.False(t, readDir(r.dir, time.Hour).settled, "a change may hide behind the last one")
}

// A closed file that is between two names while its folder is read is not
// forgotten: under the new one it would come again.
func TestRenamedWhileMissed(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.append("app.log", "a\n")
	r.look()
	r.rename("app.log", "app.log.1")
	r.look()
	r.step(2 * time.Minute)
	r.step(time.Second)
	require.Equal(t, 1, r.saw(FileClosed))
	r.pack("app.log.1")
	r.look()
	r.rest()
	r.look()
	list := readDir(r.dir, 0)
	r.rest()
	r.rename("app.log.1.gz", "app.log.2.gz")
	p := r.tailer.order[0]
	lost := r.tailer.known.of(p.path)
	require.Len(t, lost, 1)
	r.tailer.dirs[r.dir] = list
	r.tailer.missing(p, &view{complete: true, consistent: true, lost: lost, list: list}, false)
	r.tailer.apply(r.now)
	r.append("app.log", "b\n")
	r.restart()
	r.look()
	r.want("a", "b")
}

// An error of reading delays only its file.
func TestReadFails(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "a.log", "b.log")
	r.append("a.log", "1\n")
	r.append("b.log", "2\n")
	r.step(time.Second)
	s := r.tailer.sources[0]
	good := s.file
	bad, err := os.OpenFile(r.path("a.log"), os.O_WRONLY, 0) // pread gives EBADF
	require.NoError(t, err)
	s.file = bad
	r.read()
	r.look()
	r.want("2")
	assert.Equal(t, 1, r.saw(ReadFailed))
	s.file = good
	require.NoError(t, bad.Close())
	r.look()
	r.want("1")
}

func BenchmarkNext(b *testing.B) {
	line := bytes.Repeat([]byte("x"), 237)
	content := bytes.Repeat(append(line, '\n'), 64<<20/238)
	r := newRig(b, b.TempDir(), Config{}, "app.log")
	r.append("app.log", string(content))
	r.step(time.Second)
	lines := 0
	b.ReportAllocs()
	for b.Loop() {
		c, ok := r.tailer.Next()
		if !ok {
			b.StopTimer()
			r.tailer.Close()
			r.memory = newMemory()
			r.cfg.Memory = r.memory
			r.start()
			r.step(time.Second)
			b.StartTimer()
			c, _ = r.tailer.Next()
		}
		for {
			if _, _, ok := c.Line(); !ok {
				break
			}
			lines++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(lines), "ns/line")
	r.tailer.Close()
}
