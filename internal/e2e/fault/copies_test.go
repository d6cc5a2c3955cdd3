package fault

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A log folder is copied, restored from older copies, with its state, without
// it, or with another one: dalogd starts, keeps what is there, and goes on.
func TestCopiedFolders(t *testing.T) {
	t.Parallel()
	root := memoryFolder(t)
	at := func(name string) string { return filepath.Join(root, name) }

	// A folder at two times of its life, and copies made at work.
	s := newSetup(t, at("original"))
	l := startLoad(t, s.addr, mix{relp: 2, programs: 3})
	d := s.run()
	l.waitProgress(500)
	copyFolder(t, s.dir, at("busy"), nil)
	l.hold()
	d.stop()
	copyFolder(t, s.dir, at("older"), nil)
	l.resume()
	d = s.run()
	l.waitProgress(500)
	l.hold()
	d.kill() // its own records are not all worked off
	copyFolder(t, s.dir, at("killed"), nil)
	d = s.run()
	d.stop()
	l.requireAll(s.dir)

	for _, c := range []struct {
		name    string
		make    func(t *testing.T, dir string)
		all     bool // everything that was acknowledged is there
		notable bool // dalogd has something to say
	}{
		{"whole copy", func(t *testing.T, dir string) { copyFolder(t, s.dir, dir, nil) }, true, false},
		{"copy of a killed one", func(t *testing.T, dir string) { copyFolder(t, at("killed"), dir, nil) }, true, false},
		{"without state", func(t *testing.T, dir string) { copyFolder(t, s.dir, dir, isState) }, true, false},
		{"killed, without state", func(t *testing.T, dir string) { copyFolder(t, at("killed"), dir, isState) }, false, false},
		{"older files, newer state", func(t *testing.T, dir string) {
			copyFolder(t, s.dir, dir, nil)
			copyFolder(t, at("older"), dir, isState)
		}, false, true},
		{"newer files, older state", func(t *testing.T, dir string) {
			copyFolder(t, at("older"), dir, nil)
			copyFolder(t, s.dir, dir, isState)
		}, true, true},
		{"newer files, state of a killed one", func(t *testing.T, dir string) {
			copyFolder(t, at("killed"), dir, nil)
			copyFolder(t, s.dir, dir, isState)
		}, true, false},
		{"older files, state of a killed one", func(t *testing.T, dir string) {
			copyFolder(t, at("killed"), dir, nil)
			copyFolder(t, at("older"), dir, isState)
		}, false, false},
		{"state without files", func(t *testing.T, dir string) {
			copyFolder(t, s.dir, dir, func(name string) bool { return strings.HasSuffix(name, ".log") })
		}, false, true},
		{"one file older", func(t *testing.T, dir string) {
			copyFolder(t, s.dir, dir, nil)
			require.NoError(t, copyFile(filepath.Join(at("older"), "p01.log"), filepath.Join(dir, "p01.log")))
		}, false, true},
		{"one file gone", func(t *testing.T, dir string) {
			copyFolder(t, s.dir, dir, func(name string) bool { return name == "p01.log" })
		}, false, true},
		{"copied at work", func(t *testing.T, dir string) { copyFolder(t, at("busy"), dir, nil) }, false, false},
		{"copied at work, without state", func(t *testing.T, dir string) { copyFolder(t, at("busy"), dir, isState) }, false, false},
		{"older copy restored in place", func(t *testing.T, dir string) {
			restore(t, live(t, dir), dir)
		}, false, false},
		{"older files restored in place", func(t *testing.T, dir string) {
			copyFolder(t, live(t, dir), dir, isState)
		}, false, true},
		{"older state restored in place", func(t *testing.T, dir string) {
			copyFolder(t, live(t, dir), dir, func(name string) bool { return name != "." && !isState(name) })
		}, false, false}, // the newer segments of the write-ahead log are still there
		{"checkpoint gone", func(t *testing.T, dir string) {
			copyFolder(t, s.dir, dir, func(name string) bool { return strings.HasPrefix(name, ".dalogd/state.ckpt") })
		}, true, false},
		{"write-ahead log gone", func(t *testing.T, dir string) {
			copyFolder(t, s.dir, dir, func(name string) bool { return strings.HasPrefix(name, ".dalogd/wal") })
		}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(memoryFolder(t), "log")
			c.make(t, dir)
			before := texts(t, dir)
			s := newSetup(t, dir)
			d := s.run()
			more := startLoad(t, s.addr, mix{relp: 1, programs: 3, first: 10})
			more.waitProgress(50)
			more.hold()
			d.stop()
			t.Logf("%s", notable(d))
			if c.notable {
				require.NotEmpty(t, notable(d), "dalogd says nothing of it")
			}
			after := texts(t, dir)
			for program, text := range before {
				require.True(t, strings.HasPrefix(after[program], text), "%s.log does not begin with what was there", program)
			}
			more.require(dir, law{others: true})
			if c.all {
				old := &load{t: t, sources: l.sources}
				old.require(dir, law{others: true})
			}
			_, err := os.Stat(filepath.Join(dir, "p00.log"))
			require.NoError(t, err)
			// And once more: nothing is set aside again and again.
			d = s.run()
			d.stop()
			require.Equal(t, after, texts(t, dir), "a second start changes the files")
		})
	}
}

// live lets dalogd work in dir for a while, and returns a copy of the folder from
// the middle of that time.
func live(t *testing.T, dir string) (copied string) {
	t.Helper()
	copied = filepath.Join(memoryFolder(t), "copy")
	s := newSetup(t, dir)
	d := s.run()
	l := startLoad(t, s.addr, mix{relp: 2, programs: 3, first: 20})
	l.waitProgress(100)
	l.hold()
	d.stop()
	copyFolder(t, dir, copied, nil)
	l.resume()
	d = s.run()
	l.waitProgress(100)
	l.hold()
	d.stop()
	l.requireAll(dir)
	return copied
}

// notable are the lines of dalogd's own log above level INFO, or those that
// tell what the start found.
func notable(d *daemon) string {
	var b strings.Builder
	for line := range strings.Lines(d.output.String()) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			b.WriteString(line)
		}
	}
	return b.String()
}
