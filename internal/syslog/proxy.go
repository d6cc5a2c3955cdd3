package syslog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// ProxyHeader is the header of a connection that a proxy passes on.
type ProxyHeader struct {
	// Source is the peer of the proxy. It is not valid where the header names
	// none (LOCAL, UNKNOWN, or an address that is neither IPv4 nor IPv6):
	// the peer of the connection itself stands then.
	Source netip.AddrPort
	Len    int // of the header, in bytes
}

// ErrShort says that more bytes are needed.
var ErrShort = errors.New("syslog: PROXY header: more bytes needed")

const (
	proxyV2Signature = "\r\n\r\n\x00\r\nQUIT\n"
	// The longest headers that are taken, in bytes: the one by the
	// specification, with CR LF; the other with room for what a proxy tells
	// beside the addresses.
	proxyV1Max = 107
	proxyV2Max = 16 + 4096
)

var proxyV1Starts = [...]string{"PROXY TCP4 ", "PROXY TCP6 ", "PROXY UNKNOWN"}

// ParseProxy reads the PROXY protocol header of version 1 or 2 at the start of
// b (haproxy.org, proxy-protocol.txt, sections 2.1 and 2.2). The error is
// ErrShort where b, of less than 4112 bytes, ends inside the header; any other
// one is the sender's fault, and the connection is to be closed.
func ParseProxy(b []byte) (ProxyHeader, error) {
	if n := min(len(b), len(proxyV2Signature)); string(b[:n]) == proxyV2Signature[:n] {
		return parseProxyV2(b)
	}
	return parseProxyV1(b)
}

// parseProxyV1 reads "PROXY TCP4 source destination port port" CR LF.
func parseProxyV1(b []byte) (h ProxyHeader, err error) {
	const start = "PROXY "
	if n := min(len(b), len(start)); string(b[:n]) != start[:n] {
		return h, errors.New("PROXY header: signature missing")
	}
	end := bytes.IndexByte(b[:min(len(b), proxyV1Max)], '\n')
	switch {
	case end < 0 && len(b) < proxyV1Max:
		return h, ErrShort
	case end < 0:
		return h, fmt.Errorf("PROXY header: longer than %d bytes", proxyV1Max)
	case b[end-1] != '\r':
		return h, errors.New("PROXY header: LF without CR")
	}
	h.Len = end + 1
	fields := bytes.Split(b[len(start):end-1], []byte(" "))
	if string(fields[0]) == "UNKNOWN" {
		return h, nil
	}
	is4 := string(fields[0]) == "TCP4"
	if !is4 && string(fields[0]) != "TCP6" || len(fields) != 5 {
		return ProxyHeader{}, fmt.Errorf("PROXY header: %q: want TCP4 or TCP6, two addresses and two ports", b[:end-1])
	}
	for i := 1; i <= 2; i++ {
		addr, err := netip.ParseAddr(string(fields[i]))
		if err != nil || addr.Is4() != is4 || addr.Zone() != "" {
			return ProxyHeader{}, fmt.Errorf("PROXY header: %q is no address of %s", fields[i], fields[0])
		}
		port, ok := proxyPort(fields[i+2])
		if !ok {
			return ProxyHeader{}, fmt.Errorf("PROXY header: %q is no port", fields[i+2])
		}
		if i == 1 {
			h.Source = netip.AddrPortFrom(addr.Unmap(), port)
		}
	}
	return h, nil
}

// proxyPort reads a port in decimal without leading zeros.
func proxyPort(b []byte) (port uint16, ok bool) {
	n := 0
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int(c-'0')
		if n > 65535 {
			return 0, false
		}
	}
	return uint16(n), len(b) == 1 || len(b) > 1 && b[0] != '0'
}

// parseProxyV2 reads the binary header: signature, version and command, family
// and transport, length, addresses, and extensions, which are passed over.
func parseProxyV2(b []byte) (h ProxyHeader, err error) {
	const fixed = 16
	if len(b) < fixed {
		if len(b) > 12 && b[12]>>4 != 2 {
			return h, fmt.Errorf("PROXY header: version %d: want 2", b[12]>>4)
		}
		return h, ErrShort
	}
	version, command := b[12]>>4, b[12]&15
	family, transport := b[13]>>4, b[13]&15
	size := int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case version != 2:
		return h, fmt.Errorf("PROXY header: version %d: want 2", version)
	case command > 1:
		return h, fmt.Errorf("PROXY header: command %d: want LOCAL (0) or PROXY (1)", command)
	case fixed+size > proxyV2Max:
		return h, fmt.Errorf("PROXY header: %d bytes: want %d at most", fixed+size, proxyV2Max)
	case len(b) < fixed+size:
		return h, ErrShort
	}
	h.Len = fixed + size
	if command == 0 {
		return h, nil
	}
	addresses := b[fixed:h.Len]
	switch {
	case transport > 2 || family > 3:
		return ProxyHeader{}, fmt.Errorf("PROXY header: family and transport %#02x are not specified", b[13])
	case family == 1 && size < 12, family == 2 && size < 36, family == 3 && size < 216:
		return ProxyHeader{}, fmt.Errorf("PROXY header: %d bytes of addresses are too few for family %d", size, family)
	case family == 1:
		h.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(addresses)), binary.BigEndian.Uint16(addresses[8:]))
	case family == 2:
		h.Source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(addresses)).Unmap(), binary.BigEndian.Uint16(addresses[32:]))
	}
	return h, nil
}
