package tail

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each case is what happens to app.log between looks, and the lines that must
// come of it.
func TestRotation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		run  func(r *rig)
	}{
		{"renamed, new file", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "app.log.1")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"renamed, new file later", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.look()
			r.append("app.log", "b\n")
			r.look()
			r.want("a", "b")
		}},
		{"renamed, written on before the new file", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.append("app.log", "")
			r.look()
			r.append("app.log.1", "b\n")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"renamed, written on after the new file", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.append("app.log", "b\n")
			r.look()
			r.append("app.log.1", "late\n")
			r.look()
			r.want("a", "b", "late")
		}},
		{"written on while the new file is about to be read", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.append("app.log", "")
			r.look()
			r.append("app.log", "b\n")
			r.step(time.Second)
			r.append("app.log.1", "late\n")
			r.append("app.log", "after late\n")
			r.read()
			r.want("a", "late", "b", "after late")
		}},
		{"an older file shows later", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.2")
			r.append("app.log", "b\n")
			r.rename("app.log", "unseen")
			r.tailer.tick = time.Second // the folder has just changed, however long that takes here
			r.append("app.log", "c\n")
			r.step(time.Second)
			r.rename("unseen", "app.log.1")
			r.step(time.Second)
			r.read()
			r.want("a", "b", "c")
		}},
		{"three renames between two looks", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			for i := range 3 {
				for n := i; n > 0; n-- {
					r.rename(fmt.Sprint("app.log.", n), fmt.Sprint("app.log.", n+1))
				}
				r.rename("app.log", "app.log.1")
				r.append("app.log", fmt.Sprintf("c%d\n", i))
			}
			r.look()
			r.want("a", "b", "c0", "c1", "c2")
		}},
		{"two renames by date between two looks", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log-20261122")
			r.append("app.log", "b\n")
			r.rename("app.log", "app.log-20261123")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"two renames before the extension between two looks", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app-2026-11-22T10-00-00.000.log")
			r.append("app.log", "b\n")
			r.rename("app.log", "app-2026-11-22T11-00-00.000.log")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"came and went while the path was empty", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.look()
			r.rename("app.log.1", "app.log.2")
			r.append("app.log", "b\n")
			r.rename("app.log", "app.log.1")
			r.look()
			r.want("a", "b")
		}},
		{"renamed to an unusual name", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "old")
			r.look()
			r.append("old", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"renamed back", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.look()
			r.rename("app.log.1", "app.log")
			r.append("app.log", "b\n")
			r.look()
			r.want("a", "b")
		}},
		{"deleted while it is open", func(r *rig) {
			r.append("app.log", "a\n")
			r.step(time.Second)
			r.append("app.log", "b\n")
			r.remove("app.log")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"replaced by another file", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("new", "b\n")
			r.rename("new", "app.log")
			r.look()
			r.want("a", "b")
		}},
		{"truncated, shorter", func(r *rig) {
			r.append("app.log", "aaaa\n")
			r.look()
			r.truncate("app.log")
			r.append("app.log", "b\n")
			r.look()
			r.want("aaaa", "b")
			assert.Equal(r.t, 1, r.saw(FileTruncated))
		}},
		{"truncated and longer than before", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.truncate("app.log")
			r.append("app.log", "bb\ncc\n")
			r.look()
			r.want("a", "bb", "cc")
		}},
		{"truncated and longer than before, the same bytes before the offset", func(r *rig) {
			same := strings.Repeat("x", 3000) + "\n"
			r.append("app.log", "a "+same)
			r.look()
			r.truncate("app.log")
			r.append("app.log", "b "+same+"c\n")
			r.look()
			r.want("a "+same[:3000], "b "+same[:3000], "c")
		}},
		{"truncated twice", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.truncate("app.log")
			r.append("app.log", "bb\n")
			r.look()
			r.truncate("app.log")
			r.append("app.log", "cccc\n")
			r.look()
			r.want("a", "bb", "cccc")
		}},
		{"truncated under a writer that does not append", func(r *rig) {
			f, err := os.Create(r.path("app.log"))
			require.NoError(r.t, err)
			defer f.Close()
			fmt.Fprint(f, numbered(0, 5000))
			r.look()
			r.want(numberedLines(0, 5000)...)
			r.truncate("app.log")
			fmt.Fprint(f, "after\n") // at the old offset, behind a hole
			r.look()
			r.want("after")
		}},
		{"copied and truncated, all read", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "b\n")
			r.look()
			r.want("a", "b")
		}},
		{"copied and truncated, the end unread", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
			assert.Equal(r.t, 1, r.saw(CopyFound))
		}},
		{"copied, looked at, truncated, the end unread", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.step(time.Second)
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"copied half, looked at, copied, truncated", func(r *rig) {
			r.append("app.log", numbered(0, 100))
			r.look()
			r.append("app.log.1", numbered(0, 50))
			r.look()
			r.append("app.log", numbered(100, 110))
			r.append("app.log.1", numbered(50, 110))
			r.truncate("app.log")
			r.append("app.log", numbered(110, 120))
			r.look()
			r.want(numberedLines(0, 120)...)
		}},
		{"copied and truncated, nothing read", func(r *rig) {
			r.append("app.log", "")
			r.look()
			r.rest()
			r.look()
			r.append("app.log", "a\nb\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"copied and truncated, nothing read though looked at", func(r *rig) {
			r.append("app.log", "a\nb\n")
			r.step(time.Second)
			r.rest()
			r.step(time.Second)
			r.copy("app.log", "app.log.1")
			r.step(time.Second)
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.step(time.Second)
			r.look()
			r.want("a", "b", "c")
		}},
		{"copied and truncated twice, the ends unread", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.look()
			r.append("app.log", "c\n")
			r.look()
			r.append("app.log", "d\n")
			r.rename("app.log.1", "app.log.2")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "e\n")
			r.look()
			r.want("a", "b", "c", "d", "e")
		}},
		{"copied, written to and read, truncated", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.copy("app.log", "app.log.1")
			r.append("app.log", "in between\n")
			r.look() // reads on; nothing is known of the copy
			r.want("a", "in between")
			r.truncate("app.log")
			r.append("app.log", "b\n")
			r.look()
			r.want("b")
		}},
		{"copied unseen, written to and read, truncated", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "in between\n")
			r.step(time.Second)
			r.read()
			require.NoError(r.t, os.WriteFile(r.path("app.log.1"), []byte("a\n"), 0o600))
			r.truncate("app.log")
			r.append("app.log", "b\n")
			r.look()
			r.want("a", "in between", "b")
			r.append("app.log", "c\n")
			r.rename("app.log.1", "app.log.2")
			r.pack("app.log.2")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "d\n")
			r.look()
			r.want("c", "d")
		}},
		{"copied and kept", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rest()
			r.look()
			r.copy("app.log", "app.log.1")
			r.look()
			r.append("app.log", "b\n")
			r.look()
			r.rename("app.log.1", "app.log.2")
			r.rename("app.log", "app.log.1")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"another file under a rotated name", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rest()
			r.look()
			r.append("app.log.7", "not ours\n")
			r.look()
			r.append("app.log", "b\n")
			r.look()
			r.want("a", "b")
		}},
		{"compressed files are left alone", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.append("app.log", "b\n")
			r.append("app.log.1.gz", "x\n")
			r.look()
			r.remove("app.log.1")
			r.append("app.log.2.gz", "x\n")
			r.look()
			r.want("a", "b")
		}},
		{"removed and made again, over and over", func(r *rig) {
			var want []string
			for i := range 50 {
				line := fmt.Sprint("generation ", i)
				r.append("app.log", line+"\n")
				want = append(want, line)
				r.step(time.Second)
				r.read()
				r.remove("app.log")
			}
			r.look()
			r.want(want...)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(tempRig(t, Config{}, "app.log"))
		})
	}
}

