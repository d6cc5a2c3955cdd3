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

// rules are what the configuration says about addresses; immutable.
type rules struct {
	allow   []netip.Prefix
	proxies []netip.Prefix
	zones   []*time.Location // [0] is the default
	byAddr  []zoneRule       // longest prefix first
}

type zoneRule struct {
	prefix netip.Prefix
	zone   int // index into zones
}

func newRules(cfg *Config) *rules {
	r := &rules{allow: cfg.Allow, proxies: cfg.ProxyFrom, zones: []*time.Location{cfg.Zone}}
	for prefix, zone := range cfg.Zones {
		r.zones = append(r.zones, zone)
		r.byAddr = append(r.byAddr, zoneRule{prefix.Masked(), len(r.zones) - 1})
	}
	slices.SortFunc(r.byAddr, func(a, b zoneRule) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
	return r
}

// allows tells whether addr may send; local senders may.
func (r *rules) allows(addr netip.Addr) bool { return !addr.IsValid() || Contains(r.allow, addr) }

func (r *rules) isProxy(addr netip.Addr) bool { return addr.IsValid() && Contains(r.proxies, addr) }

// zoneOf is the index of the zone for times from addr.
func (r *rules) zoneOf(addr netip.Addr) int {
	addr = addr.WithZone("")
	for _, z := range r.byAddr {
		if z.prefix.Contains(addr) {
			return z.zone
		}
	}
	return 0
}
