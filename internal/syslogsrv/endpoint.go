package syslogsrv

import (
	"fmt"
	"net"
	"strings"
)

// Networks of an Endpoint.
const (
	TCP      = "tcp"
	UDP      = "udp"
	Unix     = "unix"     // stream socket in the file system
	Unixgram = "unixgram" // datagram socket in the file system
)

// Endpoint is one address to receive on.
type Endpoint struct {
	Network string // TCP, UDP, Unix or Unixgram
	Address string // HOST:PORT, or the path of a local socket
	TLS     bool   // TCP only: refuse whatever is not TLS (RFC 5425)
}

// Kind is the network, or "tls" for TCP that takes nothing else.
func (e Endpoint) Kind() string {
	if e.TLS {
		return "tls"
	}
	return e.Network
}

func (e Endpoint) String() string { return e.Kind() + ":" + e.Address }

// clashes tells whether the system gives only one of two addresses to a process.
func (e Endpoint) clashes(other Endpoint) bool {
	local := func(e Endpoint) bool { return e.Network == Unix || e.Network == Unixgram }
	switch {
	case local(e) && local(other):
		return e.Address == other.Address
	case e.Network != other.Network:
		return false
	}
	host, port, _ := net.SplitHostPort(e.Address)
	otherHost, otherPort, _ := net.SplitHostPort(other.Address)
	all := func(host string) bool { return host == "" || net.ParseIP(host).IsUnspecified() }
	return port == otherPort && (host == otherHost || all(host) || all(otherHost))
}

// ParseEndpoints reads NETWORK:ADDRESS, where NETWORK is tcp, udp, tls, unix or
// unixgram. Without a network it is both TCP and UDP on that HOST:PORT.
func ParseEndpoints(s string) ([]Endpoint, error) {
	network, address, ok := strings.Cut(s, ":")
	if !ok {
		return nil, fmt.Errorf("%q names no port: write HOST:PORT or :PORT, or unix:PATH", s)
	}
	switch network {
	case TCP, UDP, "tls":
		if err := checkHostPort(address); err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		if network == "tls" {
			return []Endpoint{{Network: TCP, Address: address, TLS: true}}, nil
		}
		return []Endpoint{{Network: network, Address: address}}, nil
	case Unix, Unixgram:
		if address == "" {
			return nil, fmt.Errorf("%q names no path", s)
		}
		return []Endpoint{{Network: network, Address: address}}, nil
	}
	if err := checkHostPort(s); err != nil {
		return nil, fmt.Errorf("%q: %w (networks are tcp, udp, tls, unix and unixgram)", s, err)
	}
	return []Endpoint{{Network: TCP, Address: s}, {Network: UDP, Address: s}}, nil
}
