package fault

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// changing are the system calls by which dalogd changes files.
var changing = []string{"openat", "mkdirat", "fallocate", "pwrite64", "pwritev", "pwritev2", "fdatasync", "fsync", "ftruncate", "renameat", "unlinkat"}

// traced makes s run dalogd under strace, which does something at the n-th such
// system call of a thread.
func (s *setup) traced(call, inject, when string) {
	s.wrap = []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:%s:when=%s", call, inject, when)}
}

// dalogd is killed at the n-th system call of each kind that changes files.
func TestKillAtSyscall(t *testing.T) {
	t.Parallel()
	need(t, "strace")
	random := chance(t)
	s := newSetup(t, filepath.Join(memoryFolder(t), "log"), "--rotate-size", "64KiB", "--keep-age", "0", "--keep-bytes", "0")
	l := startLoad(t, s.addr, mix{relp: 3, plain: 1, programs: 5})
	type point struct {
		call string
		n    int
	}
	var points []point
	for _, call := range changing {
		for n := 1; n <= rounds(4, 60); n++ {
			points = append(points, point{call, n})
		}
	}
	random.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	points = points[:rounds(14, len(points))]
	hits, tried := map[string]int{}, 0
	for i := range repeat(t, len(points), len(points)) {
		p := points[i]
		tried++
		s.traced(p.call, "signal=KILL", fmt.Sprint(p.n))
		d := s.start()
		begun := l.acked()
		within(3*time.Second, func() bool { return d.Ended() || l.acked() >= begun+2000 })
		if d.Ended() {
			hits[p.call]++
			d.examine()
		} else { // there are no more of these calls
			d.kill()
		}
	}
	s.wrap = nil
	a := s.settle(l)
	var by []string
	total := 0
	for call, n := range hits {
		by = append(by, fmt.Sprintf("%s %d", call, n))
		total += n
	}
	sort.Strings(by)
	require.NotZero(t, total, "no point was reached")
	requireContiguous(t, s.dir)
	t.Logf("killed at %d of %d points (%s), lines acknowledged %d: %s", total, tried, strings.Join(by, ", "), l.acked(), a)
}

// When the disk fails to sync, nothing that depends on it is acknowledged: dalogd
// ends, and what was acknowledged before survives the loss of power.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	need(t, "strace")
	for _, c := range []struct{ name, when string }{{"once", "%d"}, {"from then on", "%d+"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			random := chance(t)
			d := newImage(t, "ext4", 512)
			s := newSetup(t, d.folder("log"))
			l := startLoad(t, s.addr, mix{relp: 3, programs: 5})
			s.run().stop() // the folder is there: what is opened first does not matter here
			codes := map[int]int{}
			for range repeat(t, 4, 200) {
				s.traced("fdatasync", "error=EIO", fmt.Sprintf(c.when, 1+random.IntN(20)))
				p := s.start()
				begun := l.acked()
				within(5*time.Second, func() bool { return p.Ended() || l.acked() >= begun+5000 })
				if p.Ended() {
					p.examine()
					code := p.Wait()
					require.Contains(t, []int{exitFolder, exitDisk}, code, "exit code\n%s", &p.output)
					require.Contains(t, p.output.String(), "input/output error")
					codes[code]++
				} else { // no thread has synced that often
					p.kill()
					codes[0]++
				}
				d.losePower()
			}
			require.NotZero(t, codes[exitDisk], "it never happened at work")
			s.wrap = nil
			a := s.settle(l)
			t.Logf("%s: %d runs ended while working, %d while starting, %d went on; lines acknowledged %d: %s", c.name, codes[exitDisk], codes[exitFolder], codes[0], l.acked(), a)
		})
	}
}

// The same with so many files that they are synced by one call: where there is
// something to recover when dalogd starts, and otherwise by a checkpoint.
func TestSyncOfManyFails(t *testing.T) {
	t.Parallel()
	need(t, "strace")
	random := chance(t)
	d := newImage(t, "ext4", 4096) // what all rounds store has room
	s := newSetup(t, d.folder("log"))
	l := startLoad(t, s.addr, mix{relp: 3, programs: 90})
	eventually(t, "all files to be there", func() bool {
		p := s.run()
		l.waitProgress(100)
		p.kill()
		return len(files(t, s.dir)) > 90
	})
	codes := map[int]int{}
	for i := range repeat(t, 2, 40) {
		s.traced("syncfs", "error=EIO", "1")
		p := s.start()
		eventually(t, "the end", p.Ended)
		p.examine()
		code := p.Wait()
		require.Contains(t, []int{exitFolder, exitDisk}, code, "exit code\n%s", &p.output)
		codes[code]++
		require.Contains(t, p.output.String(), "syncfs")
		require.Contains(t, p.output.String(), "input/output error")
		if random.IntN(2) == 0 {
			d.losePower()
		}
		s.wrap = nil
		p = s.run() // adds to many files again
		l.waitProgress(200)
		if i%2 == 0 {
			p.stop()
		} else {
			p.kill()
		}
	}
	s.wrap = nil
	a := s.settle(l)
	require.NotZero(t, codes[exitDisk], "it never happened at work")
	t.Logf("%d runs ended while working, %d while starting; lines acknowledged %d: %s", codes[exitDisk], codes[exitFolder], l.acked(), a)
}

// Exit codes of dalogd.
const (
	exitFolder = 5
	exitDisk   = 70
)
