package tail

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/delivery"
)

// memory is a Memory that lives as long as the test.
type memory struct {
	sources map[delivery.SourceID]Known
	marks   map[string]int64
	applied int
	fail    error
}

func newMemory() *memory {
	return &memory{sources: map[delivery.SourceID]Known{}, marks: map[string]int64{}}
}

func (m *memory) Sources() (list []Known) {
	for _, k := range m.sources {
		list = append(list, k)
	}
	return list
}

func (m *memory) Marks() map[string]int64 {
	marks := map[string]int64{}
	for path, birth := range m.marks {
		marks[path] = birth
	}
	return marks
}

func (m *memory) Apply(c Change) error {
	if m.fail != nil {
		return m.fail
	}
	m.applied++
	for _, id := range c.Drop {
		delete(m.sources, id)
	}
	for _, k := range c.Add {
		m.sources[k.ID] = k
	}
	for _, id := range c.Done {
		k := m.sources[id]
		k.Done = true
		m.sources[id] = k
	}
	for path, birth := range c.Marks {
		m.marks[path] = max(m.marks[path], birth)
	}
	for _, path := range c.Unfollow {
		delete(m.marks, path)
	}
	return nil
}

func (m *memory) Seen([]delivery.SourceID) {}

// T is what the rig needs of *testing.T and *rapid.T.
type T interface {
	require.TestingT
	Helper()
}

// rig runs a Tailer by hand: time is the test's, and looks happen when asked
// for.
type rig struct {
	t      T
	dir    string
	cfg    Config
	memory *memory
	tailer *Tailer
	now    time.Time
	lines  []string // handed on, in order
	cut    int      // of them followed by the rest of their line
	from   []*Source
	events []Event
	lazy   bool // nothing is confirmed
	// server, if set, is where a server stands that takes each byte of a source
	// once, whatever was confirmed.
	server map[delivery.SourceID]int64
}

func newRig(t T, dir string, cfg Config, patterns ...string) *rig {
	r := &rig{t: t, dir: dir, cfg: cfg, memory: newMemory(), now: time.Unix(1e9, 0)}
	for _, p := range patterns {
		r.cfg.Patterns = append(r.cfg.Patterns, filepath.Join(dir, p))
	}
	r.cfg.Memory = r.memory
	r.cfg.Notify = func(e Event) { r.events = append(r.events, e) }
	r.start()
	return r
}

func (r *rig) start() {
	r.tailer = New(r.cfg)
	r.tailer.tick = tick
	r.tailer.packs.patience = time.Minute
}

// restart ends the Tailer and begins a new one, as a new process would.
func (r *rig) restart() {
	r.tailer.Close()
	r.start()
}

// step lets time pass and looks once, without reading.
func (r *rig) step(d time.Duration) {
	r.now = r.now.Add(d)
	r.tailer.step(r.now)
}

// read reads all there is to read.
func (r *rig) read() (chunks int) { return r.readSome(math.MaxInt) }

// readSome reads at most so many chunks.
func (r *rig) readSome(limit int) (chunks int) {
	for chunks < limit {
		c, ok := r.tailer.Next()
		if !ok {
			return chunks
		}
		chunks++
		end := c.End
		at := end.Offset - int64(len(c.Data))
		for {
			left := len(c.Data)
			line, more, ok := c.Line()
			if !ok {
				break
			}
			if at += int64(left - len(c.Data)); r.server != nil {
				if at <= r.server[c.Source.ID] {
					continue
				}
				r.server[c.Source.ID] = at
			}
			r.lines = append(r.lines, string(line))
			r.from = append(r.from, c.Source)
			if more {
				r.cut++
			}
		}
		if !r.lazy {
			r.tailer.Confirm(c.Source, end)
			k := r.memory.sources[c.Source.ID]
			k.Position = end
			if k.ID == c.Source.ID {
				r.memory.sources[k.ID] = k
			}
		}
	}
	return chunks
}