// What is there at the very first look, and what is found after a restart.
func TestStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cfg  Config
		run  func(r *rig)
	}{
		{"existing rotated files are left alone", Config{}, func(r *rig) {
			r.append("app.log.1", "old\n")
			r.append("app.log", "a\n")
			r.look()
			r.want("a")
			r.rename("app.log.1", "app.log.2")
			r.rename("app.log", "app.log.1")
			r.append("app.log", "b\n")
			r.look()
			r.restart()
			r.look()
			r.want("b")
		}},
		{"existing rotated files without the file", Config{}, func(r *rig) {
			r.append("app.log.1", "old\n")
			r.look()
			r.append("app.log", "a\n")
			r.look()
			r.want("a")
		}},
		{"from the end", Config{FromEnd: true}, func(r *rig) {
			r.append("app.log", "old\nold too\npart")
			r.look()
			r.want()
			r.append("app.log", "ial\nnew\n")
			r.look()
			r.want("partial", "new")
			r.rename("app.log", "app.log.1")
			r.append("app.log", "next\n")
			r.look()
			r.want("next")
		}},
		{"from the end, files that come later", Config{FromEnd: true}, func(r *rig) {
			r.look()
			r.append("app.log", "a\n")
			r.look()
			r.want("a")
		}},
		{"goes on where it was", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\npart")
			r.restart()
			r.look()
			r.append("app.log", "ial\n")
			r.look()
			r.want("a", "b", "partial")
			assert.Equal(r.t, 1, r.saw(FileResumed))
		}},
		{"what was not confirmed comes again", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.lazy = true
			r.append("app.log", "b\n")
			r.look()
			r.restart()
			r.lazy = false
			r.look()
			r.want("a", "b", "b")
		}},
		{"renamed while away", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "app.log.1")
			r.append("app.log", "c\n")
			r.restart()
			r.look()
			r.append("app.log.1", "late\n")
			r.look()
			r.want("a", "b", "c", "late")
		}},
		{"renamed while away to an unusual name", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "before-the-upgrade")
			r.append("app.log", "c\n")
			r.restart()
			r.look()
			r.want("a", "b", "c")
		}},
		{"renamed three times while away", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			for i := range 3 {
				for n := i; n > 0; n-- {
					r.rename(fmt.Sprint("app.log.", n), fmt.Sprint("app.log.", n+1))
				}
				r.rename("app.log", "app.log.1")
				r.append("app.log", fmt.Sprintf("c%d\n", i))
			}
			r.restart()
			r.look()
			r.want("a", "b", "c0", "c1", "c2")
		}},
		{"renamed while away and no new file", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "app.log.1")
			r.restart()
			r.look()
			r.want("a", "b")
		}},
		{"deleted and made again while away", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.remove("app.log")
			r.append("app.log", "a\nb\n")
			r.restart()
			r.look()
			r.want("a", "a", "b")
		}},
		{"truncated while away, longer than before", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.truncate("app.log")
			r.append("app.log", "bbb\nccc\n")
			r.restart()
			r.look()
			r.want("a", "bbb", "ccc")
		}},
		{"copied and truncated while away", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.restart()
			r.look()
			r.want("a", "b", "c")
		}},
		{"copied and truncated twice while away", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.rename("app.log.1", "app.log.2")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "d\n")
			r.restart()
			r.look()
			r.want("a", "b", "c", "d")
		}},
		{"restarted in the middle of a copy", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			for range 3 {
				r.step(time.Second) // the copy is known now, and not yet read
			}
			r.restart()
			r.look()
			r.want("a", "b", "c")
		}},
		{"a rotated file goes on growing while away", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.append("app.log", "b\n")
			r.look()
			r.step(2 * time.Minute)
			r.step(time.Second)
			require.Equal(r.t, 1, r.saw(FileClosed))
			r.append("app.log.1", "late\n")
			r.restart()
			r.look()
			r.want("a", "b", "late")
		}},
		{"nothing has changed", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.append("app.log", "b\n")
			r.look()
			r.want("a", "b")
			for range 3 {
				r.restart()
				r.look()
			}
			r.want()
		}},
		{"memory gone: everything again", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.memory = newMemory()
			r.cfg.Memory = r.memory
			r.restart()
			r.look()
			r.want("a", "a")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(tempRig(t, c.cfg, "app.log"))
		})
	}
}

