package syslogsrv

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

const (
	// udpSlot holds any datagram of UDP.
	udpSlot  = 64 << 10
	udpSlots = 32
	// localSlot holds what a local socket's default send buffer allows.
	localSlot  = 256 << 10
	localSlots = 8

	// minDatagramCost is less than the kernel takes out of the receive buffer
	// for any datagram.
	minDatagramCost = 512
)

// datagramReceiver serves one datagram socket.
type datagramReceiver struct {
	srv     *Server
	in      *datagrams
	msgs    []syslog.Message
	parsers []syslog.Parser // one for each zone
	last    *peer           // sender of the last datagram
	dropped uint32          // as the kernel last told
}

// receive takes datagrams until ctx ends, and then those that are here.
func (s *Server) receive(ctx context.Context, socket packetSocket) error {
	defer socket.close()
	raw, err := socket.PacketConn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	slots, size := udpSlots, udpSlot
	if socket.endpoint.Network == Unixgram {
		slots, size = localSlots, localSlot
	}
	backoff, drained := time.Duration(0), 0
	r := &datagramReceiver{srv: s, in: newDatagrams(raw, slots, size), msgs: make([]syslog.Message, slots)}
	for _, zone := range s.rules.zones {
		r.parsers = append(r.parsers, syslog.Parser{Zone: zone})
	}
	stop := context.AfterFunc(ctx, func() { socket.SetReadDeadline(time.Now().Add(acceptGrace)) })
	defer stop()
	for {
		n, err := r.in.receive()
		switch {
		case err == nil:
			backoff = 0
			r.handle(0, n)
			if s.stopping.begun.Load() {
				drained += n
			}
			if s.stopping.expired() {
				// The queue at the time of the stop was bounded; who sends
				// on without end cannot hide that it was read.
				if drained < socket.buffer/minDatagramCost && readable(socket.PacketConn.(syscall.Conn)) {
					s.refused.add(DrainTimedOut, netip.Addr{}, socket.endpoint.String())
				}
				return nil
			}
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
			if s.stopping.expired() || !readable(socket.PacketConn.(syscall.Conn)) {
				return nil
			}
			socket.SetReadDeadline(time.Now().Add(acceptGrace))
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			s.log.Warn("receive failed", "addr", socket.endpoint.Address, "err", err)
			backoff = nextBackoff(backoff)
			sleep(ctx, backoff)
		}
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
	if from := r.in.from(i); r.last == nil || r.last.Addr != from {
		if !s.rules.allows(from) {
			s.refused.add(NotAllowed, from, "")
			return false
		}
		r.last = s.peers.get(from)
		r.last.speaks(Datagram, false)
	}
	data, truncated := r.in.datagram(i)
	s.counts.bytes[Datagram].Add(uint64(len(data)))
	r.last.bytes.Add(uint64(len(data)))
	message := syslog.Datagram(data)
	if len(message) > s.cfg.MaxMessage {
		message, truncated = message[:s.cfg.MaxMessage], true
	}
	r.parsers[r.last.zone].Parse(message, received, m)
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

// close closes the socket, and removes the file of a local one that this
// process made.
func (p packetSocket) close() {
	p.Close()
	if p.endpoint.Network == Unixgram && !p.inherited {
		os.Remove(p.endpoint.Address)
	}
}
