package forwarder

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/relp"
	"github.com/dalog-project/dalog/internal/tail"
)

// protocolRELP is the protocol that is acknowledged: dalog's own batches where
// the server has them, otherwise RELP's messages.
const protocolRELP = "relp"

const relpPromise = "to dalogd each line is delivered exactly once; to another RELP server lines may arrive twice " +
	"after a cut connection, and none is left out that the server has not acknowledged"

// openTimeout is how long a server may take to answer "open".
const openTimeout = 15 * time.Second

// deadAfter is how long the server's TCP may not acknowledge what was sent before
// the connection counts as dead: one that the network has swallowed is replaced
// within ten seconds.
const deadAfter = 8 * time.Second

// openRELP begins a session. frames is the one to go on with where the server does
// not take dalog's own commands.
func (p *pump) openRELP(ctx context.Context, conn *link) (client *relp.Client, frames *relpFrames, err error) {
	var target atomic.Pointer[func(relp.Answer)]
	if err := setUserTimeout(conn.tcp, min(p.cfg.PeerTimeout, deadAfter)); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	limited, cancel := context.WithTimeoutCause(ctx, openTimeout, errNoRELP)
	defer cancel()
	client, err = relp.Open(limited, conn.Conn, relp.ClientConfig{
		Commands: delivery.Commands(), Offers: []relp.Offer{{Name: delivery.OfferMax, Value: fmt.Sprint(delivery.MaxData)}},
		Timeout: p.cfg.PeerTimeout, MaxAnswer: delivery.MaxAnswer,
		Answered: func(a relp.Answer) {
			if f := target.Load(); f != nil {
				(*f)(a)
			}
		},
	})
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, relp.ErrFrame) {
			err = errNoRELP
		}
		return nil, nil, err
	}
	batches := true
	for _, command := range delivery.Commands() {
		batches = batches && client.Agreed(command)
	}
	answered := p.courier.answered
	if !batches {
		frames = &relpFrames{client: client}
		answered = frames.answered
	}
	target.Store(&answered)
	return client, frames, nil
}

var errNoRELP = errors.New("the server does not answer as RELP servers do; if it is syslog-ng, or rsyslog with imtcp, use --protocol syslog")

// changeMode has everything that is not confirmed read again where the server
// wants it in another form than the one before.
func (p *pump) changeMode(batches bool) {
	if p.batches == batches {
		return
	}
	p.batches = batches
	if !batches {
		for id, l := range p.courier.lanes {
			if len(l.parcels) > 0 {
				p.courier.drop(l)
				p.readAgain(l.source)
			}
			delete(p.courier.lanes, id)
		}
		return
	}
	again := p.window.sources()
	if p.pending {
		again[p.chunk.Source] = true
	}
	p.window, p.pending, p.inLine = window{}, false, false
	p.stats.unconfirmed.Store(0)
	for s := range again {
		p.readAgain(s)
	}
}

// readAgain has the tailer go back to what is confirmed of a source.
func (p *pump) readAgain(s *tail.Source) {
	offset := p.registry.offset(s.ID)
	if _, err := p.tailer.Rewind(s, offset, nil); err != nil {
		p.log.Warn("what was read of the file and not confirmed cannot be read again", "path", s.Path, "offset", offset, "error", err)
	}
}
