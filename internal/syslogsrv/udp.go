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
			if err := r.handle(n); err != nil && s.stopping.begun.Load() {
				return nil
			}
			if s.stopping.expired() {
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
			sleep(ctx, 10*time.Millisecond)
		}
	}
}

// handle parses n datagrams and hands them over.
func (r *datagramReceiver) handle(n int) error {
	defer func() {
		if fault := recover(); fault != nil {
			r.srv.fault(netip.Addr{}, fault, debug.Stack())
		}
	}()
	s := r.srv
	received := time.Now()
	msgs := r.msgs[:0]
	size := 0
	for i := range n {
		from := r.in.from(i)
		if r.last == nil || r.last.Addr != from {
			if !s.rules.allows(from) {
				s.refused.add(NotAllowed, from, "")
				continue
			}
			r.last = s.peers.get(from)
			r.last.speaks(Datagram, false)
		}
		data, truncated := r.in.datagram(i)
		size += len(data)
		r.last.bytes.Add(uint64(len(data)))
		message := syslog.Datagram(data)
		m := &r.msgs[len(msgs)]
		if len(message) > s.cfg.MaxMessage {
			message, truncated = message[:s.cfg.MaxMessage], true
		}
		r.parsers[r.last.zone].Parse(message, received, m)
		if len(message) == 0 || m.Empty() {
			s.counts.empty.Add(1)
			continue
		}
		if truncated {
			m.Flags |= syslog.Truncated
		}
		m.From = &r.last.Peer
		r.last.saw(received, 1)
		msgs = r.msgs[:len(msgs)+1]
	}
	s.counts.bytes[Datagram].Add(uint64(size))
	if dropped, ok := r.in.dropped(n - 1); ok && dropped != r.dropped {
		s.counts.dropped.Add(uint64(dropped - r.dropped)) // wraps as the kernel's count does
		r.dropped = dropped
	}
	if len(msgs) == 0 {
		return nil
	}
	return s.submit(received, msgs, Datagram)
}

// close closes the socket, and removes the file of a local one that this
// process made.
func (p packetSocket) close() {
	p.Close()
	if p.endpoint.Network == Unixgram && !p.inherited {
		os.Remove(p.endpoint.Address)
	}
}
