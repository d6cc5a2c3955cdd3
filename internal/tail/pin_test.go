package tail

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// With a second name in a folder of its own, what is deleted while nobody looks is
// read to its end.
func TestPin(t *testing.T) {
	t.Parallel()
	left := func(r *rig) int {
		names, err := os.ReadDir(r.path("pins"))
		if os.IsNotExist(err) {
			return 0
		}
		require.NoError(r.t, err)
		return len(names)
	}
	for _, c := range []struct {
		name string
		run  func(r *rig)
	}{
		{"deleted while away", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.remove("app.log")
			r.append("app.log", "c\n")
			r.restart()
			r.look()
			r.want("a", "b", "c")
			assert.Zero(r.t, r.saw(FileLost))
			assert.Equal(r.t, 2, left(r))
			r.step(2 * time.Minute)
			r.step(time.Second)
			assert.Equal(r.t, 1, left(r))
			assert.Len(r.t, r.memory.sources, 1)
		}},
		{"renamed twice and deleted while away, a new file each time", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.append("app.log", "b\n")
			r.look()
			r.append("app.log.1", "late\n")
			r.append("app.log", "c\n")
			r.remove("app.log.1")
			r.remove("app.log")
			r.append("app.log", "d\n")
			r.restart()
			r.look()
			r.want("a", "b", "late", "c", "d")
		}},
		{"deleted while it is followed", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.remove("app.log")
			r.look()
			r.want("a", "b")
			assert.Equal(r.t, 1, r.saw(FileRotated))
			r.step(2 * time.Minute)
			r.step(time.Second)
			assert.Equal(r.t, 1, r.saw(FileClosed))
			assert.Zero(r.t, left(r))
			assert.Empty(r.t, r.memory.sources)
		}},
		{"deleted and not confirmed, within a limit", func(r *rig) {
			r.cfg.HoldDeleted = 3
			r.restart()
			r.lazy = true
			r.append("app.log", "a\n")
			r.look()
			r.remove("app.log")
			r.append("app.log", "b\n")
			r.look()
			r.remove("app.log")
			r.restart()
			r.step(time.Second)
			r.step(time.Second)
			assert.Equal(r.t, 1, r.saw(FileGivenUp))
			assert.Equal(r.t, 1, left(r))
		}},
		{"copied and truncated while away", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.restart()
			r.look()
			r.want("a", "b", "c")
			assert.Equal(r.t, 2, left(r))
			r.append("app.log.1", "late\n")
			r.remove("app.log.1")
			r.restart()
			r.look()
			r.want("late")
		}},
		{"not wanted any more", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.remove("app.log")
			r.append("app.log", "c\n")
			r.cfg.Pin = false
			r.restart()
			r.look()
			r.want("a", "b", "c")
			r.step(2 * time.Minute)
			r.step(time.Second)
			assert.Zero(r.t, left(r))
			r.append("app.log", "d\n")
			r.restart()
			r.look()
			r.want("d")
			assert.Zero(r.t, left(r))
		}},
		{"left of a source that is forgotten", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			require.NoError(r.t, os.Link(r.path("app.log"), r.path("pins/0123")))
			r.restart()
			assert.Equal(r.t, 1, left(r))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := newRig(t, dir, Config{Pin: true, PinDir: filepath.Join(dir, "pins")}, "app.log")
			t.Cleanup(func() { r.tailer.Close() })
			c.run(r)
		})
	}
}

// A folder on another file system is told once, and does not matter otherwise.
func TestPinElsewhere(t *testing.T) {
	t.Parallel()
	other, err := os.MkdirTemp("/dev/shm", "dalog-pins-")
	if err != nil {
		peers.Lacking(t, err)
	}
	defer os.RemoveAll(other)
	r := tempRig(t, Config{Pin: true, PinDir: filepath.Join(other, "pins")}, "app.log")
	for _, line := range []string{"a", "b"} {
		r.append("app.log", line+"\n")
		r.look()
		r.rename("app.log", "app.log."+line)
	}
	r.want("a", "b")
	assert.Equal(t, 1, r.saw(PinFailed))
}
