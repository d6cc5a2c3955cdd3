package forwarder

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/relp"
	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/tail"
)

// courier delivers parcels to servers that keep positions. Like the pump, which
// it is a part of, it is one goroutine.
//
// A source is sent when it is claimed: the server has said where it stands, and
// the file holds the same before that. Each parcel says where it goes on; the
// server takes it there or not at all. So a line is stored once, whatever the
// two sides remember.
type courier struct {
	p      *pump
	agent  *agent
	packer *delivery.Packer
	host   []byte

	lanes  map[delivery.SourceID]*lane
	unsent []*parcel // in the order of reading
	number uint64    // of the next parcel
	moved  bool      // unsent is not in that order, because a parcel took the place of another
	held   int64     // bytes of bodies
	raw    int64     // bytes of the files in parcels
	spare  [][]byte
	packed []byte // being packed

	// Of the session.
	client    *relp.Client
	nonce     [16]byte
	same      bool // the server's store is that of the session before
	met       bool // it has told its store
	orders    map[uint32]order
	ending    map[delivery.SourceID]bool
	retryAt   time.Time // the server has asked for that much patience
	patient   time.Duration
	toldLater time.Time // that the server does not take a file
	out       []byte
	latency   time.Duration   // from sending a parcel to its answer, of late
	begun     int             // sources of the tailer that were claimed, or are to be
	blocked   map[string]bool // paths of which nothing more is sent for now

	opened bool        // not the first session of this process
	nonces [8][16]byte // of this process's last sessions

	mu      sync.Mutex
	answers []reply
	arrived chan struct{} // holds one when there are answers
}

// order is what a command was about.
type order struct {
	parcel *parcel
	sent   time.Time // the parcel
	claims []*lane
	open   bool
	end    delivery.SourceID
}

// reply is an answer.
type reply struct {
	txnr uint32
	code int
	text string
	data []byte
}

const maxPatience = 5 * time.Second

func newCourier(p *pump, a *agent) *courier {
	return &courier{
		p: p, agent: a, packer: delivery.NewPacker(), host: syslog.Field(p.cfg.Hostname, 255),
		lanes: map[delivery.SourceID]*lane{}, arrived: make(chan struct{}, 1),
		blocked: map[string]bool{},
	}
}

