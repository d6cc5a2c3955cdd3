package syslogsrv

import (
	"errors"
	"os"
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

// What is said to peers that expect an answer. None of it can block: it is
// the first that is written to the socket.
const (
	relpClose = "0 serverclose 0\n"
	httpSorry = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 51\r\n\r\n" +
		"This port takes syslog. Logs are served on others.\n"
)

// sniff tells by the first bytes what the connection speaks: the table of
// [syslog.Sniff], once for the socket and once more inside TLS. It returns how
// much is done with.
func (c *conn) sniff(first []byte, final bool) (done int) {
	protocol, decided := syslog.Sniff(first, final)
	if !decided {
		c.awaitMore(first)
		return 0
	}
	if len(first) == 0 {
		c.stage = framed // closed without a word
		return 0
	}
	if c.endpoint.TLS && c.secure == nil && protocol != syslog.TLS && protocol != syslog.TLSLate && protocol != syslog.ProxyV1 && protocol != syslog.ProxyV2 {
		c.refuse(TLSRequired, "")
		return 0
	}
	switch protocol {
	case syslog.TLS:
		if c.srv.cfg.TLS == nil || c.secure != nil {
			c.refuse(TLSNotOffered, "")
			return 0
		}
		c.setSniffDeadline(time.Time{})
		c.stage = handshake
		return 0
	case syslog.TLSLate:
		c.refuse(TLSFailed, "a TLS record that begins no handshake")
		return 0
	case syslog.RELP:
		if !c.mayTalk() {
			return 0
		}
		c.speaks(RELP)
		c.startRELP()
		return 0
	case syslog.RELPLate:
		c.speaks(RELP)
		c.answer(relpClose)
		c.refuse(RELPSequence, "")
		return 0
	case syslog.HTTP:
		c.speaks(HTTP)
		c.answer(httpSorry)
		c.refuse(NotSyslog, "")
		return 0
	case syslog.ProxyV1, syslog.ProxyV2:
		if !c.proxied {
			return c.readProxy(first, final)
		}
	}
	if !c.mayTalk() {
		return 0
	}
	if protocol == syslog.Octet {
		c.speaks(OctetCounted)
	} else {
		c.speaks(Lines)
	}
	return 0
}

// mayTalk lets messages come, unless they are refused for whose they are.
func (c *conn) mayTalk() bool {
	c.rules = c.srv.rules.Load()
	if !c.rules.allows(c.peer.Addr) {
		c.refuse(NotAllowed, "a proxy that sends no PROXY header")
		return false
	}
	c.setSniffDeadline(time.Time{})
	c.stage = framed
	c.parser.Zone = c.rules.zoneOf(c.peer.Addr)
	return true
}

// obey takes over rules that have changed. It answers false where the peer may
// not send any more.
func (c *conn) obey() bool {
	rules := c.srv.rules.Load()
	if rules == c.rules {
		return true
	}
	c.rules = rules
	if !rules.allows(c.peer.Addr) {
		c.refuse(NotAllowed, "the rules have changed")
		return false
	}
	c.parser = syslog.Parser{Zone: rules.zoneOf(c.peer.Addr)} // a parser keeps its zone
	return true
}

// awaitMore starts the clock for the rest of what tells the protocol.
func (c *conn) awaitMore(first []byte) {
	c.mu.Lock()
	running := !c.sniffDeadline.IsZero()
	c.mu.Unlock()
	if len(first) > 0 && !running {
		c.setSniffDeadline(time.Now().Add(c.srv.cfg.FirstByteTimeout))
	}
}

// readProxy reads a PROXY header. A listed proxy is believed; what anybody
// else claims is passed over, so that messages behind it are kept as theirs.
func (c *conn) readProxy(first []byte, final bool) (done int) {
	rules := c.srv.rules.Load()
	listed := rules.isProxy(c.addr)
	header, err := syslog.ParseProxy(first)
	switch {
	case errors.Is(err, syslog.ErrShort) && !final:
		c.awaitMore(first)
		return 0
	case err != nil:
		c.refuse(ProxyBad, err.Error())
		return 0
	}
	c.proxied = true
	c.guess = false
	c.setSniffDeadline(time.Time{})
	switch {
	case !listed:
		c.srv.refused.add(ProxyUnlisted, c.addr, "")
	case header.Source.IsValid():
		source := header.Source.Addr()
		if !rules.allows(source) {
			c.srv.refused.add(NotAllowed, source, "behind proxy "+c.addr.String())
			c.end = errRefused
			return header.Len
		}
		if !c.srv.reassign(c, source) {
			c.srv.refused.add(TooManyOfPeer, source, "behind proxy "+c.addr.String())
			c.end = errRefused
		}
	}
	return header.Len
}

// speaks notes the protocol for the statistics.
func (c *conn) speaks(p Protocol) {
	c.protocol = p
	c.peer.speaks(p, c.secure != nil)
	c.srv.counts.connections[p].Add(1)
}

// answer writes what fits into the socket's buffer.
func (c *conn) answer(s string) {
	c.nc.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	if c.secure != nil {
		c.secure.tls.Write([]byte(s))
		return
	}
	c.nc.Write([]byte(s))
}

// startTLS sets up TLS over what the sniffing has left, within its deadline.
func (c *conn) startTLS() error {
	layer := &secureLayer{Conn: c.nc, raw: c.raw, prefix: c.held, total: &c.total}
	c.held = nil
	c.share.set(0)
	c.mu.Lock()
	c.handshaking = true
	limit := c.srv.cfg.HandshakeTimeout
	if c.draining {
		limit = handshakeGrace
	}
	c.nc.SetDeadline(time.Now().Add(limit))
	c.mu.Unlock()
	leave := c.srv.handshakes.enter(c.nc)
	err := layer.handshake(c.srv.cfg.TLS.current.Load(), c.srv.handshakes.computing)
	leave()
	c.mu.Lock()
	c.handshaking = false
	if err == nil {
		c.secure = layer
	}
	c.mu.Unlock()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.refuse(TLSTimeout, "")
	case err != nil:
		c.refuse(TLSFailed, err.Error())
	default:
		c.srv.counts.tls.Add(1)
		c.stage = sniffing
		c.guess = false
		c.nc.SetWriteDeadline(time.Time{})
		c.arm()
	}
	return c.end
}
