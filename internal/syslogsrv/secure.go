package syslogsrv

import (
	"container/list"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// secureLayer is TLS over the socket of a conn. During the handshake it waits
// like any connection, under the deadline of the socket; afterwards it reads
// without waiting, so that no buffer is held while there is no input.
type secureLayer struct {
	net.Conn // the socket
	raw      syscall.RawConn
	tls      *tls.Conn
	prefix   []byte        // read from the socket before the layer was set up
	total    *atomic.Int64 // bytes read from the socket

	computing chan struct{} // see handshakes; nil after the handshake
	fd        int           // valid while readSome runs

	// gather keeps what is written until flush, so that neither reading nor
	// tls.Conn's locks ever wait for the peer. Set before there is more than one
	// goroutine.
	gather bool
	mu     sync.Mutex
	unsent []byte // under mu
}

// handshakes bounds what TLS handshakes cost: processor time, of which most of
// the others are to have half at least, and memory.
type handshakes struct {
	// computing holds one for each handshake that computes at present. A
	// place is given up while waiting for the peer.
	computing chan struct{}
	limit     int // under way

	mu       sync.Mutex
	underWay list.List // of net.Conn, the oldest in front
}

// enter adds a handshake on nc. When there are too many, the one that has
// taken longest times out: peers that mean it are done in no time. leave must
// be called at its end.
func (h *handshakes) enter(nc net.Conn) (leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.underWay.PushBack(nc)
	if h.underWay.Len() > h.limit {
		h.underWay.Remove(h.underWay.Front()).(net.Conn).SetDeadline(time.Unix(1, 0))
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.underWay.Remove(e) // which does nothing if it was pushed out
	}
}

// errWouldBlock tells tls.Conn that there is no input: an error that is
// temporary does not end the connection.
type errWouldBlock struct{}

func (errWouldBlock) Error() string   { return "no input yet" }
func (errWouldBlock) Timeout() bool   { return true }
func (errWouldBlock) Temporary() bool { return true }

// handshake runs until the deadline of the socket at the latest.
func (l *secureLayer) handshake(config *tls.Config, computing chan struct{}) error {
	l.computing = computing
	l.tls = tls.Server(l, config)
	computing <- struct{}{}
	defer func() {
		<-computing
		l.computing = nil
	}()
	return l.tls.Handshake()
}

// readSome fills p as far as there is input. After some bytes there is no
// error; without any it is unix.EAGAIN, io.EOF or what is wrong.
func (l *secureLayer) readSome(fd int, p []byte) (n int, err error) {
	l.fd = fd
	for n < len(p) {
		m, err := l.tls.Read(p[n:])
		n += m
		switch {
		case err == nil:
		case n > 0: // an error that stays is met again
			return n, nil
		case err == errWouldBlock{}:
			return 0, unix.EAGAIN
		case err == io.ErrUnexpectedEOF:
			return 0, io.EOF // closed without close_notify, as most senders do
		default:
			return 0, err
		}
	}
	return n, nil
}

// Read implements net.Conn for tls.Conn.
func (l *secureLayer) Read(p []byte) (n int, err error) {
	if len(l.prefix) > 0 {
		n := copy(p, l.prefix)
		l.prefix = l.prefix[n:]
		return n, nil
	}
	if l.computing != nil {
		n, err = l.waiting(l.Conn.Read, p)
	} else {
		n, err = readFD(l.fd, p)
	}
	l.total.Add(int64(n))
	if err == unix.EAGAIN {
		return 0, errWouldBlock{}
	}
	return n, err
}

// maxUnsent bounds what is gathered, in bytes. It is more than one write of
// answers; tls.Conn adds its own records only now and then.
const maxUnsent = 64 << 10

// Write implements net.Conn for tls.Conn. Where nothing is gathered, what there
// is to say fits in the socket's buffer; a peer that does not take it is not
// waited for.
func (l *secureLayer) Write(p []byte) (n int, err error) {
	if l.computing != nil {
		return l.waiting(l.Conn.Write, p)
	}
	if l.gather {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.unsent)+len(p) > maxUnsent {
			return 0, io.ErrShortWrite
		}
		l.unsent = append(l.unsent, p...)
		return len(p), nil
	}
	if rawErr := l.raw.Write(func(fd uintptr) bool {
		n, err = unix.Write(int(fd), p)
		return true
	}); rawErr != nil {
		return 0, rawErr
	}
	if err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// waiting does f without a place among those that compute.
func (l *secureLayer) waiting(f func([]byte) (int, error), p []byte) (int, error) {
	<-l.computing
	defer func() { l.computing <- struct{}{} }()
	return f(p)
}

// flush writes what was gathered, within the write deadline of the socket. One
// goroutine at a time may call it.
func (l *secureLayer) flush() error {
	l.mu.Lock()
	out := l.unsent
	l.unsent = nil
	l.mu.Unlock()
	_, err := l.Conn.Write(out)
	return err
}

// leave says by TLS's own means that no more will come from this side.
func (l *secureLayer) leave(deadline time.Time) error {
	if err := l.tls.CloseWrite(); err != nil {
		return err
	}
	if err := l.Conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	return l.flush()
}

// SetWriteDeadline keeps tls.Conn's own limit for its last words off: Write
// does not wait.
func (l *secureLayer) SetWriteDeadline(time.Time) error { return nil }
