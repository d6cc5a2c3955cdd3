package syslogsrv

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/syslog"
)

// drainGrace is how long a connection must be quiet, while stopping, to count
// as read to its end: time for what is on its way.
const drainGrace = 250 * time.Millisecond

// sniffSize is enough to tell the protocol, and for a PROXY header.
const sniffSize = 8 << 10

// conn is one stream connection. Its goroutine reads, frames, parses and hands
// over; while it waits for input it holds no buffer but the unfinished message.
type conn struct {
	srv      *Server
	nc       net.Conn
	raw      syscall.RawConn
	endpoint Endpoint
	addr     netip.Addr   // of the other end of nc; invalid for a local socket
	peer     *peer        // whose messages these are; replaced by a believed PROXY header
	secure   *secureLayer // nil: plain; changed under mu

	stage    stage
	proxied  bool // a PROXY header was read
	guess    bool // the time for telling the protocol is up
	protocol Protocol
	framer   syslog.Framer
	counted  syslog.Framer // framer's counts as far as they are in the server's
	parser   syslog.Parser
	rules    *rules       // those that parser is under, once framed
	relp     *relpSession // nil: another protocol; changed under mu

	work  *batch // while pump works
	held  []byte // input not worked off yet, between reads
	share share  // of the memory for unfinished messages, taken by held
	end   error  // why reading ended

	gathering gathering

	reading atomic.Int64 // bytes that a read under way may take and has not added to total
	total   atomic.Int64 // bytes read from the socket
	owed    atomic.Int64 // what total must reach for everything sent before the stop to be read

	mu            sync.Mutex
	handshaking   bool
	draining      bool
	sniffDeadline time.Time // zero: none
}

// stage is what the next bytes mean.
type stage int

const (
	sniffing  stage = iota // the protocol is to be told by them
	handshake              // TLS, once the layer is set up
	framed                 // messages
)

// Why reading ended, apart from errors of the socket.
var (
	errRefused  = errors.New("refused")
	errStopped  = errors.New("the time for stopping is up")
	errDrained  = errors.New("read to its end while stopping")
	errAnswered = errors.New("nothing more can be answered")
)

func newConn(s *Server, nc net.Conn, e Endpoint, addr netip.Addr) (*conn, error) {
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &conn{srv: s, nc: nc, raw: raw, endpoint: e, addr: addr, framer: syslog.Framer{Max: s.cfg.MaxMessage}}
	c.share = share{of: s.partials, owner: addr, wake: func() { nc.SetReadDeadline(time.Unix(1, 0)) }}
	return c, nil
}

// run serves the connection to its end.
func (c *conn) run() {
	defer c.close()
	defer func() {
		if fault := recover(); fault != nil {
			c.srv.fault(c.addr, fault, debug.Stack())
		}
	}()
	for c.end == nil {
		err := c.raw.Read(c.pump)
		switch {
		case c.end != nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.onDeadline()
		case err != nil:
			c.end = err
		case c.stage == handshake:
			c.end = c.startTLS()
		}
		if c.end == nil && !c.share.settle() {
			c.refuse(BufferShort, "")
		}
	}
	c.finish()
}

// pump reads and works off what there is, holding a batch meanwhile. It
// answers false to be called again when there is more to read.
func (c *conn) pump(fd uintptr) bool {
	for c.end == nil {
		if c.relp.isAnswered() {
			c.end = errAnswered
			break
		}
		if c.mayStop() {
			c.end = errDrained
			break
		}
		if c.srv.stopping.expired() || !c.lease() {
			c.end = errStopped
			break
		}
		buf := c.room()
		if c.stage == sniffing {
			buf = buf[:sniffSize] // no more than may have to be put back in front of TLS
		}
		if c.srv.partials.short() {
			if c.share.size > 0 {
				c.release()
				break // to wait for its turn
			}
			buf = buf[:2*freePartial]
		}
		n, err := c.read(int(fd), buf[len(c.held):])
		if n > 0 {
			data := buf[:len(c.held)+n]
			c.keep(c.process(data, false))
		}
		c.release()
		empty := err == unix.EAGAIN
		if empty || err == nil && c.mayGather() && c.gathering.small(n) {
			if err = c.await(int(fd), empty); err == nil {
				return false
			}
		}
		if err != nil && c.end == nil {
			c.end = err
		}
		if c.stage == handshake || c.share.size > 0 {
			break // to be dealt with outside, without a batch
		}
	}
	return true
}

// mayGather tells whether input may come together before it is read. RELP clients
// wait for acknowledgements, and would send less for it.
func (c *conn) mayGather() bool {
	return c.stage == framed && c.relp == nil && c.share.size == 0 && c.end == nil && !c.srv.stopping.begun.Load()
}

// await prepares the socket for waiting: until something comes, or for what comes
// together in a pause. empty says that there was nothing to be read now.
func (c *conn) await(fd int, empty bool) error {
	g := &c.gathering
	switch {
	case !empty || g.on && g.found:
		return g.pause(fd, c.nc)
	case g.on:
		c.arm()
		return g.end(fd)
	}
	return nil
}

// mayStop tells whether a peer that sends on and on has had its due: all that
// it had sent before the stop is read, and it had time to notice.
func (c *conn) mayStop() bool {
	s := &c.srv.stopping
	if !s.begun.Load() {
		return false
	}
	if c.relp != nil {
		return true // the client has what is not acknowledged
	}
	owed := c.owed.Load()
	return owed > 0 && c.total.Load() >= owed && time.Now().UnixNano() >= s.noticed.Load()
}

