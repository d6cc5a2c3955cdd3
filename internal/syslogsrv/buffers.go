package syslogsrv

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/dalog-project/dalog/internal/syslog"
)

const (
	// readSize is how much one read takes from a connection at most.
	readSize = 256 << 10
	// batchMessages is how many messages go to the Sink at once.
	batchMessages = 1024
	// largePartial is the size from which on the unfinished message at the
	// end of the input stays where it is, with room behind it, in place of
	// being copied in front of the next read.
	largePartial = 64 << 10
	// freePartial is how much of an unfinished message a connection may hold
	// without asking.
	freePartial = 4 << 10
)

// batch is what a connection works with while it has input, and gives back
// before it waits for more: idle connections hold none.
type batch struct {
	buf  []byte
	msgs []syslog.Message
}

// batches lends a bounded number of them, first come, first served.
type batches struct {
	tokens chan struct{} // holds one for each batch that is out
	pool   sync.Pool     // of *batch; keeps those in use warm in the cache
}

func newBatches(n int) *batches {
	return &batches{
		tokens: make(chan struct{}, n),
		pool: sync.Pool{New: func() any {
			return &batch{buf: make([]byte, readSize), msgs: make([]syslog.Message, batchMessages)}
		}},
	}
}

// take waits for a batch; nil if ctx ends first.
func (b *batches) take(ctx context.Context) *batch {
	select {
	case b.tokens <- struct{}{}:
	default:
		select {
		case b.tokens <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
	}
	return b.pool.Get().(*batch)
}

func (b *batches) give(x *batch) {
	b.pool.Put(x)
	<-b.tokens
}

// partials is the memory that unfinished messages of all connections may take.
// When it runs out, one of them must be cut short: of the peer that holds most,
// the one that has been unfinished longest. Until there is room again, those
// that need more do not read on, and the others read little at once. The limit
// can be passed by what the batches that are out had read at that moment.
type partials struct {
	limit int
	over  atomic.Bool // used > limit

	mu      sync.Mutex
	changed sync.Cond // used went down, or a victim was chosen
	used    int
	holders list.List // of *share, the oldest in front
	victim  *share    // chosen, and still holding
}

// share is what one connection holds of them. Its methods are for that
// connection's goroutine.
type share struct {
	of   *partials
	wake func() // makes the connection call settle soon; does not block

	// Guarded by of.mu.
	owner   netip.Addr
	size    int
	element *list.Element // nil while size is 0
}

func newPartials(limit int) *partials {
	p := &partials{limit: limit}
	p.changed.L = &p.mu
	return p
}

// own says whose message it is.
func (s *share) own(owner netip.Addr) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.owner = owner
}

// set says that the unfinished message takes size bytes of memory; 0 means
// that there is none any more.
func (s *share) set(size int) {
	of := s.of
	if size == 0 && s.element == nil {
		return // element is written by this goroutine only
	}
	of.mu.Lock()
	defer of.mu.Unlock()
	of.used += size - s.size
	of.over.Store(of.used > of.limit)
	if size < s.size {
		of.changed.Broadcast()
	}
	s.size = size
	switch {
	case size == 0:
		of.holders.Remove(s.element)
		s.element = nil
		if of.victim == s {
			of.victim = nil
		}
	case s.element == nil:
		s.element = of.holders.PushBack(s)
	}
}

// settle waits until all shares together are within the limit. It answers
// false if the caller must cut its message short and set its share to 0. The
// caller must not hold a batch: others may need one to give theirs up.
func (s *share) settle() bool {
	of := s.of
	of.mu.Lock()
	defer of.mu.Unlock()
	for s.size > 0 && of.used > of.limit && of.victim != s {
		if of.victim == nil {
			of.victim = of.chooseLocked()
			of.victim.wake()
			of.changed.Broadcast() // it may be waiting here itself
			continue
		}
		of.changed.Wait()
	}
	return of.victim != s
}

// chooseLocked finds the victim. There is at least one share.
func (of *partials) chooseLocked() (victim *share) {
	sums := make(map[netip.Addr]int)
	for e := of.holders.Front(); e != nil; e = e.Next() {
		s := e.Value.(*share)
		sums[s.owner] += s.size
	}
	for e := of.holders.Front(); e != nil; e = e.Next() {
		if s := e.Value.(*share); victim == nil || sums[s.owner] > sums[victim.owner] {
			victim = s
		}
	}
	return victim
}

// short tells whether the limit is reached. Who reads asks with a batch in
// hand, so that no more readings than there are batches can pass the limit.
func (of *partials) short() bool { return of.over.Load() }

// inUse is the memory of all shares, in bytes.
func (of *partials) inUse() int {
	of.mu.Lock()
	defer of.mu.Unlock()
	return of.used
}