// answered takes an answer in; it is called by the goroutine that reads.
func (c *courier) answered(a relp.Answer) {
	c.mu.Lock()
	c.answers = append(c.answers, reply{a.Txnr, a.Code, string(a.Text), slices.Clone(a.Data)})
	c.mu.Unlock()
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

// serve delivers over one session, as pump.serve does.
func (c *courier) serve(ctx context.Context, stop <-chan struct{}, client *relp.Client, server int) (*connected, error) {
	c.begin(client)
	if err := c.claimAll(); err != nil {
		return nil, err
	}
	betters := c.p.seekBetter(ctx, server)
	defer betters.cancel()
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	var better *connected
	fail := func(err error) (*connected, error) {
		if better != nil {
			better.conn.Close()
		}
		return nil, err
	}
	for {
		stopping, stopped := false, stop
		select {
		case <-stop:
			stopping, stopped = true, nil
		default:
		}
		if err := c.takeAnswers(); err != nil {
			return fail(err)
		}
		if client.Sent() >= maxTransactions {
			return fail(errRenumber)
		}
		more := false
		if better == nil {
			more = c.fill()
			if err := c.post(); err != nil {
				return fail(c.ended(err))
			}
		}
		if err := client.Flush(); err != nil {
			return fail(c.ended(err))
		}
		if better != nil && len(c.orders) == 0 {
			return better, nil
		}
		if more {
			continue
		}
		if stopping && !more && len(c.unsent) == 0 && len(c.orders) == 0 && c.raw == 0 {
			return nil, nil
		}
		if c.met {
			c.agent.stays(time.Now())
		}
		ready := c.p.tailer.Ready()
		if better != nil {
			ready = nil
		}
		timer.Reset(c.pause())
		select {
		case <-ready:
		case <-c.arrived:
		case <-timer.C:
		case <-client.Done():
			_ = c.takeAnswers() // how it ended says more
			return fail(c.ended(client.Err()))
		case <-stopped:
		case better = <-betters.found:
		case <-ctx.Done():
			return fail(ctx.Err())
		}
	}
}

// pause is when to look again though nothing happens.
func (c *courier) pause() time.Duration {
	if !c.retryAt.IsZero() {
		return max(time.Until(c.retryAt), time.Millisecond)
	}
	return time.Second
}

// ended says why the session is over.
func (c *courier) ended(err error) error {
	if errors.Is(err, relp.ErrServerClosed) {
		return errPeerClosed
	}
	return err
}

// begin prepares for a new session. What was under way is to be sent again,
// unless the server says that it has it.
func (c *courier) begin(client *relp.Client) {
	c.client = client
	_, _ = rand.Read(c.nonce[:]) // never fails: crypto/rand ends the process instead
	c.same, c.met = false, false
	c.orders, c.ending = map[uint32]order{}, map[delivery.SourceID]bool{}
	c.mu.Lock()
	c.answers = nil
	c.mu.Unlock()
	c.retryAt, c.patient, c.latency = time.Time{}, 0, fastEnough
	c.unsent = c.unsent[:0]
	for id, l := range c.lanes {
		if len(l.parcels) == 0 {
			delete(c.lanes, id)
		}
		l.state, l.sent, l.flying, l.refused, l.first, l.again = unclaimed, 0, 0, false, false, nil
		c.unsent = append(c.unsent, l.parcels...)
	}
	c.sortUnsent()
}

func (c *courier) sortUnsent() {
	slices.SortStableFunc(c.unsent, func(a, b *parcel) int { return cmp.Compare(a.number, b.number) })
}

// laneOf finds the lane of a source, or makes it.
func (c *courier) laneOf(s *tail.Source) *lane {
	l := c.lanes[s.ID]
	if l == nil {
		l = &lane{source: s, done: -1}
		c.lanes[s.ID] = l
	}
	return l
}

// fill makes parcels of what is unread. More says that there is more, and room
// for it; without room it is the next answer that makes some.
func (c *courier) fill() (more bool) {
	for range 4 { // and then see to what has arrived
		if c.held >= int64(c.p.cfg.Window) || c.client.Free() < laneLimit {
			return false
		}
		chunk, ok := c.p.tailer.Next()
		if !ok {
			return false
		}
		c.pack(&chunk)
	}
	return true
}

// post sends what may be sent.
func (c *courier) post() error {
	if !c.retryAt.IsZero() && time.Now().Before(c.retryAt) {
		return nil
	}
	c.retryAt = time.Time{}
	if err := c.claimNew(); err != nil {
		return err
	}
	if c.moved {
		c.sortUnsent()
		c.moved = false
	}
	kept := c.unsent[:0]
	clear(c.blocked)
	for i, p := range c.unsent {
		l := p.lane
		if p.body == nil {
			continue // confirmed or dropped meanwhile
		}
		// The files that a path has led to are sent one after the other. What waits
		// for an older file must not hold that up: it may stand behind in the order
		// of reading, when the server has lost some of it.
		path := l.source.Path
		if !c.mayGo(l) {
			kept = append(kept, p)
			continue
		}
		if l.state != claimed || l.refused || c.blocked[path] ||
			l.sent >= len(l.parcels) || l.parcels[l.sent] != p || c.client.Free() < laneLimit {
			c.blocked[path] = true
			kept = append(kept, p)
			continue
		}
		if err := c.send(p); err != nil {
			kept = append(kept, c.unsent[i:]...)
			c.unsent = kept
			return err
		}
	}
	clear(c.unsent[len(kept):])
	c.unsent = kept
	return c.endGone()
}

func (c *courier) send(p *parcel) error {
	l := p.lane
	b := &p.batch
	b.Start, b.Skip, b.Before, b.After = l.at, p.start-l.at, l.anchor, p.after
	c.out = append(b.AppendHead(c.out[:0]), p.body...)
	txnr, err := c.client.Send(delivery.CommandBatch, c.out)
	if err != nil {
		return err
	}
	c.p.stats.bytes.Add(uint64(len(c.out)))
	if p.again {
		c.p.stats.resent.Add(uint64(len(c.out)))
	}
	p.again = true
	c.orders[txnr] = order{parcel: p, sent: time.Now()}
	l.sent++
	l.flying++
	l.at, l.anchor = p.end, p.after
	return nil
}

// endGone has the server forget the sources that are gone and confirmed.
func (c *courier) endGone() error {
	if !c.met {
		return nil
	}
	for _, id := range c.agent.toEnd() {
		if c.ending[id] || c.client.Free() < laneLimit {
			continue
		}
		if l := c.lanes[id]; l != nil && len(l.parcels) > 0 {
			continue
		}
		txnr, err := c.client.Send(delivery.CommandEnd, delivery.AppendEnd(nil, id))
		if err != nil {
			return err
		}
		c.ending[id] = true
		c.orders[txnr] = order{end: id}
	}
	return nil
}
