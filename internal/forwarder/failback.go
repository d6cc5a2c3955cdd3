package forwarder

import (
	"context"
	"time"
)

// seeker looks for a server earlier in the list than the present one.
type seeker struct {
	found  chan *connected // holds one at most
	cancel func()          // ends the search and closes what it found
}

// seekBetter begins to try the servers before the present one.
func (p *pump) seekBetter(ctx context.Context, present int) *seeker {
	ctx, cancel := context.WithCancel(ctx)
	s := &seeker{found: make(chan *connected, 1)}
	done := make(chan struct{})
	s.cancel = func() {
		cancel()
		<-done
		select {
		case c := <-s.found:
			c.conn.Close()
		default:
		}
	}
	if present == 0 {
		close(done)
		return s
	}
	go func() {
		defer close(done)
		ticker := time.NewTicker(p.cfg.FailBack)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			for i := range present {
				if conn, err := p.dialer.one(ctx, p.cfg.Servers[i]); err == nil {
					s.found <- &connected{conn, i}
					return
				}
			}
		}
	}()
	return s
}
