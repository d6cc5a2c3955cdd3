package syslogsrv

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// handshakeGrace is how long a TLS handshake may go on while stopping.
const handshakeGrace = time.Second

// connections are the open ones.
type connections struct {
	mu    sync.Mutex
	open  map[*conn]struct{}
	group sync.WaitGroup
}

// serve takes over an accepted connection, or refuses it.
func (s *Server) serve(nc net.Conn, e Endpoint) {
	addr := peerAddr(nc.RemoteAddr())
	refuse := func(reason Reason) {
		s.refused.add(reason, addr, "")
		nc.Close()
	}
	if rules := s.rules.Load(); !rules.allows(addr) && !rules.isProxy(addr) {
		refuse(NotAllowed)
		return
	}
	c, err := newConn(s, nc, e, addr)
	if err != nil { // the socket is closed already
		return
	}
	if reason, ok := s.admit(c); !ok {
		refuse(reason)
		return
	}
	s.conns.mu.Lock()
	s.conns.open[c] = struct{}{}
	s.conns.mu.Unlock()
	if s.stopping.begun.Load() {
		c.drain()
	}
	s.conns.group.Go(c.run)
}

// admit finds the peer of c and counts c among its connections, within the
// limits. Those of a proxy are counted for the peers behind it.
func (s *Server) admit(c *conn) (why Reason, ok bool) {
	t := s.peers
	t.mu.Lock()
	defer t.mu.Unlock()
	p, rules := t.getLocked(c.addr), s.rules.Load()
	switch {
	case t.streams >= rules.connections:
		return TooMany, false
	case p.connections >= rules.perPeer && p.Addr.IsValid() && !rules.isProxy(c.addr):
		return TooManyOfPeer, false
	}
	t.streams++
	p.connections++
	c.peer = p
	return 0, true
}

// reassign counts c for the peer that its proxy named, if that may have more.
func (s *Server) reassign(c *conn, source netip.Addr) bool {
	t := s.peers
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.getLocked(source)
	if p.connections >= s.rules.Load().perPeer {
		return false
	}
	c.peer.connections--
	p.connections++
	c.peer = p
	c.share.own(source)
	return true
}

// dismiss forgets c, which has ended.
func (s *Server) dismiss(c *conn) {
	s.peers.mu.Lock()
	s.peers.streams--
	c.peer.connections--
	s.peers.mu.Unlock()
	s.conns.mu.Lock()
	delete(s.conns.open, c)
	s.conns.mu.Unlock()
}

// drainAll tells every connection that the server stops.
func (s *Server) drainAll() {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	for c := range s.conns.open {
		c.drain()
	}
}

// drain makes c end once it has read what its peer had sent by now. The peer
// is told that no more is wanted, and what it sends until it notices is read
// as well, for a time.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return
	}
	c.draining = true
	if c.relp != nil { // told when it is answered
		c.nc.SetReadDeadline(time.Unix(1, 0))
		return
	}
	// In this order the sum may be too large, if a read comes between or is under
	// way, but never too small.
	unread := 0
	c.raw.Control(func(fd uintptr) { unread, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	owed := int64(unread) + c.reading.Load()
	c.owed.Store(owed + c.total.Load())
	switch {
	case c.handshaking:
		c.nc.SetDeadline(time.Now().Add(handshakeGrace))
		return
	case c.secure != nil:
		c.secure.tls.CloseWrite()
	}
	c.nc.(interface{ CloseWrite() error }).CloseWrite()
	c.nc.SetReadDeadline(time.Now().Add(drainGrace))
}
