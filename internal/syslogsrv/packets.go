package syslogsrv

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// packetSocket is one bound datagram socket. It is not in the runtime's
// poller, which would wake up for each datagram even while nobody waits for it.
type packetSocket struct {
	fd       int
	endpoint Endpoint
	path     string // of a file to be removed at the end, if any
	buffer   int    // receive buffer in bytes, as the kernel accounts them
}

// addPackets takes over the socket of c, which is closed in any case. It asks
// for a large receive buffer, past the system's limit where the process may,
// and for the count of dropped datagrams.
func (s *Server) addPackets(c net.PacketConn, e Endpoint, inherited bool) error {
	defer c.Close() // takes it out of the poller as well
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	p := packetSocket{fd: -1, endpoint: e}
	if e.Network == Unixgram && !inherited {
		p.path = e.Address
	}
	err = control(raw, func(fd int) (err error) {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, s.cfg.UDPBuffer) != nil {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, s.cfg.UDPBuffer); err != nil {
				return err
			}
		}
		if p.buffer, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1); err != nil {
			return err
		}
		p.fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("prepare socket %s: %w", e, err)
	}
	s.packets = append(s.packets, p)
	return nil
}

func (p packetSocket) close() {
	unix.Close(p.fd)
	if p.path != "" {
		os.Remove(p.path)
	}
}

// forever is a limit for wait.
const forever = -1 * time.Millisecond

// wait returns when there is a datagram, or the bell has rung, or the time is
// up. It tells whether there is a datagram.
func (p packetSocket) wait(bell int, limit time.Duration) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}, {Fd: int32(bell), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, int(limit.Milliseconds()))
	if err == unix.EINTR {
		err = nil
	}
	return fds[0].Revents != 0, err
}

// wakeup is a bell that those who wait for datagrams hear; it does not stop
// ringing.
type wakeup struct {
	mu sync.Mutex
	fd int // eventfd(2); 0: none
}

func (w *wakeup) open() (err error) {
	w.fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return err
}

func (w *wakeup) ring() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd > 0 {
		unix.Write(w.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

func (w *wakeup) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd > 0 {
		unix.Close(w.fd)
		w.fd = 0
	}
}

// tellSmallBuffers says where the system did not grant what was asked for.
func (s *Server) tellSmallBuffers() {
	for i, p := range s.packets {
		got := p.buffer / 2 // the kernel doubles what it grants, for its own use
		if first := i == 0 || s.packets[i-1].endpoint != p.endpoint; first && got < s.cfg.UDPBuffer {
			s.log.Info("the system grants a small receive buffer: bursts of datagrams may be lost",
				"addr", p.endpoint, "bytes", got, "wanted", s.cfg.UDPBuffer, "hint", "sysctl net.core.rmem_max")
		}
	}
}
