package syslogsrv

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Socket is one that the service manager opened for this process. Exactly one
// of Listener and Packets is set.
type Socket struct {
	Name     string // FileDescriptorName= of the unit; often empty or "unknown"
	Endpoint Endpoint
	Listener net.Listener
	Packets  net.PacketConn
}

// Close closes the socket.
func (s Socket) Close() error {
	if s.Listener != nil {
		return s.Listener.Close()
	}
	return s.Packets.Close()
}

// TLSSocketName is the FileDescriptorName= of TCP sockets that take TLS only.
const TLSSocketName = "syslog-tls"

// Inherited takes over the sockets of systemd socket activation
// (sd_listen_fds(3)): LISTEN_FDS descriptors from 3 on, if LISTEN_PID is this
// process. It may be called once.
func Inherited(getenv func(string) string) ([]Socket, error) {
	if getenv("LISTEN_FDS") == "" || getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > 1024 {
		return nil, fmt.Errorf("LISTEN_FDS=%q is not a number of descriptors", getenv("LISTEN_FDS"))
	}
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	var sockets []Socket
	for i := range n {
		var name string
		if i < len(names) {
			name = names[i]
		}
		s, err := inherit(3+i, name)
		if err != nil {
			for _, s := range sockets {
				s.Close()
			}
			return nil, fmt.Errorf("descriptor %d (%q) of the service manager: %w", 3+i, name, err)
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
}

// inherit wraps one descriptor, which is closed in any case: the net package
// works on a duplicate.
func inherit(fd int, name string) (Socket, error) {
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	s := Socket{Name: name}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return s, fmt.Errorf("not a socket: %w", err)
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return s, err
	}
	_, local := address.(*unix.SockaddrUnix)
	switch kind {
	case unix.SOCK_STREAM:
		s.Endpoint.Network = TCP
		if local {
			s.Endpoint.Network = Unix
		}
		if s.Listener, err = net.FileListener(file); err != nil {
			return s, err
		}
		if l, ok := s.Listener.(*net.UnixListener); ok {
			l.SetUnlinkOnClose(false) // the file is the service manager's
		}
		s.Endpoint.Address = s.Listener.Addr().String()
		s.Endpoint.TLS = name == TLSSocketName && !local
	case unix.SOCK_DGRAM:
		s.Endpoint.Network = UDP
		if local {
			s.Endpoint.Network = Unixgram
		}
		if s.Packets, err = net.FilePacketConn(file); err != nil {
			return s, err
		}
		s.Endpoint.Address = s.Packets.LocalAddr().String()
	default:
		return s, fmt.Errorf("socket type %d is neither stream nor datagram", kind)
	}
	return s, nil
}
