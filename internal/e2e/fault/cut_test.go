package fault

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Connections are cut after any number of bytes, to the server or back, closed or
// reset; some are cut for dalogfwd only, and what was on its way reaches dalogd
// later, beside the next session.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	random := chance(t)
	c := newCluster(t, 2, 5)
	d := c.run()
	var proxies []*proxy
	for _, s := range c.servers {
		p := newProxy(t, c.addr, rand.New(rand.NewPCG(random.Uint64(), 1)), unharmed)
		proxies = append(proxies, p)
		s.addr = p.addr
	}
	d.stop()
	c.work(random)
	d = c.run()
	for _, p := range proxies {
		n := 0
		p.set(func(r *rand.Rand) fate {
			n++
			f := fate{up: -1, down: -1, rst: r.IntN(2) == 0}
			limit := 1 + n%400 // each byte of the first frames in turn
			if r.IntN(2) == 0 {
				limit = 1 + r.IntN(20_000)
			}
			switch r.IntN(6) {
			default: // after a batch of up to 256 KiB has been delivered, so that there is no long wait
				f.up = 20_000 + r.IntN(600_000)
			case 0:
				f.down = 1 + r.IntN(300)
			case 1:
				f.up = limit
			case 2, 3:
				f.up = limit
				f.late = time.Duration(r.IntN(100)) * time.Millisecond
			}
			return f
		})
	}
	for _, s := range c.servers {
		s.start()
	}
	goal := rounds(40, 1000)
	eventuallyWithin(t, 10*time.Minute, "connections to be cut", func() bool { return proxies[0].count()+proxies[1].count() >= goal })
	cuts, late := 0, 0
	for _, p := range proxies {
		p.set(unharmed)
		cuts += p.count()
		late += p.late
	}
	for _, s := range c.servers {
		s.kill()
	}
	d.stop()
	lines := c.settle()
	t.Logf("cuts %d, of them with late bytes %d, lines %d: 0 lost, 0 duplicated, in order", cuts, late, lines)
	require.Positive(t, late)
}

// Either side stands still for a while, and goes on as if nothing had been.
func TestPauses(t *testing.T) {
	t.Parallel()
	random := chance(t)
	c := newCluster(t, 2, 5)
	c.work(random)
	d := c.run()
	for _, s := range c.servers {
		s.start()
	}
	pause := time.Second
	if *full {
		pause = 5 * time.Second
	}
	for round := range rounds(2, 20) {
		p := d.Process
		if round%2 == 1 {
			p = c.servers[random.IntN(2)].fwd
		}
		require.NoError(t, p.Signal(syscall.SIGSTOP))
		time.Sleep(pause)
		require.NoError(t, p.Signal(syscall.SIGCONT))
		time.Sleep(100 * time.Millisecond)
	}
	for _, s := range c.servers {
		s.stop()
	}
	d.stop()
	t.Logf("lines %d: 0 lost, 0 duplicated, in order", c.settle())
}

func eventuallyWithin(t *testing.T, limit time.Duration, what string, reached func() bool) {
	t.Helper()
	if !within(limit, reached) {
		t.Fatalf("waited %v in vain: %s", limit, what)
	}
}
