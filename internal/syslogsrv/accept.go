package syslogsrv

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// acceptGrace is the step in which a stopping listener looks whether peers are
// still waiting to be accepted.
const acceptGrace = 50 * time.Millisecond

// accept takes connections until ctx ends, and then those that the kernel had
// already established. It never waits for a peer.
func (s *Server) accept(ctx context.Context, l listener) error {
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { setDeadline(l.Listener, time.Now().Add(acceptGrace)) })
	defer stop()
	backoff := time.Duration(0)
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			backoff = 0
			s.serve(nc, l.endpoint)
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
			if s.stopping.expired() || !readable(l.Listener.(syscall.Conn)) {
				return nil
			}
			setDeadline(l.Listener, time.Now().Add(acceptGrace))
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			if s.spare.refuseOne(l.Listener, s.refused) {
				backoff = 0
			}
			if ctx.Err() != nil { // its deadline took the place of the one for stopping
				setDeadline(l.Listener, time.Now().Add(acceptGrace))
			}
			backoff = nextBackoff(backoff)
			sleep(ctx, backoff)
		case errors.Is(err, net.ErrClosed):
			return err
		default: // such as ECONNABORTED, ENOBUFS: of this peer, or passing
			s.log.Warn("accept failed", "addr", l.endpoint.Address, "err", err)
			backoff = nextBackoff(backoff)
			sleep(ctx, backoff)
		}
	}
}

// nextBackoff doubles from 10 ms to 1 s.
func nextBackoff(d time.Duration) time.Duration {
	return min(max(2*d, 10*time.Millisecond), time.Second)
}

func setDeadline(l net.Listener, t time.Time) {
	l.(interface{ SetDeadline(time.Time) error }).SetDeadline(t)
}

// readable tells whether a read or accept would find something at once.
func readable(c syscall.Conn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	ready := false
	raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		ready = err == nil && n > 0 && fds[0].Revents&unix.POLLIN != 0
	})
	return ready
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// peerAddr is the address of the far end; invalid for a local socket.
func peerAddr(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// spare is a descriptor held back for the moment when there are no more: it is
// given up to accept one peer and close it at once, so that the peer learns
// that it is refused and the listener does not spin.
type spare struct {
	mu   sync.Mutex
	file *os.File
}

func (s *spare) open() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file, err = os.Open(os.DevNull)
	return err
}

func (s *spare) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// refuseOne answers whether there was somebody to refuse.
func (s *spare) refuseOne(l net.Listener, refused *refusals) (done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.file.Close()
		s.file = nil
		// The peer may be gone by now; waiting for the next would hold the lock.
		setDeadline(l, time.Now().Add(10*time.Millisecond))
		if nc, err := l.Accept(); err == nil {
			refused.add(NoDescriptors, peerAddr(nc.RemoteAddr()), "")
			nc.Close()
			done = true
		}
		setDeadline(l, time.Time{})
	}
	s.file, _ = os.Open(os.DevNull) // without one, the next failure tries again
	return done
}