// look looks and reads, as often as it takes for everything to be noticed.
func (r *rig) look() {
	for range 4 {
		r.step(time.Second)
		r.read()
	}
	for range 20 {
		if !r.waits() {
			return
		}
		r.rest()
		r.step(time.Second)
		r.read()
	}
}

// waits tells whether a file was emptied and its copy is looked for.
func (r *rig) waits() bool {
	return slices.ContainsFunc(r.tailer.sources, func(s *Source) bool { return !s.emptied.IsZero() && !s.ended })
}

// rest lets the folder's time stamps become old enough to be trusted.
func (r *rig) rest() { time.Sleep(tick) }

// tick is clockTick for the file system of the tests, which is on this machine.
const tick = 5 * time.Millisecond

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) append(name, text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(r.t, err)
	_, err = f.WriteString(text)
	require.NoError(r.t, err)
	require.NoError(r.t, f.Close())
}

func (r *rig) rename(from, to string) {
	r.t.Helper()
	require.NoError(r.t, os.Rename(r.path(from), r.path(to)))
}

func (r *rig) copy(from, to string) {
	r.t.Helper()
	b, err := os.ReadFile(r.path(from))
	require.NoError(r.t, err)
	require.NoError(r.t, os.WriteFile(r.path(to), b, 0o600))
}

// pack compresses a file as gzip does, and gives the new name.
func (r *rig) pack(name string) {
	r.t.Helper()
	b, err := os.ReadFile(r.path(name))
	require.NoError(r.t, err)
	st, err := os.Stat(r.path(name))
	require.NoError(r.t, err)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(b)
	require.NoError(r.t, z.Close())
	require.NoError(r.t, os.WriteFile(r.path(name+".gz"), packed.Bytes(), 0o600))
	require.NoError(r.t, os.Chtimes(r.path(name+".gz"), st.ModTime(), st.ModTime()))
	r.remove(name)
}

func (r *rig) truncate(name string) {
	r.t.Helper()
	require.NoError(r.t, os.Truncate(r.path(name), 0))
}

func (r *rig) remove(name string) {
	r.t.Helper()
	require.NoError(r.t, os.Remove(r.path(name)))
}

// want checks what was handed on since the last want.
func (r *rig) want(lines ...string) {
	r.t.Helper()
	if len(lines) == 0 {
		lines = nil
	}
	require.Equal(r.t, lines, r.lines)
	r.lines, r.from = nil, nil
}

func (r *rig) saw(kind EventKind) int {
	n := 0
	for _, e := range r.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func tempRig(t *testing.T, cfg Config, patterns ...string) *rig {
	t.Helper()
	r := newRig(t, t.TempDir(), cfg, patterns...)
	t.Cleanup(func() { r.tailer.Close() })
	return r
}

var errDisk = errors.New("no space left on device")

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func numberedLines(from, to int) (lines []string) {
	return strings.Split(strings.TrimSuffix(numbered(from, to), "\n"), "\n")
}

// log notes what a test does among the events of the Tailer.
func (r *rig) log(format string, args ...any) {
	r.events = append(r.events, Event{Kind: testAction, Path: fmt.Sprintf(format, args...)})
}

const testAction EventKind = -1

// story is what happened, for the eyes of whoever looks for the reason.
func (r *rig) story() string {
	names := map[EventKind]string{
		FileFound: "found", FileResumed: "resumed", FileMissed: "missed", FileRotated: "rotated", FileTruncated: "truncated",
		CopyFound: "copy found", FileClosed: "closed", FileLost: "lost", ReadFailed: "read failed", PathUnusable: "unusable",
	}
	var b strings.Builder
	for _, e := range r.events {
		if e.Kind == testAction {
			fmt.Fprintln(&b, "-", e.Path)
			continue
		}
		fmt.Fprintf(&b, "    %s: source %.4s %s offset %d", names[e.Kind], e.Source, filepath.Base(e.Name), e.Offset)
		if e.Unread > 0 {
			fmt.Fprintf(&b, " unread %d", e.Unread)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}
