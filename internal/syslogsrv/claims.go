package syslogsrv

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

const (
	// settleTime is how long a session waits for what the one before it has
	// handed over and is not committed.
	settleTime = 5 * time.Second
	// maxSessionClaims is how many sources one session may claim, maxClaims how
	// many are known of all: or twice Rules.MaxSources, if that is more.
	maxSessionClaims = 10_000
	maxClaims        = 200_000
)

// claims says which session may send which source. A source has one session at
// a time: who claims it gets it, after what the one before has handed over is
// committed. So what an old connection still holds is never taken for the
// new one's, and two senders that believe to be the same find out.
type claims struct {
	mu       sync.Mutex
	agents   map[agentKey]*agent
	sources  map[delivery.SourceKey]*claim // also of sessions that have ended
	fenced   atomic.Uint64                 // sessions ended by a newer one of their agent
	takeover atomic.Uint64                 // sources taken over from a live session
}

func newClaims() *claims {
	return &claims{agents: map[agentKey]*agent{}, sources: map[delivery.SourceKey]*claim{}}
}

type agentKey struct {
	peer string
	id   [16]byte
}

// agent is one session that sends sources.
type agent struct {
	key    agentKey
	nonce  [16]byte
	host   string
	peer   *peer
	fence  func()                       // makes the connection end soon; does not block
	claims map[delivery.SourceID]*claim // of the connection's goroutine

	mu      sync.Mutex
	fenced  bool          // nothing may be handed over any more
	pending int           // handed over, or about to be, and not committed
	idle    chan struct{} // closed when pending is 0, if somebody waits for that

	left bool // the session has ended; guarded by claims.mu
}

// claim is a session's right to send a source.
type claim struct {
	key  delivery.SourceKey
	path string
	at   time.Time   // when it was claimed
	lost atomic.Bool // to another session

	// Of the connection's goroutine: where the source goes on.
	next   int64
	anchor uint32

	// Guarded by claims.mu.
	holder *agent
	host   string
	addr   string
}

// begin is called before something is handed over; false: it must not be.
func (a *agent) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fenced {
		return false
	}
	a.pending++
	return true
}

// done is called once for each begin, when it is committed or was not taken.
func (a *agent) done() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pending--; a.pending == 0 && a.idle != nil {
		close(a.idle)
		a.idle = nil
	}
}

// settle waits until what a has handed over is committed; false if that takes
// too long.
func (a *agent) settle(timeout <-chan time.Time) bool {
	a.mu.Lock()
	idle := a.idle
	if a.pending > 0 && idle == nil {
		idle = make(chan struct{})
		a.idle = idle
	}
	a.mu.Unlock()
	if idle == nil {
		return true
	}
	select {
	case <-idle:
		return true
	case <-timeout:
		return false
	}
}

// enter makes a its agent's session and ends the one before. replaced is that
// one's nonce.
func (c *claims) enter(a *agent, timeout <-chan time.Time) (replaced [16]byte, ok bool) {
	c.mu.Lock()
	old := c.agents[a.key]
	c.agents[a.key] = a
	c.mu.Unlock()
	if old == nil {
		return replaced, true
	}
	c.fenced.Add(1)
	old.mu.Lock()
	old.fenced = true
	old.mu.Unlock()
	old.fence()
	return old.nonce, old.settle(timeout)
}

// claim gives a the source, after what another session has handed over of it is
// committed; false if that takes too long: nobody has it then.
func (c *claims) claim(a *agent, key delivery.SourceKey, path string, timeout <-chan time.Time) (*claim, bool) {
	n := &claim{key: key, path: path, at: time.Now(), holder: a, host: a.host, addr: a.peer.Name}
	c.mu.Lock()
	old := c.sources[key]
	c.sources[key] = n
	if old == nil {
		c.mu.Unlock()
		return n, true
	}
	old.lost.Store(true)
	if old.holder != a && !old.holder.left {
		c.takeover.Add(1)
	}
	c.mu.Unlock()
	if !old.holder.settle(timeout) {
		n.lost.Store(true)
		return n, false
	}
	return n, true
}

// full tells whether there is no room for n more claims where so many sources may
// be stored.
func (c *claims) full(n, sources int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sources)+n > max(maxClaims, 2*sources)
}

// leave ends a session. Who reads the list still finds what it had claimed, where
// something of that is stored.
func (c *claims) leave(a *agent, stored func(delivery.SourceKey) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.agents[a.key] == a {
		delete(c.agents, a.key)
	}
	a.left = true
	for _, cl := range a.claims {
		if c.sources[cl.key] == cl && cl.next == 0 && !stored(cl.key) {
			delete(c.sources, cl.key)
		}
	}
}

// forget drops a source that has ended.
func (c *claims) forget(cl *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sources[cl.key] == cl {
		delete(c.sources, cl.key)
	}
}

// SourceInfo is what a Server knows of a source since it was started.
type SourceInfo struct {
	Key  delivery.SourceKey
	Host string // as the messages claim
	Path string // of the file, at the sender
	Addr string // of the sender
	Live bool   // a session has it
}

// Sources lists the sources that were claimed, by key.
func (s *Server) Sources() []SourceInfo {
	c := s.claims
	c.mu.Lock()
	list := make([]SourceInfo, 0, len(c.sources))
	for key, cl := range c.sources {
		list = append(list, SourceInfo{Key: key, Host: cl.host, Path: cl.path, Addr: cl.addr, Live: !cl.holder.left && !cl.lost.Load()})
	}
	c.mu.Unlock()
	slices.SortFunc(list, func(a, b SourceInfo) int {
		return cmp.Or(cmp.Compare(a.Key.Peer, b.Key.Peer), slices.Compare(a.Key.ID[:], b.Key.ID[:]))
	})
	return list
}
