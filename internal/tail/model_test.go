package tail

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever happens to a file between looks and restarts, every complete line
// comes, once, in the order of its file, and the incarnations come in the order they
// were made. Of that are left out lines that were written when their file was rotated
// already, which come when they are written, and those that come again after a restart.
// Content that vanishes before it was seen is not asked for: the model looks before it
// deletes or empties, or keeps a copy.
func TestActionLists(t *testing.T) {
	t.Parallel()
	for part := range 3 { // at once, since each waits for the clock of the file system now and then
		t.Run(strconv.Itoa(part), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, checkActions)
		})
	}
}

func checkActions(t *rapid.T) {
	dir, err := os.MkdirTemp("", "dalog-tail-")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	m := &model{
		rig:     newRig(t, dir, Config{RotateWait: time.Hour}, "app.log"),
		written: map[int]int{}, again: map[int]bool{}, late: map[int]bool{}, got: map[int]int{}, order: map[int][]int{},
	}
	defer m.close()
	m.step(time.Second) // what is there before the first look is old news
	t.Repeat(map[string]func(*rapid.T){
		"write":         func(t *rapid.T) { m.write(t, m.create()) },
		"write late":    m.writeLate,
		"begin a line":  m.begin,
		"rename":        m.renamePath,
		"rename often":  m.renameOften,
		"create":        func(*rapid.T) { m.create() },
		"copy truncate": m.copyTruncate,
		"truncate":      m.truncatePath,
		"pack":          m.packRotated,
		"delete":        m.deletePath,
		"step":          func(*rapid.T) { m.step(time.Second) },
		"look":          func(*rapid.T) { m.look(); m.take() },
		"read":          func(t *rapid.T) { m.readSome(rapid.IntRange(1, 3).Draw(t, "chunks")); m.take() },
		"rest":          func(*rapid.T) { m.rest(); m.step(time.Second) },
		"idle":          m.idle,
		"restart":       m.restartNow,
	})
	m.settleDown()
	for n, gen := range m.written {
		switch {
		case m.got[n] == 0:
			t.Fatalf("line %d of incarnation %d is lost:\n%s", n, gen, m.story())
		case m.got[n] > 1 && !m.again[n]:
			t.Fatalf("line %d of incarnation %d came %d times:\n%s", n, gen, m.got[n], m.story())
		}
	}
	for gen, lines := range m.order {
		if !slices.IsSorted(lines) {
			t.Fatalf("incarnation %d came out of order: %v:\n%s", gen, lines, m.story())
		}
	}
	if !slices.IsSorted(m.inTime) {
		t.Fatalf("the incarnations came out of order: %v:\n%s", m.inTime, m.story())
	}
}

// model is what happens to one followed path, and what must come of it.
type model struct {
	*rig
	next    int           // number of the next line
	files   []*modelFile  // open for writing, oldest first
	gens    int           // incarnations made
	rotated int           // app.log.1 to app.log.N exist
	written map[int]int   // complete line -> incarnation
	again   map[int]bool  // lines that may come twice
	late    map[int]bool  // lines that were written to a rotated file
	inTime  []int         // the others, as they came first
	got     map[int]int   // how often each line came
	order   map[int][]int // incarnation -> lines as they came first
}

// modelFile is an incarnation that a program has open to append to.
type modelFile struct {
	*os.File
	gen     int
	current bool   // at the path
	deleted bool   // has no name
	rotated int    // the number in its name
	begun   string // a line without its end
}

func (m *model) close() {
	m.tailer.Close()
	for _, f := range m.files {
		f.Close()
	}
}

// settleDown looks until nothing more can come.
func (m *model) settleDown() {
	m.look()
	m.step(11 * time.Second) // longer than between two looks at an unchanged folder
	m.look()
	m.take()
}

// take accounts for the lines that were handed on.
func (m *model) take() {
	for _, line := range m.lines {
		n, err := strconv.Atoi(strings.Fields(line + " ?")[0])
		require.NoError(m.t, err, "a line that nobody wrote: %q", line)
		if m.got[n] == 0 {
			m.order[m.written[n]] = append(m.order[m.written[n]], n)
			if !m.late[n] && !m.again[n] {
				m.inTime = append(m.inTime, n)
			}
		}
		m.got[n]++
	}
	m.log("read %d lines: %s", len(m.lines), m.runs())
	m.lines, m.from = nil, nil
}

// runs tells which lines came, and of which sources.
func (m *model) runs() string {
	var b strings.Builder
	for i, line := range m.lines {
		n, _, _ := strings.Cut(line, " ")
		switch {
		case i == 0 || m.from[i] != m.from[i-1]:
			fmt.Fprintf(&b, " %.4s: %s", m.from[i].ID, n)
		default:
			fmt.Fprintf(&b, " %s", n)
		}
	}
	return b.String()
}

// current is the file at the path, or nil.
func (m *model) current() *modelFile {
	for _, f := range m.files {
		if f.current {
			return f
		}
	}
	return nil
}

