package fault

import (
	"os"
	"strings"
	"testing"
	"time"
)

// The machine loses power under load: what was acknowledged is there afterwards.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind      string
		few, many int
	}{{"ext4", 12, 2000}, {"xfs", 6, 500}} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			losePower(t, c.kind, 5, c.few, c.many, func(s *setup, l *load) *account {
				return s.settleWith(l, law{marks: true}) // of plain TCP
			})
		})
	}
}

// So many files that they are made durable by one sync of the file system.
func TestPowerLossOfManyFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind      string
		few, many int
	}{{"ext4", 5, 500}, {"xfs", 3, 200}} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			losePower(t, c.kind, 90, c.few, c.many, func(s *setup, l *load) *account {
				return s.settleWith(l, law{marks: true})
			})
		})
	}
}

// Files are closed and compressed when the power fails.
func TestPowerLossWhileRotating(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind      string
		few, many int
	}{{"ext4", 10, 500}, {"xfs", 5, 200}} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			losePower(t, c.kind, 5, c.few, c.many, func(s *setup, l *load) *account {
				a := s.settleWith(l, law{marks: true})
				requireContiguous(t, s.dir)
				return a
			}, "--rotate-size", "16KiB", "--keep-age", "0", "--keep-bytes", "0")
		})
	}
}

// Without syncing, the loss of power may cost what was acknowledged, but neither
// the start nor any line's integrity.
func TestPowerLossInMemoryMode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind      string
		few, many int
	}{{"ext4", 6, 500}, {"xfs", 3, 100}} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			losePower(t, c.kind, 5, c.few, c.many, func(s *setup, l *load) *account {
				return s.settleWith(l, law{gaps: true, marks: true})
			}, "--durability", "memory")
		})
	}
}

// losePower loses it again and again, and settles now and then.
func losePower(t *testing.T, kind string, programs, few, many int, settle func(*setup, *load) *account, args ...string) {
	random := chance(t)
	d := newImage(t, kind, 512)
	s := newSetup(t, d.folder("log"), args...)
	l := startLoad(t, s.addr, mix{relp: 3, plain: 1, programs: programs})
	n := 0
	for i := range repeat(t, few, many) {
		p := s.run()
		l.waitProgress(1)
		time.Sleep(time.Duration(random.IntN(30_000)) * time.Microsecond)
		p.kill()
		writeSome(t, random, s.dir)
		d.losePower()
		if n++; i%100 == 99 {
			settle(s, l)
		}
	}
	a := settle(s, l)
	t.Logf("%s: power lost %d times, lines sent %d, acknowledged %d: %s", kind, n, l.sent(), l.acked(), a)
}

// The machine of dalogd loses power while three dalogfwd deliver files. Whatever
// dalogd remembers of them then, they go on from there: each line is there once, in
// order, and nothing else.
func TestPowerLossUnderForwarders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, durability string
		few, many        int
	}{{"ext4", "memory", 3, 300}, {"xfs", "memory", 1, 100}, {"ext4", "sync", 1, 200}} {
		t.Run(c.kind+" "+c.durability, func(t *testing.T) {
			t.Parallel()
			random := chance(t)
			disk := newImage(t, c.kind, 512)
			l := newCluster(t, 3, 3, "--durability", c.durability, "--rotate-size", "256KiB")
			l.dir = disk.folder("log")
			l.work(random)
			for _, s := range l.servers {
				s.start()
			}
			n := 0
			for range repeat(t, c.few, c.many) {
				d := l.run()
				before := sizes(t, l.dir)
				eventually(t, "something to be stored", func() bool {
					for name, size := range sizes(t, l.dir) {
						if size > before[name] {
							return true
						}
					}
					return false
				})
				time.Sleep(time.Duration(random.IntN(30_000)) * time.Microsecond)
				d.kill()
				writeSome(t, random, l.dir)
				disk.losePower()
				n++
			}
			t.Logf("%s, %s: power lost %d times, lines %d in %d files: 0 lost, 0 duplicated, in order", c.kind, c.durability, n, l.settle(), 3*3)
		})
	}
}

// sizes are those of the log files and parts in a folder, without those that are
// compressed: the folder may become smaller while lines are added.
func sizes(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	for _, name := range files(t, dir) {
		info, err := os.Stat(name)
		if err == nil && !isState(strings.TrimPrefix(name, dir+"/")) && !strings.HasSuffix(name, ".zst") {
			sizes[name] = info.Size()
		}
	}
	return sizes
}
