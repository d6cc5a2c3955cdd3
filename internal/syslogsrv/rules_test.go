package syslogsrv

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// zonesOf reads pairs of prefix and zone.
func zonesOf(pairs ...any) map[netip.Prefix]*time.Location {
	zones := make(map[netip.Prefix]*time.Location)
	for i := 0; i < len(pairs); i += 2 {
		zones[netip.MustParsePrefix(pairs[i].(string))] = pairs[i+1].(*time.Location)
	}
	return zones
}

func TestPrivateNetworks(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "127.8.9.1": true, "::1": true, "10.1.2.3": true, "172.16.0.1": true, "172.31.255.255": true,
		"192.168.7.7": true, "100.64.0.1": true, "100.127.1.1": true, "fd12::1": true, "169.254.1.1": true,
		"fe80::1%eth0": true, "::ffff:10.0.0.1": true,
		"172.32.0.1": false, "100.128.0.1": false, "8.8.8.8": false, "2001:db8::1": false, "::ffff:8.8.8.8": false, "192.169.0.1": false,
	} {
		require.Equal(t, want, Contains(PrivateNetworks(), netip.MustParseAddr(addr)), addr)
	}
}

func TestLongestPrefixDecidesTheZone(t *testing.T) {
	t.Parallel()
	a, b := time.FixedZone("a", 1), time.FixedZone("b", 2)
	r := newRules(&Rules{Zone: time.UTC, Zones: zonesOf("10.0.0.0/8", a, "10.2.0.0/16", b)})
	for addr, want := range map[string]*time.Location{"10.2.3.4": b, "10.3.3.4": a, "11.0.0.1": time.UTC} {
		require.Equal(t, want, r.zoneOf(netip.MustParseAddr(addr)), addr)
	}
}

func countIn(s, sub string) int { return strings.Count(s, sub) }

// New rules hold for open connections too, from their next input on; only those
// whose peer may not send any more end.
func TestRulesReplaced(t *testing.T) {
	t.Parallel()
	here := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	elsewhere := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	r := startServer(t, Config{
		Listen: append(tcpOnly, Endpoint{Network: UDP, Address: "127.0.0.1:0"}),
		Rules:  Rules{Allow: here, Zone: time.UTC},
	}, nil)
	const bsd = "<13>Nov 23 08:27:00 h p: "
	stream, datagrams := r.dial(TCP), r.dial(UDP)
	send(t, stream, bsd+"one\n")
	r.wantTexts("one")
	send(t, datagrams, bsd+"two")
	r.wantTexts("one", "two")
	east := time.FixedZone("", 3600)
	r.SetRules(Rules{Allow: here, Zone: east})
	send(t, stream, bsd+"three\n")
	r.wantTexts("one", "two", "three")
	send(t, datagrams, bsd+"four")
	r.wantTexts("one", "two", "three", "four")
	offsets := map[string]int{}
	for _, rec := range r.sink.records() {
		offsets[rec.text] = int(rec.at.Offset)
	}
	require.Equal(t, map[string]int{"one": 0, "two": 0, "three": 3600, "four": 3600}, offsets)

	quiet := r.dial(TCP)
	eventually(t, func() bool { return r.Stats().Open == 2 }, "both are open")
	r.SetRules(Rules{Allow: elsewhere})
	send(t, stream, bsd+"five\n")
	wantClosed(t, stream)
	send(t, datagrams, bsd+"six")
	r.wantRefused(NotAllowed, 2)
	wantClosed(t, r.dial(TCP))
	r.SetRules(Rules{Allow: here, MaxConnections: 1})
	send(t, quiet, bsd+"seven\n")
	r.wantTexts("one", "two", "three", "four", "seven")
	wantClosed(t, r.dial(TCP))
	r.wantRefused(TooMany, 1)
}
