package tail

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each case is what happens to app.log between looks, and the order in which the lines
// of its incarnations must come.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		run  func(r *rig)
	}{
		{"copied and truncated, the end unread, renamed, and another one made and renamed", func(r *rig) {
			r.append("app.log", "aaaa\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.shift()
			r.rest()
			r.append("app.log", "d\n")
			r.shift()
			r.append("app.log", "e\n")
			r.rest()
			r.look()
			r.want("aaaa", "b", "c", "d", "e")
		}},
		{"the same, and that one packed", func(r *rig) {
			r.append("app.log", "aaaa\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.shift()
			r.append("app.log", "d\n")
			r.shift()
			r.append("app.log", "e\n")
			r.shift()
			r.append("app.log", "f\n")
			r.append("app.log.2", "d late\n")
			r.later("app.log.2")
			r.pack("app.log.2")
			r.look()
			r.want("aaaa", "b", "c", "d", "d late", "e", "f")
		}},
		{"the same, and the first one packed", func(r *rig) {
			r.append("app.log", "aaaa\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.shift()
			r.append("app.log", "d\n")
			r.shift()
			r.pack("app.log.2")
			r.append("app.log", "e\n")
			r.rest()
			r.look()
			r.want("aaaa", "b", "c", "d", "e")
		}},
		{"the same, the file empty and packed", func(r *rig) {
			r.append("app.log", "aaaa\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.shift()
			r.pack("app.log.1")
			r.rename("app.log.2", "app.log.5")
			r.rename("app.log.1.gz", "app.log.4.gz")
			for n := 3; n > 0; n-- {
				r.append("app.log", fmt.Sprint("c", n, "\n"))
				r.rename("app.log", fmt.Sprint("app.log.", n))
				r.rest()
			}
			r.append("app.log", "d\n")
			r.pack("app.log.1")
			r.look()
			r.want("aaaa", "b", "c3", "c2", "c1", "d")
		}},
		{"copied and truncated, the copy given an unusual name while away", func(r *rig) {
			r.append("app.log", "aaaa\n")
			r.look()
			r.append("app.log", "b\n")
			r.rest() // the copy is younger
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			for range 3 {
				r.step(time.Second)
			}
			r.append("app.log", "d\n")
			r.rename("app.log.1", "old")
			r.restart()
			r.look()
			r.want("aaaa", "b", "c", "d")
		}},
		{"truncated, with another file made in the same tick", func(r *rig) {
			s := r.three()
			for _, s := range s {
				s.age = 1
			}
			r.append("app.log", "c more\n")
			r.truncate("app.log.1")
			r.append("app.log.1", "bb\n")
			r.step(time.Second)
			r.read()
			r.want("bb", "c more")
		}},
		{"emptied twice, and another file is read meanwhile", func(r *rig) {
			r.three()
			r.append("app.log", "c more\n")
			r.step(time.Second)
			r.rename("app.log.2", "app.log.3")
			r.append("app.log.2", "b, unseen\n") // copied
			r.truncate("app.log.1")
			r.append("app.log.1", "bb\n")
			time.Sleep(clockTick)
			r.tailer.cfg.Notify = func(e Event) {
				if r.events = append(r.events, e); e.Kind == FileMissed {
					r.read()
				}
			}
			r.look()
			r.want("b, unseen", "bb", "c more")
		}},
		{"renamed and packed, seen and not read, and another packed as bzip2 does", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "app.log.1")
			r.pack("app.log.1")
			r.step(time.Second)
			r.rename("app.log.1.gz", "app.log.2.gz")
			r.append("app.log", "c\n")
			require.NoError(r.t, os.Chtimes(r.path("app.log"), time.Time{}, time.Now().Truncate(time.Second)))
			r.rename("app.log", "app.log.1")
			r.pack("app.log.1")
			r.append("app.log", "d\n")
			r.look()
			r.want("a", "b", "c", "d")
		}},
		{"an empty older file shows later, and cannot be made durable", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.2")
			r.append("app.log", "")
			r.rename("app.log", "unseen")
			r.rest()
			r.tailer.tick = time.Second // the folder has just changed, however long that takes here
			r.append("app.log", "b\n")
			r.look()
			r.rename("unseen", "app.log.1")
			r.step(time.Second)
			r.memory.fail = errDisk
			r.append("app.log", "c\n")
			r.step(2 * time.Minute)
			r.step(time.Second)
			require.Equal(r.t, 1, r.saw(FileMissed))
			r.read()
			r.memory.fail = nil
			r.look()
			r.want("a", "b", "c")
		}},
		{"renamed to an unusual name while nobody looks, and another one made and packed", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.restart()
			r.append("app.log", "b\n")
			r.rename("app.log", "old")
			time.Sleep(clockTick)
			r.append("app.log", "c\n")
			r.shift()
			r.pack("app.log.1")
			r.append("app.log", "d\n")
			r.look()
			r.want("a", "b", "c", "d")
		}},
		{"copied and truncated twice, the copies packed, only the first one seen", func(r *rig) {
			r.append("app.log", "aaaa\n")
			r.look()
			r.copy("app.log", "app.log.1")
			r.pack("app.log.1")
			time.Sleep(clockTick)
			r.look()
			r.truncate("app.log")
			r.append("app.log", "bb\n")
			r.rename("app.log.1.gz", "app.log.2.gz")
			r.copy("app.log", "app.log.1")
			r.pack("app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			time.Sleep(clockTick)
			r.look()
			r.want("aaaa", "bb", "c")
		}},
		{"an old file emptied, and a packed one beside it that nobody has seen", func(r *rig) {
			r.append("app.log", "aaaa\n")
			r.look()
			r.shift()
			r.append("app.log", "b\n")
			r.look()
			time.Sleep(clockTick)
			r.look()
			r.want("aaaa", "b")
			r.rename("app.log.1", "app.log.2")
			r.append("app.log.1", "unseen\n")
			r.pack("app.log.1")
			r.truncate("app.log.2")
			r.append("app.log.2", "aa\n")
			time.Sleep(clockTick)
			r.look()
			r.want("aa", "unseen")
		}},
		{"an old file emptied, and another one beside it that nobody has seen", func(r *rig) {
			r.append("app.log", "aaaa\n")
			r.look()
			r.shift()
			r.append("app.log", "b\n")
			r.look()
			time.Sleep(clockTick)
			r.look()
			r.want("aaaa", "b")
			r.rename("app.log.1", "app.log.2")
			r.append("app.log.1", "unseen\n")
			r.truncate("app.log.2")
			r.append("app.log.2", "aa\n")
			time.Sleep(clockTick)
			r.look()
			r.want("aa", "unseen")
		}},
		{"three made between two looks, one of them packed as bzip2 does", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rest()
			for _, line := range []string{"b\n", "c\n", "d\n", "e\n"} {
				r.shift()
				r.append("app.log", line)
			}
			require.NoError(r.t, os.Chtimes(r.path("app.log.2"), time.Time{}, time.Now().Truncate(time.Second)))
			r.pack("app.log.2")
			r.look()
			r.want("a", "b", "c", "d", "e")
		}},
		{"written on after the new file was made, and packed", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.shift()
			r.append("app.log", "b\n")
			r.shift()
			r.rest()
			r.append("app.log", "c\n")
			time.Sleep(clockTick)
			r.append("app.log.1", "b late\n")
			r.later("app.log.1")
			r.pack("app.log.1")
			r.look()
			r.want("a", "b", "b late", "c")
		}},
		{"an empty file is gone after a restart, and two came, one of them packed", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.shift()
			r.append("app.log", "")
			r.look()
			r.remove("app.log")
			r.rest()
			r.append("app.log", "b\n")
			r.look()
			r.restart()
			r.look()
			r.append("app.log", "c\n")
			r.shift()
			r.rest()
			r.append("app.log", "d\n")
			r.shift()
			r.rest()
			r.append("app.log", "e\n")
			r.shift()
			r.append("app.log", "f\n")
			r.pack("app.log.2")
			r.look()
			r.want("a", "b", "c", "d", "e", "f")
		}},
		{"truncated and renamed between the look at the file and that at its path", func(r *rig) {
			r.append("app.log", "aaaa\n")
			r.look()
			r.tailer.looked = func(*Source) {
				r.tailer.looked = nil
				r.truncate("app.log")
				r.append("app.log", "c\n")
				r.shift()
				r.append("app.log", "d\n")
			}
			r.look()
			r.want("aaaa", "c", "d")
		}},
		{"written to an old file while one between waits for nothing", func(r *rig) {
			s := r.three()
			r.append("app.log.2", "a late\n") // nobody looks there for a while
			r.tailer.Park(s[1])
			r.append("app.log", "c more\n")
			r.step(3 * fastLook)
			r.readSome(1) // the last file is asked for, and waits
			r.tailer.LetGo(s[1])
			r.read()
			r.want("a late", "c more")
		}},
		{"an old file that is written to again and again, and a long line", func(r *rig) {
			s := r.three()
			long := strings.Repeat("x", quantum+1)
			r.tailer.Park(s[0])
			r.append("app.log", long+"\n")
			r.step(3 * fastLook)
			r.read()
			r.append("app.log.2", "a late\n")
			r.tailer.LetGo(s[0])
			r.readSome(1)
			r.append("app.log.2", "a later\n")
			r.read()
			r.step(time.Second)
			r.read()
			r.want("a late", long, "a later")
		}},
		{"copied, truncated and written to while it waits for an older one", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			s := r.tailer.Following()
			r.shift()
			r.tailer.Park(s[0])
			r.append("app.log", "b\nc\n")
			r.look()
			r.want("a")
			r.rename("app.log.1", "app.log.2")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "ddd\neee\n")
			r.tailer.LetGo(s[0])
			r.read()
			r.look()
			r.want("b", "c", "ddd", "eee")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(tempRig(t, Config{TempDir: t.TempDir()}, "app.log"))
		})
	}
}