func (c *conn) read(fd int, p []byte) (n int, err error) {
	const tlsRecord = 32 << 10 // and more; it is read whole
	c.reading.Store(int64(max(len(p), tlsRecord)))
	defer c.reading.Store(0)
	if c.secure != nil {
		return c.secure.readSome(fd, p)
	}
	n, err = readFD(fd, p)
	c.total.Add(int64(n))
	return n, err
}

// readFD is read(2), with io.EOF at the end.
func readFD(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (c *conn) lease() bool {
	c.work = c.srv.batches.take(c.srv.stopping.hard)
	return c.work != nil
}

func (c *conn) release() {
	c.srv.batches.give(c.work)
	c.work = nil
}

// room is a buffer that begins with what is held and has space behind it.
func (c *conn) room() []byte {
	if len(c.held) < largePartial {
		copy(c.work.buf, c.held)
		return c.work.buf
	}
	return c.held[:cap(c.held)]
}

// keep holds rest, which is a part of the buffer from room, until the next
// read, in memory of about its size.
func (c *conn) keep(rest []byte) {
	switch {
	case len(rest) < largePartial:
		if size := sizeFor(len(rest)); cap(c.held) < len(rest) || cap(c.held) > max(2*size, freePartial) {
			c.held = make([]byte, 0, size)
		}
		c.held = append(c.held[:0], rest...)
	case cap(c.held)-len(rest) < largePartial:
		held := make([]byte, len(rest), len(rest)+readSize)
		copy(held, rest)
		c.held = held
	default:
		c.held = append(c.held[:0], rest...)
	}
	if size := cap(c.held); size > freePartial {
		c.share.set(size)
	} else {
		c.share.set(0)
	}
}

// sizeFor rounds up to a power of two, from 512 on; nothing takes nothing.
func sizeFor(n int) int {
	if n == 0 {
		return 0
	}
	size := 512
	for size < n {
		size *= 2
	}
	return size
}

// process works off data, which is all of the input that is here, and returns
// what is left of it. end says that no more will come.
func (c *conn) process(data []byte, end bool) (rest []byte) {
	for c.stage == sniffing && c.end != errRefused {
		n := c.sniff(data, end || c.guess)
		data = data[n:]
		if n == 0 && c.stage == sniffing {
			return data
		}
	}
	switch {
	case c.stage != framed:
		return data
	case !c.obey():
		return nil
	case c.relp != nil:
		return c.deliverRELP(data)
	case c.protocol == RELP: // too late for a session
		return nil
	default:
		return data[c.deliver(data, end):]
	}
}

// again works off what is held once more, because there will not be more or
// not soon.
func (c *conn) again(end bool) bool {
	if !c.lease() {
		return false
	}
	data := c.room()[:len(c.held)]
	c.keep(c.process(data, end))
	c.release()
	return true
}

// onDeadline finds out which of the deadlines has passed.
func (c *conn) onDeadline() {
	c.mu.Lock()
	draining, sniffDeadline := c.draining, c.sniffDeadline
	c.mu.Unlock()
	switch {
	case c.relp.isAnswered():
		c.end = errAnswered
		return
	case c.gathering.on: // read what has come together
		if draining {
			c.raw.Control(func(fd uintptr) { c.gathering.end(int(fd)) })
		}
	case draining && (c.relp != nil || c.srv.stopping.expired() || !readable(c.nc.(syscall.Conn))):
		c.end = errDrained
		return
	case !sniffDeadline.IsZero() && !time.Now().Before(sniffDeadline):
		c.guess = true
		if !c.again(false) {
			c.end = errStopped
		}
	}
	c.arm()
}

// arm sets the deadline of the socket for what it waits for next.
func (c *conn) arm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.relp.isAnswered():
		c.nc.SetReadDeadline(time.Unix(1, 0))
	case c.draining:
		c.nc.SetReadDeadline(time.Now().Add(drainGrace))
	default:
		c.nc.SetReadDeadline(c.sniffDeadline)
	}
}

// setSniffDeadline bounds the time for telling the protocol; zero: not at all.
func (c *conn) setSniffDeadline(t time.Time) {
	c.mu.Lock()
	same := c.sniffDeadline.Equal(t)
	c.sniffDeadline = t
	c.mu.Unlock()
	if !same {
		c.arm()
	}
}

// refuse ends the connection for a reason that is counted.
func (c *conn) refuse(reason Reason, detail string) {
	c.srv.refused.add(reason, c.addr, detail)
	if c.end == nil {
		c.end = errRefused
	}
}

// finish hands over what is left when reading has ended.
func (c *conn) finish() {
	if c.end == errRefused && c.stage != framed {
		return // nothing of it was a message
	}
	if c.stage == handshake {
		return
	}
	if c.relp != nil {
		c.finishRELP()
		return
	}
	handedOver := c.again(true)
	if c.relp != nil { // told by the last bytes
		c.finishRELP()
		return
	}
	if !handedOver && len(c.held) > 0 || c.end == errStopped && c.total.Load() < c.owed.Load() {
		c.srv.refused.add(DrainTimedOut, c.addr, "")
	}
	c.srv.log.Debug("connection ended", "peer", c.peer.Name, "cause", c.end)
}

// close gives back all that the connection has, whatever happened.
func (c *conn) close() {
	if c.work != nil {
		c.release()
	}
	c.share.set(0)
	if c.protocol == Undecided {
		c.srv.counts.connections[Undecided].Add(1)
	}
	if c.secure != nil {
		c.secure.tls.Close()
	}
	c.nc.Close()
	if c.relp != nil {
		c.relp.abort()
		c.leaveClaims()
	}
	c.srv.dismiss(c)
}
