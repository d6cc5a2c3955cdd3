package syslogsrv

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// PrivateNetworks are loopback, RFC 1918, RFC 6598 (shared), RFC 4193 (unique
// local) and link-local addresses.
func PrivateNetworks() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("fc00::/7"),
		netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10"),
	}
}

// Contains tells whether addr is in one of the prefixes. IPv4 addresses mapped
// to IPv6 count as IPv4; scopes are left out of account.
func Contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Rules are what the configuration says about peers. They can be replaced while
// the Server runs; see [Server.SetRules].
type Rules struct {
	// Allow are the peers that may send. Default: [PrivateNetworks]. Local
	// sockets are guarded by their file permissions alone.
	Allow []netip.Prefix
	// ProxyFrom are the peers whose PROXY header is believed. A header from
	// anybody else is skipped and counted. Default: none.
	ProxyFrom []netip.Prefix

	// Zone is the zone of times that name none. Default: time.Local.
	Zone *time.Location
	// Zones override Zone for the peers in a prefix; the longest prefix wins.
	Zones map[netip.Prefix]*time.Location

	// MaxConnections and MaxConnectionsPerPeer bound stream connections.
	// Defaults: 10,000 and 1,000.
	MaxConnections        int
	MaxConnectionsPerPeer int

	// MaxSources is how many sources the Ledger may have; new ones are refused
	// above. Default 50,000.
	MaxSources int
	// ForgetSources is how long a source must be idle to be forgotten; 0: never. It
	// is [LeastForgetAge] at least.
	ForgetSources time.Duration
}

// rules are Rules as they are used; immutable.
type rules struct {
	allow       []netip.Prefix
	proxies     []netip.Prefix
	zone        *time.Location
	byAddr      []zoneRule // longest prefix first
	connections int
	perPeer     int
	sources     int
	forget      time.Duration
}

type zoneRule struct {
	prefix netip.Prefix
	zone   *time.Location
}

func newRules(cfg *Rules) *rules {
	r := &rules{
		allow: cfg.Allow, proxies: cfg.ProxyFrom, zone: cmp.Or(cfg.Zone, time.Local),
		connections: cmp.Or(cfg.MaxConnections, 10_000), perPeer: cmp.Or(cfg.MaxConnectionsPerPeer, 1000),
		sources: cmp.Or(cfg.MaxSources, 50_000), forget: cfg.ForgetSources,
	}
	if r.allow == nil {
		r.allow = PrivateNetworks()
	}
	for prefix, zone := range cfg.Zones {
		r.byAddr = append(r.byAddr, zoneRule{prefix.Masked(), zone})
	}
	slices.SortFunc(r.byAddr, func(a, b zoneRule) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
	return r
}

// allows tells whether addr may send; local senders may.
func (r *rules) allows(addr netip.Addr) bool { return !addr.IsValid() || Contains(r.allow, addr) }

func (r *rules) isProxy(addr netip.Addr) bool { return addr.IsValid() && Contains(r.proxies, addr) }

// zoneOf is the zone of times from addr that name none.
func (r *rules) zoneOf(addr netip.Addr) *time.Location {
	addr = addr.WithZone("")
	for _, z := range r.byAddr {
		if z.prefix.Contains(addr) {
			return z.zone
		}
	}
	return r.zone
}

// SetRules replaces the rules. New connections and datagrams are under them at
// once, an open connection from its next input on; one whose peer may not send
// any more is ended then. All others stay open.
func (s *Server) SetRules(r Rules) { s.rules.Store(newRules(&r)) }