// shift renames app.log to app.log.1, as logrotate does, and those before likewise.
func (r *rig) shift() {
	r.t.Helper()
	name := func(n int) string {
		if n == 0 {
			return "app.log"
		}
		return fmt.Sprint("app.log.", n)
	}
	last := 0
	for ; r.exists(name(last + 1)); last++ {
	}
	for n := last; n >= 0; n-- {
		if r.exists(name(n)) {
			r.rename(name(n), name(n+1))
		}
	}
}

// later makes the file's time of modification later than all that were made so far.
func (r *rig) later(name string) {
	r.t.Helper()
	require.NoError(r.t, os.Chtimes(r.path(name), time.Time{}, time.Now().Add(time.Second)))
}

func (r *rig) exists(name string) bool {
	_, err := os.Stat(r.path(name))
	return err == nil
}

// three has app.log.2, app.log.1 and app.log followed, all read, and only the last one
// is looked at often. It gives their sources, the oldest first.
func (r *rig) three() []*Source {
	r.append("app.log", "a\n")
	r.look()
	r.shift()
	r.append("app.log", "bbbb\n")
	r.look()
	r.shift()
	r.append("app.log", "c\n")
	r.look()
	r.rest()
	r.look()
	r.look()
	r.append("app.log", "busy\n")
	r.step(time.Second)
	r.read()
	r.want("a", "bbbb", "c", "busy")
	s := r.tailer.Following()
	require.Len(r.t, s, 3)
	return s
}
