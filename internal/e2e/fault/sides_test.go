package fault

import (
	"testing"
	"time"
)

// Either side is killed again and again while three app servers write and rotate
// 50 files: each line is at the centre once, in order.
func TestKillEitherSide(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name          string
		server, agent bool
		few, many     int
	}{
		{"dalogd", true, false, 100, 10_000},
		{"dalogfwd", false, true, 100, 10_000},
		{"both", true, true, 100, 5_000},
	} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			random := chance(t)
			c := newCluster(t, 3, 17, "--rotate-size", "64KiB")
			c.work(random)
			var d *daemon
			kills := 0
			for kills < rounds(side.few, side.many) {
				if d == nil {
					d = c.start()
				}
				for _, s := range c.servers {
					if s.fwd == nil {
						s.start()
					}
				}
				time.Sleep(time.Duration(random.IntN(40_000)) * time.Microsecond)
				if side.server {
					d.kill()
					d = nil
					kills++
				}
				if side.agent {
					c.servers[random.IntN(len(c.servers))].kill()
					if !side.server {
						kills++
					}
				}
				if kills%500 == 0 {
					if d != nil {
						d.kill()
						d = nil
					}
					t.Logf("kills so far %d, lines %d", kills, c.settle())
				}
			}
			if d != nil {
				d.kill()
			}
			lines := c.settle()
			t.Logf("kills %d, lines %d in %d files: 0 lost, 0 duplicated, in order", kills, lines, 3*17)
		})
	}
}
