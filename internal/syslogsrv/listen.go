package syslogsrv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ListenError tells which address could not be bound. Err is the system's
// error, so that errors.Is finds syscall.EADDRINUSE and syscall.EACCES in it.
type ListenError struct {
	Endpoint Endpoint
	Err      error
}

func (e *ListenError) Error() string { return fmt.Sprintf("listen on %s: %v", e.Endpoint, e.Err) }
func (e *ListenError) Unwrap() error { return e.Err }

// TwiceError is a ListenError's Err where the address is taken by a socket that
// the Server opened itself, or inherited.
type TwiceError struct{ First Endpoint }

func (e *TwiceError) Error() string { return fmt.Sprintf("%s is listened on already", e.First) }

// listener is a bound stream socket.
type listener struct {
	net.Listener
	endpoint Endpoint // as bound: with the port that the kernel chose
}

// keepAlive finds peers that are gone without a word in about three minutes;
// connections have no other idle limit.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 20 * time.Second, Count: 6}

func checkHostPort(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New("not HOST:PORT")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	return nil
}

// bind opens every endpoint, or none.
func (s *Server) bind(endpoints []Endpoint) error {
	for i, e := range endpoints {
		// Port 0 for both TCP and UDP means the same free port for both.
		if e.Network == UDP && i > 0 && endpoints[i-1].Network == TCP && endpoints[i-1].Address == e.Address && portZero(e.Address) {
			e.Address = s.listeners[len(s.listeners)-1].endpoint.Address
		}
		err := s.bindOne(e)
		if errors.Is(err, syscall.EADDRINUSE) {
			for _, own := range s.Bound() {
				if own.clashes(e) {
					err = &TwiceError{own}
				}
			}
		}
		if err != nil {
			return &ListenError{Endpoint: e, Err: err}
		}
	}
	return nil
}

func portZero(address string) bool {
	_, port, _ := net.SplitHostPort(address)
	n, err := strconv.Atoi(port)
	return err == nil && n == 0
}

func (s *Server) bindOne(e Endpoint) error {
	switch e.Network {
	case TCP:
		lc := net.ListenConfig{KeepAliveConfig: keepAlive}
		l, err := lc.Listen(context.Background(), "tcp", e.Address)
		if err != nil {
			return err
		}
		e.Address = l.Addr().String()
		s.listeners = append(s.listeners, listener{l, e})
	case UDP:
		return s.bindUDP(e)
	case Unix:
		if err := removeStale(e); err != nil {
			return err
		}
		l, err := net.Listen("unix", e.Address)
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, listener{l, e})
		return os.Chmod(e.Address, 0o666)
	case Unixgram:
		if err := removeStale(e); err != nil {
			return err
		}
		c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: e.Address, Net: "unixgram"})
		if err != nil {
			return err
		}
		if err := s.addPackets(c, e, false); err != nil {
			return err
		}
		return os.Chmod(e.Address, 0o666)
	default:
		return fmt.Errorf("unknown network %q", e.Network)
	}
	return nil
}

// bindUDP opens several sockets on one address, among which the kernel spreads
// the senders. SO_REUSEPORT would also let two servers share the port without
// noticing, so that a socket without it asks first whether the port is free.
func (s *Server) bindUDP(e Endpoint) error {
	probe, err := net.ListenPacket("udp", e.Address)
	if err != nil {
		return err
	}
	e.Address = probe.LocalAddr().String()
	if err := probe.Close(); err != nil {
		return err
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return control(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	for range s.cfg.UDPSockets {
		c, err := lc.ListenPacket(context.Background(), "udp", e.Address)
		if err != nil {
			return err
		}
		if err := s.addPackets(c, e, false); err != nil {
			return err
		}
	}
	return nil
}

// control runs f on the descriptor of c.
func control(c syscall.RawConn, f func(fd int) error) error {
	var ferr error
	if err := c.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}

// removeStale removes a socket file that nobody answers on, such as one left
// behind by a killed process. Anything else that stands there stays.
func removeStale(e Endpoint) error {
	info, err := os.Lstat(e.Address)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket", e.Address)
	}
	c, err := net.DialTimeout(e.Network, e.Address, time.Second)
	if err == nil {
		c.Close()
		return syscall.EADDRINUSE
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s exists and cannot be told stale: %w", e.Address, err)
	}
	return os.Remove(e.Address)
}
