package fault

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Limits while a disk is full.
const (
	resumeWithin = 2 * time.Second // from the moment that there is room
	maxMemory    = 200 << 20       // bytes
)

// While the disk of the logs or of the state is full, nothing is acknowledged
// that is not stored; when there is room, work goes on by itself.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		make         func(t *testing.T) *disk
		logs, states bool // what lies on the disk; the rest has one of its own
	}{
		{"tmpfs", func(t *testing.T) *disk { return newTmpfs(t, "size=320m") }, true, true},
		{"ext4", func(t *testing.T) *disk { return newImage(t, "ext4", 320) }, true, true},
		{"logs only", func(t *testing.T) *disk { return newTmpfs(t, "size=64m") }, true, false},
		{"state only", func(t *testing.T) *disk { return newTmpfs(t, "size=320m") }, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			random := chance(t)
			d := c.make(t)
			s := newSetup(t, d.folder("log"))
			if !c.logs {
				s.dir = newTmpfs(t, "size=320m").folder("log")
			}
			if c.logs != c.states {
				s.state = d.folder("state")
				if !c.states {
					s.state = newTmpfs(t, "size=320m").folder("state")
				}
			}
			l := startLoad(t, s.addr, mix{relp: 3, programs: 5})
			p := s.run()
			l.waitProgress(100)
			n, longest, most := 0, time.Duration(0), int64(0)
			for i := range repeat(t, 3, 60) {
				n++
				free := d.fill()
				waitStall(t, l)
				if random.IntN(3) == 0 { // as long as it is full, a start may fail, but not harm
					p.kill()
					p = s.start()
					time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
				}
				free()
				if p.Ended() {
					p.examine()
					p = s.run()
				}
				if !p.waitReady() {
					p = s.run()
				}
				longest = max(longest, waitResume(t, l))
				require.False(t, p.Ended(), "dalogd has ended: %s", &p.output)
				memory, err := p.PeakMemory()
				require.NoError(t, err)
				most = max(most, memory)
				require.Less(t, memory, int64(maxMemory), "resident memory in round %d", i)
				require.NoError(t, os.RemoveAll(d.folder("ballast")))
			}
			l.hold()
			p.stop()
			a := l.requireAll(s.dir)
			t.Logf("%s: full %d times, resumed within %v, memory at most %d MiB, lines acknowledged %d: %s", c.name, n, longest.Round(time.Millisecond), most>>20, l.acked(), a)
		})
	}
}

// waitStall waits until nothing is acknowledged for a moment.
func waitStall(t *testing.T, l *load) {
	t.Helper()
	eventually(t, "the full disk to stop acknowledgements", func() bool {
		before := l.acked()
		time.Sleep(200 * time.Millisecond)
		return l.acked() == before
	})
}

// waitResume waits until something is acknowledged, and says how long it took.
func waitResume(t *testing.T, l *load) time.Duration {
	t.Helper()
	before, begin := l.acked(), time.Now()
	eventually(t, "acknowledgements", func() bool { return l.acked() > before })
	took := time.Since(begin)
	require.Less(t, took, resumeWithin)
	return took
}

// No file can be created: the lines that need one wait for it.
func TestNoInodes(t *testing.T) {
	t.Parallel()
	d := newTmpfs(t, "size=320m,nr_inodes=200")
	s := newSetup(t, d.folder("log"))
	p := s.run()
	for i := range repeat(t, 2, 20) {
		free := d.fillInodes()
		l := startLoad(t, s.addr, mix{relp: 2, programs: 3, prefix: fmt.Sprintf("q%d-", i)})
		waitStall(t, l)
		free()
		took := waitResume(t, l)
		require.False(t, p.Ended(), "dalogd has ended: %s", &p.output)
		l.hold()
		l.waitStored(s.dir)
		a := l.requireAll(s.dir)
		t.Logf("resumed within %v, lines acknowledged %d: %s", took.Round(time.Millisecond), l.acked(), a)
	}
	p.stop()
}
