package syslogsrv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/relp"
)

// ErrNotDrained is Run's when it had to stop before everything was handed over
// that peers had sent by then.
var ErrNotDrained = errors.New("not everything that peers had sent could be handed over in time")

// Server receives syslog on all its sockets.
type Server struct {
	cfg       Config
	log       *slog.Logger
	sink      Sink                   // set by Run before any goroutine that uses it
	ledger    Ledger                 // the same; nil where sink is none
	running   atomic.Pointer[Ledger] // the same, for who asks from outside
	listeners []listener
	packets   []packetSocket

	rules      atomic.Pointer[rules]
	peers      *peers
	relp       *relp.Server // set by Run like sink
	claims     *claims
	fullTold   atomic.Int64 // Unix nanoseconds
	refused    *refusals
	counts     counters
	batches    *batches
	partials   *partials
	handshakes handshakes
	spare      spare
	wakeup     wakeup
	stopping   stopping
	conns      connections
}

// stopping is the end of a Server's life, in two steps: no more input than was
// sent by now, and no more at all.
type stopping struct {
	begun    atomic.Bool
	noticed  atomic.Int64    // unix nanoseconds, set before begun: peers know by then
	deadline atomic.Int64    // the same: reading ends
	hard     context.Context // ends when handing over has taken too long
	cancel   context.CancelFunc
}

// noticeTime is how long peers that send without a pause are read from after
// the stop: time for them to see that their connection is half closed.
const noticeTime = time.Second

func (s *stopping) begin(drain time.Duration) {
	now := time.Now()
	s.noticed.Store(now.Add(noticeTime).UnixNano())
	s.deadline.Store(now.Add(drain).UnixNano())
	s.begun.Store(true)
	time.AfterFunc(drain+drain/2, s.cancel)
}

func (s *stopping) expired() bool {
	return s.begun.Load() && time.Now().UnixNano() >= s.deadline.Load()
}

