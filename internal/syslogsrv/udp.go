package syslogsrv

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/syslog"
)

const (
	// udpSlot holds any datagram of UDP.
	udpSlot  = 64 << 10
	udpSlots = 32
	// localSlot holds what a local socket's default send buffer allows.
	localSlot  = 256 << 10
	localSlots = 8

	// gatherTime is a small part of what the receive buffer holds at any rate.
	gatherTime = 300 * time.Microsecond

	// minDatagramCost is less than the kernel takes out of the receive buffer
	// for any datagram.
	minDatagramCost = 512
)

// datagramReceiver serves one datagram socket.
type datagramReceiver struct {
	srv     *Server
	in      *datagrams
	msgs    []syslog.Message
	rules   *rules                            // those that parsers and last are under
	parsers map[*time.Location]*syslog.Parser // by the zone of the sender
	parser  *syslog.Parser                    // that of last
	last    *peer                             // sender of the last datagram
	dropped uint32                            // as the kernel last told
	before  time.Time                         // of the receive before
	drained int                               // datagrams since the stop
}

// receive takes datagrams until the server stops, and then those that are here.
func (s *Server) receive(socket packetSocket) error {
	defer socket.close()
	slots, size := udpSlots, udpSlot
	if socket.endpoint.Network == Unixgram {
		slots, size = localSlots, localSlot
	}
	r := &datagramReceiver{srv: s, in: newDatagrams(slots, size), msgs: make([]syslog.Message, slots)}
	backoff := time.Duration(0)
	for {
		n, err := r.in.receive(socket.fd)
		switch {
		case err == nil:
			backoff = 0
			r.handle(0, n)
			if s.stopping.begun.Load() {
				r.drained += n
				if s.stopping.expired() {
					r.giveUp(socket)
					return nil
				}
				continue
			}
			r.gather(n)
		case err == unix.EAGAIN && s.stopping.begun.Load():
			if more, err := socket.wait(-1, acceptGrace); err != nil || !more {
				return err
			}
		case err == unix.EAGAIN:
			if _, err := socket.wait(s.wakeup.fd, forever); err != nil {
				return fmt.Errorf("wait for datagrams on %s: %w", socket.endpoint, err)
			}
		default: // passing ones, such as ENOBUFS
			s.log.Warn("receive failed", "addr", socket.endpoint.Address, "err", err)
			backoff = nextBackoff(backoff)
			time.Sleep(backoff)
		}
	}
}

// gather lets datagrams come together where they come one by one in quick
// succession: to wake up for each costs ten times what reading it does.
func (r *datagramReceiver) gather(n int) {
	now := time.Now()
	if now.Sub(r.before) < time.Millisecond && n < len(r.msgs)/2 {
		// An early end of the sleep does no harm.
		_ = unix.Nanosleep(&unix.Timespec{Nsec: int64(gatherTime)}, nil)
	}
	r.before = now
}

// giveUp notes what is left unread when the time for stopping is up. The queue
// at the time of the stop was bounded: a peer that sends on without end does
// not make it look unread.
func (r *datagramReceiver) giveUp(socket packetSocket) {
	if r.drained >= socket.buffer/minDatagramCost {
		return
	}
	if left, _ := socket.wait(-1, 0); left {
		r.srv.refused.add(DrainTimedOut, netip.Addr{}, socket.endpoint.String())
	}
}

// handle parses the datagrams from lo to hi and hands them over. Should one of
// them bring the parser down, the others are done without it.
func (r *datagramReceiver) handle(lo, hi int) {
	parsed := false
	defer func() {
		fault := recover()
		switch {
		case fault == nil:
		case parsed || hi-lo == 1:
			r.srv.fault(r.in.from(lo), fault, debug.Stack())
		default:
			for i := lo; i < hi; i++ {
				r.handle(i, i+1)
			}
		}
	}()
	s := r.srv
	received := time.Now()
	n := 0
	for i := lo; i < hi; i++ {
		if r.parse(i, received, &r.msgs[n]) {
			n++
		}
	}
	parsed = true
	if dropped, ok := r.in.dropped(hi - 1); ok && dropped != r.dropped {
		s.counts.dropped.Add(uint64(dropped - r.dropped)) // wraps as the kernel's count does
		r.dropped = dropped
	}
	if n > 0 {
		_ = s.submit(received, r.msgs[:n], Datagram, nil) // it has counted what it could not hand over
	}
}

// parse reads the i-th datagram into m. It answers false where there is no
// message to be had.
func (r *datagramReceiver) parse(i int, received time.Time, m *syslog.Message) bool {
	s := r.srv
	if rules := s.rules.Load(); rules != r.rules {
		r.rules, r.last, r.parsers = rules, nil, make(map[*time.Location]*syslog.Parser)
	}
	if from := r.in.from(i); r.last == nil || r.last.Addr != from {
		if !r.rules.allows(from) {
			s.refused.add(NotAllowed, from, "")
			return false
		}
		r.last = s.peers.get(from)
		r.parser = r.parserOf(r.rules.zoneOf(from))
		r.last.speaks(Datagram, false)
	}
	data, truncated := r.in.datagram(i)
	s.counts.bytes[Datagram].Add(uint64(len(data)))
	r.last.bytes.Add(uint64(len(data)))
	message := syslog.Datagram(data)
	if len(message) > s.cfg.MaxMessage {
		message, truncated = message[:s.cfg.MaxMessage], true
	}
	r.parser.Parse(message, received, m)
	if len(message) == 0 || m.Empty() {
		s.counts.empty.Add(1)
		return false
	}
	if truncated {
		m.Flags |= syslog.Truncated
	}
	m.From = &r.last.Peer
	r.last.saw(received, 1)
	return true
}

func (r *datagramReceiver) parserOf(zone *time.Location) *syslog.Parser {
	p := r.parsers[zone]
	if p == nil {
		p = &syslog.Parser{Zone: zone}
		r.parsers[zone] = p
	}
	return p
}
