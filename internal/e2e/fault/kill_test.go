package fault

import (
	"path/filepath"
	"testing"
	"time"
)

// dalogd is killed again and again under load, at any moment of its work and of
// its recovery.
func TestKill(t *testing.T) {
	t.Parallel()
	random := chance(t)
	s := newSetup(t, filepath.Join(memoryFolder(t), "log"))
	l := startLoad(t, s.addr, mix{relp: 3, plain: 1, programs: 5})
	kills, early := 0, 0
	for range repeat(t, 25, 1500) {
		d := s.start()
		switch random.IntN(4) {
		case 0: // while it starts
			time.Sleep(time.Duration(random.IntN(12_000)) * time.Microsecond)
		case 1: // as soon as it is ready
			d.waitReady()
			time.Sleep(time.Duration(random.IntN(2_000)) * time.Microsecond)
		default: // at work
			if !d.waitReady() {
				t.Fatalf("dalogd does not start: %s\n%s", d.State(), &d.output)
			}
			l.waitProgress(1)
			time.Sleep(time.Duration(random.IntN(20_000)) * time.Microsecond)
		}
		if d.Ended() {
			t.Fatalf("dalogd has ended by itself: %s\n%s", d.State(), &d.output)
		}
		select {
		case <-d.output.ready:
		default:
			early++
		}
		d.kill()
		kills++
		if kills%200 == 0 {
			s.settle(l)
		}
	}
	a := s.settle(l)
	t.Logf("kills %d (of them before it was ready %d), lines sent %d, acknowledged %d: %s", kills, early, l.sent(), l.acked(), a)
}

// settle runs dalogd until everything is acknowledged, stops it and accounts for
// all lines.
func (s *setup) settle(l *load) *account {
	s.t.Helper()
	return s.settleWith(l, law{})
}

func (s *setup) settleWith(l *load, rule law) *account {
	s.t.Helper()
	d := s.run()
	l.hold()
	d.stop()
	a := l.require(s.dir, rule)
	l.resume()
	return a
}
