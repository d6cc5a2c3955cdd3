package access

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// origin is where a request comes from.
type origin struct {
	addr  netip.Addr // the client's; invalid = unknown
	local bool       // over a socket of this machine, which its file guards
	open  bool       // needs no login
	proxy bool       // a listed proxy sent it
	https bool       // the client's way to the first server was HTTPS
}

var errForwarded = errors.New("X-Forwarded-For and Forwarded name different clients; have the proxy set one of them and remove the other")

// originOf finds out where r comes from. The address of the connection counts,
// unless it is a listed proxy's: then it is the last address that the proxies
// name and that is not a proxy itself. What others put into these headers can
// only show that the request is from further away than its connection is.
func (g *Guard) originOf(r *http.Request) (origin, error) {
	o := origin{https: r.TLS != nil}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		o.local, o.open = true, true
	}
	o.addr = peer.Addr().Unmap().WithZone("")
	xff, forwarded := r.Header["X-Forwarded-For"], r.Header["Forwarded"]
	o.proxy = !o.local && contains(g.config.Load().Proxies, o.addr)
	if !o.proxy {
		if !o.local {
			o.open = contains(g.config.Load().Open, o.addr)
		}
		if xff != nil || forwarded != nil {
			outside := func(a netip.Addr) bool { return !contains(g.config.Load().Open, a) }
			o.open = o.open && !slices.ContainsFunc(hopsXFF(xff), outside) && !slices.ContainsFunc(hopsForwarded(forwarded), outside)
		}
		return o, nil
	}
	if xff != nil {
		o.addr = g.client(hopsXFF(xff))
	}
	if forwarded != nil {
		client := g.client(hopsForwarded(forwarded))
		if xff != nil && client != o.addr {
			return o, errForwarded
		}
		o.addr = client
	}
	o.open = contains(g.config.Load().Open, o.addr)
	if proto := r.Header["X-Forwarded-Proto"]; proto != nil {
		o.https = strings.EqualFold(last(proto), "https")
	} else if forwarded != nil {
		o.https = strings.EqualFold(parameter(last(forwarded), "proto"), "https")
	}
	return o, nil
}

// client is the last of hops that is no proxy; if all are, the first.
func (g *Guard) client(hops []netip.Addr) netip.Addr {
	for _, hop := range slices.Backward(hops) {
		if !contains(g.config.Load().Proxies, hop) {
			return hop
		}
	}
	if len(hops) == 0 {
		return netip.Addr{}
	}
	return hops[0]
}

// hopsXFF are the addresses of X-Forwarded-For headers; invalid where
// something else stands in the place of one.
func hopsXFF(lines []string) (hops []netip.Addr) {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			hops = append(hops, nodeAddr(strings.TrimSpace(item)))
		}
	}
	return hops
}

// hopsForwarded are the addresses of the "for" parameters of Forwarded headers
// (RFC 7239).
func hopsForwarded(lines []string) (hops []netip.Addr) {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			hops = append(hops, nodeAddr(parameter(item, "for")))
		}
	}
	return hops
}

// parameter is the value of a parameter in one element of Forwarded.
func parameter(element, name string) string {
	for pair := range strings.SplitSeq(element, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// nodeAddr reads an address with or without a port.
func nodeAddr(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// last is the last element of a list in header lines.
func last(lines []string) string {
	line := lines[len(lines)-1]
	return strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:])
}

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	return addr.IsValid() && slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}
