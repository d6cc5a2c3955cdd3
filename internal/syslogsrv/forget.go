package syslogsrv

import (
	"context"
	"errors"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

const (
	// LeastForgetAge is how long a source must be idle before it is forgotten: a
	// sender that comes back earlier takes it that the server has lost what it does
	// not know, and sends all of it again (docs/formats/delivery.md).
	LeastForgetAge = 40 * 24 * time.Hour
	// forgetEvery is how often idle sources are looked for, and forgetAfterStart
	// from when on: senders that wait for the server have come back by then.
	forgetEvery      = 10 * time.Minute
	forgetAfterStart = time.Hour
	// fullEvery is how often it is logged that there are too many sources.
	fullEvery = time.Minute
)

// ErrSending says that a session has the source.
var ErrSending = errors.New("the source is being sent")

// Forget has the Ledger forget a source that no session has. Who claims it
// meanwhile waits for that.
func (s *Server) Forget(ctx context.Context, key delivery.SourceKey) error {
	nobody := &agent{key: agentKey{peer: key.Peer}, peer: &peer{}}
	nobody.begin()
	cl, before, ok := s.claims.claimIdle(nobody, key)
	if !ok {
		return ErrSending
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	if before != nil && !before.settle(timer.C) {
		nobody.done()
		return errors.New(unsettled)
	}
	forgotten := make(chan error, 1)
	err := s.ledger.Forget(ctx, key, func(err error) {
		defer nobody.done()
		if err == nil {
			s.claims.forget(cl)
		}
		forgotten <- err
	})
	if err != nil {
		nobody.done()
		return err
	}
	return <-forgotten
}

// claimIdle claims the source for who is no session, unless a session has it.
// before is the one that had it last.
func (c *claims) claimIdle(a *agent, key delivery.SourceKey) (cl *claim, before *agent, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.sources[key]
	if old != nil {
		if !old.holder.left && !old.lost.Load() {
			return nil, nil, false
		}
		before = old.holder
		old.lost.Store(true)
	}
	a.left = true // it never was a session
	cl = &claim{key: key, holder: a}
	c.sources[key] = cl
	return cl, before, true
}

// noteClaims tells the Ledger which sources sessions have, or had.
func (s *Server) noteClaims(ledger Ledger, now time.Time) {
	claimed := map[time.Time][]delivery.SourceKey{}
	s.claims.mu.Lock()
	for key, cl := range s.claims.sources {
		at := cl.at
		if !cl.holder.left && !cl.lost.Load() {
			at = now
		}
		claimed[at] = append(claimed[at], key)
	}
	s.claims.mu.Unlock()
	for at, keys := range claimed {
		ledger.Claimed(keys, at)
	}
}

// forgetIdle forgets the sources that no session had for as long as the rules say.
func (s *Server) forgetIdle(ctx context.Context, now, started time.Time) {
	s.noteClaims(s.ledger, now)
	age := s.rules.Load().forget
	if age <= 0 || now.Sub(started) < forgetAfterStart {
		return
	}
	n := s.ForgetIdle(ctx, now.Add(-age))
	if n > 0 {
		s.log.Info("files are forgotten that no dalogfwd has sent or claimed for long; their lines stay", "files", n, "age", age.String())
	}
}

// ForgetIdle forgets the sources that no session has and of which nothing came
// since then, and tells how many.
func (s *Server) ForgetIdle(ctx context.Context, since time.Time) (n int) {
	ledger := s.running.Load()
	if ledger == nil {
		return 0 // Run has not begun
	}
	s.noteClaims(*ledger, time.Now())
	for _, key := range (*ledger).IdleSources(since) {
		switch err := s.Forget(ctx, key); {
		case err == nil:
			s.counts.dalog.forgotten.Add(1)
			n++
		case errors.Is(err, ErrSending):
		default:
			if ctx.Err() == nil {
				s.log.Warn("a file that is not sent any more could not be forgotten", "err", err)
			}
			return n
		}
	}
	return n
}

// full tells whether no more sources may begin, and logs that now and then.
func (s *Server) full(path, host string) bool {
	limit := s.rules.Load().sources
	if s.ledger.SourceCount() < limit {
		return false
	}
	s.counts.dalog.refusedNew.Add(1)
	now, last := time.Now().UnixNano(), s.fullTold.Load()
	if now-last >= int64(fullEvery) && s.fullTold.CompareAndSwap(last, now) {
		s.log.Error("there are as many files of dalogfwd as may be: new ones wait at their senders. Raise --max-sources, or see 'dalogd sources' and 'dalogd sources forget'",
			"max_sources", limit, "path", path, "host", host)
	}
	return true
}