// Listen binds all addresses of cfg, or none.
func Listen(cfg Config) (*Server, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	cfg.MaxMessage = cmp.Or(cfg.MaxMessage, 1<<20)
	cfg.BufferBytes = cmp.Or(cfg.BufferBytes, 32<<20)
	largest := max(cfg.MaxMessage, delivery.MaxData)
	cfg.BufferBytes = max(cfg.BufferBytes, 4*(largest+readSize)) // or the largest message would not fit
	cfg.MaxHandshakes = cmp.Or(cfg.MaxHandshakes, 500)
	cfg.FirstByteTimeout = cmp.Or(cfg.FirstByteTimeout, 10*time.Second)
	cfg.HandshakeTimeout = cmp.Or(cfg.HandshakeTimeout, 10*time.Second)
	cfg.DrainTimeout = cmp.Or(cfg.DrainTimeout, 4*time.Second)
	cfg.UDPSockets = cmp.Or(cfg.UDPSockets, min(runtime.GOMAXPROCS(0), 8))
	cfg.UDPBuffer = cmp.Or(cfg.UDPBuffer, 16<<20)

	hostname, err := os.Hostname()
	if err != nil {
		hostname = "localhost"
	}
	s := &Server{cfg: cfg, log: cfg.Log, claims: newClaims(), refused: newRefusals(cfg.Log, cfg.Hints)}
	s.SetRules(cfg.Rules)
	s.peers = newPeers(hostname)
	s.batches = newBatches(min(max(4*runtime.GOMAXPROCS(0), 8), max(cfg.BufferBytes/2/readSize, 2)))
	s.partials = newPartials(cfg.BufferBytes / 2)
	s.handshakes.limit = cfg.MaxHandshakes
	s.handshakes.computing = make(chan struct{}, max(runtime.GOMAXPROCS(0)/2, 1))
	s.conns.open = make(map[*conn]struct{})
	s.stopping.hard, s.stopping.cancel = context.WithCancel(context.Background())
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// open takes all sockets into use. After an error, those that are open are
// known to Close.
func (s *Server) open() error {
	for _, socket := range s.cfg.Inherited {
		if socket.Listener != nil {
			s.listeners = append(s.listeners, listener{socket.Listener, socket.Endpoint})
		}
	}
	for _, socket := range s.cfg.Inherited {
		if socket.Packets == nil {
			continue
		}
		if err := s.addPackets(socket.Packets, socket.Endpoint, true); err != nil {
			return err
		}
	}
	if err := s.bind(s.cfg.Listen); err != nil {
		return err
	}
	if err := s.wakeup.open(); err != nil {
		return err
	}
	return s.spare.open()
}

// Bound are the addresses that the Server listens on, with the ports that the
// kernel chose where port 0 was asked for.
func (s *Server) Bound() []Endpoint {
	var all []Endpoint
	for _, l := range s.listeners {
		all = append(all, l.endpoint)
	}
	for i, p := range s.packets {
		if i == 0 || p.endpoint != s.packets[i-1].endpoint {
			all = append(all, p.endpoint)
		}
	}
	return all
}

// Close closes the sockets of a Server that Run was not called on.
func (s *Server) Close() {
	for _, l := range s.listeners {
		l.Close()
	}
	for _, p := range s.packets {
		p.close()
	}
	s.spare.close()
	s.wakeup.close()
	s.stopping.cancel()
}

// Run receives until ctx ends. Then it stops accepting, reads what the kernel
// holds of what peers have sent, hands it over and closes. It returns nil if
// that is all of it; the Sink has taken all messages by then, and committing
// them is the Sink's. Call it once.
func (s *Server) Run(ctx context.Context, sink Sink) error {
	defer s.spare.close()
	defer s.wakeup.close()
	defer s.stopping.cancel()
	if err := s.speakRELP(sink); err != nil {
		return err
	}
	s.tellSmallBuffers()
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range s.packets {
		group.Go(func() error { return s.receive(p) })
	}
	for _, l := range s.listeners {
		group.Go(func() error { return s.accept(ctx, l) })
	}
	group.Go(func() error { return s.housekeep(ctx) })
	var lostBefore uint64
	group.Go(func() error {
		<-ctx.Done()
		lostBefore = s.counts.lost.Load()
		s.stopping.begin(s.cfg.DrainTimeout)
		s.wakeup.ring()
		s.drainAll()
		return nil
	})
	err := group.Wait()
	s.conns.group.Wait()
	s.refused.flush(true)
	if err != nil {
		return fmt.Errorf("receive syslog: %w", err)
	}
	if s.refused.counts[DrainTimedOut].Load() > 0 || s.counts.lost.Load() > lostBefore {
		return ErrNotDrained
	}
	return nil
}

// speakRELP sets up what RELP sessions have in common.
func (s *Server) speakRELP(sink Sink) (err error) {
	s.sink = sink
	cfg := relp.ServerConfig{MaxMessage: s.cfg.MaxMessage}
	if ledger, ok := sink.(Ledger); ok {
		s.ledger = ledger
		s.running.Store(&ledger)
		for _, name := range delivery.Commands() {
			cfg.Extensions = append(cfg.Extensions, relp.Extension{Name: name, Max: delivery.MaxData})
		}
		cfg.Offers = []relp.Offer{{Name: delivery.OfferMax, Value: strconv.Itoa(delivery.MaxData)}}
	}
	s.relp, err = relp.NewServer(cfg)
	return err
}

// housekeep does what is due now and then.
func (s *Server) housekeep(ctx context.Context) error {
	started := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if s.cfg.TLS != nil {
			s.reloadTLS(s.cfg.TLS.reloadChanged())
		}
		if n%10 == 0 {
			s.refused.flush(false)
		}
		if n%int(forgetEvery/time.Second) == 0 && s.ledger != nil {
			s.forgetIdle(ctx, time.Now(), started)
		}
	}
}

func (s *Server) reloadTLS(changed bool, err error) {
	switch {
	case err != nil:
		s.log.Error("TLS certificate not reloaded, the former one stays in use", "err", err)
	case changed:
		s.log.Info("TLS certificate reloaded")
	}
}