// A file deleted and made anew often gets the inode of the old one back. Heads
// are alike, too.
func TestInodeReuse(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	head := strings.Repeat("same head ", 200) + "\n"
	for i := range 200 {
		r.append("app.log", head+fmt.Sprintf("generation %d\n", i))
		r.look()
		require.Len(t, r.lines, 2, "generation %d", i)
		require.Equal(t, fmt.Sprint("generation ", i), r.lines[1])
		r.lines = nil
		r.remove("app.log")
		if i%3 == 0 {
			r.restart()
		}
		if i%5 == 0 { // so that the inode is free
			r.step(2 * time.Minute)
			r.step(time.Second)
		}
	}
}

// Files that were deleted and are not delivered are given up when they take more
// room than they may, the oldest first.
func TestHoldsDeletedWithinALimit(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{HoldDeleted: 2500}, "app.log")
	r.lazy = true
	for i := range 4 {
		r.append("app.log", fmt.Sprintf("%d %s\n", i, strings.Repeat("x", 997)))
		r.step(time.Second)
		r.remove("app.log")
		r.step(time.Second)
	}
	r.step(time.Second)
	assert.Equal(t, 2, r.saw(FileGivenUp))
	assert.EqualValues(t, 2000, r.tailer.status().Held)
	r.read()
	require.Len(t, r.lines, 2)
	assert.Equal(t, "2", r.lines[0][:1])
	assert.Len(t, r.memory.sources, 2)
}