func (m *model) create() *modelFile {
	if f := m.current(); f != nil {
		return f
	}
	f, err := os.OpenFile(m.path("app.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(m.t, err)
	m.gens++
	m.files = append(m.files, &modelFile{File: f, gen: m.gens, current: true})
	return m.files[len(m.files)-1]
}

func (m *model) write(t *rapid.T, f *modelFile) {
	var b strings.Builder
	n := m.next
	if f.begun != "" {
		n, _ = strconv.Atoi(strings.Fields(f.begun)[0])
		b.WriteString(" end\n")
		m.written[n], m.late[n] = f.gen, !f.current
		f.begun = ""
	}
	for range rapid.IntRange(1, 5).Draw(t, "lines") {
		fmt.Fprintf(&b, "%d %s\n", m.next, strings.Repeat("x", rapid.SampledFrom([]int{0, 10, 2000}).Draw(t, "more")))
		m.written[m.next], m.late[m.next] = f.gen, !f.current
		m.next++
	}
	m.log("write gen %d: %d..%d", f.gen, n, m.next-1)
	_, err := f.WriteString(b.String())
	require.NoError(m.t, err)
}

func (m *model) writeLate(t *rapid.T) {
	if len(m.files) < 2 {
		t.Skip()
	}
	m.write(t, m.files[rapid.IntRange(max(0, len(m.files)-4), len(m.files)-2).Draw(t, "file")])
}

func (m *model) begin(t *rapid.T) {
	f := m.create()
	if f.begun != "" {
		t.Skip()
	}
	f.begun = fmt.Sprintf("%d begun", m.next)
	m.next++
	_, err := f.WriteString(f.begun)
	require.NoError(m.t, err)
}

func (m *model) shift() {
	for i := m.rotated; i > 0; i-- {
		for _, ext := range []string{"", ".gz"} {
			if _, err := os.Stat(m.path(fmt.Sprint("app.log.", i, ext))); err == nil {
				m.rename(fmt.Sprint("app.log.", i, ext), fmt.Sprint("app.log.", i+1, ext))
			}
		}
	}
	for _, f := range m.files {
		if f.rotated > 0 {
			f.rotated++
		}
	}
	m.rotated++
}

// packRotated compresses a rotated file, to which nobody writes any more.
func (m *model) packRotated(t *rapid.T) {
	if m.rotated == 0 {
		t.Skip()
	}
	i := rapid.IntRange(1, min(3, m.rotated)).Draw(t, "number")
	name := fmt.Sprint("app.log.", i)
	if _, err := os.Stat(m.path(name)); err != nil {
		t.Skip()
	}
	for n, f := range m.files {
		if f.rotated == i {
			if f.begun != "" {
				m.write(t, f)
			}
			f.Close()
			m.files = slices.Delete(m.files, n, n+1)
			break
		}
	}
	m.log("pack %s", name)
	m.pack(name)
}

func (m *model) renamePath(t *rapid.T) {
	f := m.current()
	if f == nil {
		t.Skip()
	}
	m.shift()
	m.log("rename gen %d", f.gen)
	m.rename("app.log", "app.log.1")
	f.current, f.rotated = false, 1
	if rapid.Bool().Draw(t, "create") {
		m.create()
	}
}

func (m *model) renameOften(t *rapid.T) {
	for range rapid.IntRange(2, 4).Draw(t, "renames") {
		m.write(t, m.create())
		m.renamePath(t)
	}
}

// copyTruncate copies the path's file and empties it, as logrotate does, while
// all is quiet otherwise and something of it has been read.
func (m *model) copyTruncate(t *rapid.T) {
	f := m.current()
	if f == nil || f.begun != "" {
		t.Skip()
	}
	m.write(t, f)
	m.settleDown()
	m.rest()
	m.settleDown()
	if rapid.Bool().Draw(t, "unread end") {
		m.write(t, f)
	}
	m.shift()
	m.log("copy gen %d", f.gen)
	m.copy("app.log", "app.log.1")
	if rapid.Bool().Draw(t, "look between") {
		m.step(time.Second)
	}
	m.log("truncate gen %d", f.gen)
	m.truncate("app.log")
	m.gens++
	f.gen = m.gens
}

func (m *model) truncatePath(t *rapid.T) {
	f := m.current()
	if f == nil || f.begun != "" {
		t.Skip()
	}
	m.settleDown()
	m.log("truncate gen %d", f.gen)
	m.truncate("app.log")
	m.gens++
	f.gen = m.gens
}

func (m *model) deletePath(t *rapid.T) {
	f := m.current()
	if f == nil {
		t.Skip()
	}
	m.settleDown()
	m.log("delete gen %d", f.gen)
	m.remove("app.log")
	f.current, f.deleted = false, true
}

// idle lets rotated files be closed, those that nobody is about to write to.
func (m *model) idle(t *rapid.T) {
	for _, f := range m.files {
		if !f.current && f.begun != "" {
			m.write(t, f)
		}
	}
	m.settleDown()
	var kept []*modelFile
	for _, f := range m.files {
		if f.deleted {
			f.Close()
		} else {
			kept = append(kept, f)
		}
	}
	m.files = kept
	m.step(time.Hour)
	m.step(time.Hour)
	m.take()
}

// restartNow begins anew with what was confirmed. What was not comes again, if
// its file still has a name.
func (m *model) restartNow(t *rapid.T) {
	m.settleDown()
	var named []*modelFile
	for _, f := range m.files {
		if f.deleted {
			f.Close()
		} else {
			named = append(named, f)
		}
	}
	m.files = named
	if rapid.Bool().Draw(t, "unconfirmed") && len(named) > 0 {
		m.write(t, named[rapid.IntRange(0, len(named)-1).Draw(t, "file")])
		m.lazy = true
		m.look()
		m.lazy = false
		for _, line := range m.lines {
			n, err := strconv.Atoi(strings.Fields(line)[0])
			require.NoError(m.t, err)
			m.again[n] = true
		}
		m.take()
	}
	m.log("restart")
	m.restart()
}
