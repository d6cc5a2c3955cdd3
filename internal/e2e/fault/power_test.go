package fault

import (
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
			losePower(t, c.kind, c.few, c.many, func(s *setup, l *load) *account {
				return s.settleWith(l, law{marks: true}) // of plain TCP
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
			losePower(t, c.kind, c.few, c.many, func(s *setup, l *load) *account {
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
			losePower(t, c.kind, c.few, c.many, func(s *setup, l *load) *account {
				return s.settleWith(l, law{gaps: true, marks: true})
			}, "--durability", "memory")
		})
	}
}

// losePower loses it again and again, and settles now and then.
func losePower(t *testing.T, kind string, few, many int, settle func(*setup, *load) *account, args ...string) {
	random := chance(t)
	d := newImage(t, kind, 512)
	s := newSetup(t, d.folder("log"), args...)
	l := startLoad(t, s.addr, mix{relp: 3, plain: 1, programs: 5})
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
