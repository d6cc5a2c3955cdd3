package syslog

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// proxyV2 is a header of version 2: version and command, family and
// transport, and what follows the length.
func proxyV2(command, family byte, rest ...byte) string {
	b := append([]byte(proxyV2Signature), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rest)))
	return string(append(b, rest...))
}

var (
	proxy4 = []byte{192, 0, 2, 9, 192, 0, 2, 10, 0xc3, 0x50, 2, 2}
	proxy6 = append(append(netip.MustParseAddr("2001:db8::9").AsSlice(), netip.MustParseAddr("2001:db8::10").AsSlice()...), 0xc3, 0x50, 2, 2)
)

var proxyHeaders = []struct{ name, header, source string }{
	{"v1 IPv4", "PROXY TCP4 192.0.2.9 192.0.2.10 50000 514\r\n", "192.0.2.9:50000"},
	{"v1 IPv6", "PROXY TCP6 2001:db8::9 2001:db8::10 50000 514\r\n", "[2001:db8::9]:50000"},
	{"v1 IPv4 in IPv6", "PROXY TCP6 ::ffff:192.0.2.9 ::ffff:192.0.2.10 50000 514\r\n", "192.0.2.9:50000"},
	{"v1 unknown", "PROXY UNKNOWN\r\n", ""},
	{"v1 unknown with addresses", "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", ""},
	{"v1 port 0", "PROXY TCP4 192.0.2.9 192.0.2.10 0 65535\r\n", "192.0.2.9:0"},
	{"v2 local", proxyV2(0x20, 0), ""},
	{"v2 local with addresses", proxyV2(0x20, 0x11, proxy4...), ""},
	{"v2 IPv4", proxyV2(0x21, 0x11, proxy4...), "192.0.2.9:50000"},
	{"v2 IPv4 over UDP", proxyV2(0x21, 0x12, proxy4...), "192.0.2.9:50000"},
	{"v2 IPv6", proxyV2(0x21, 0x21, proxy6...), "[2001:db8::9]:50000"},
	{"v2 IPv4 with extensions", proxyV2(0x21, 0x11, append(proxy4[:12:12], 4, 0, 3, 'a', 'b', 'c')...), "192.0.2.9:50000"},
	{"v2 unspecified", proxyV2(0x21, 0, 1, 2, 3), ""},
	{"v2 unix", proxyV2(0x21, 0x31, make([]byte, 216)...), ""},
	{"v2 the longest", proxyV2(0x21, 0x11, append(proxy4[:12:12], make([]byte, 4084)...)...), "192.0.2.9:50000"},
}

func TestParseProxy(t *testing.T) {
	t.Parallel()
	for _, c := range proxyHeaders {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for n := range len(c.header) {
				h, err := ParseProxy([]byte(c.header[:n]))
				require.ErrorIs(t, err, ErrShort, "%d bytes", n)
				require.Zero(t, h)
			}
			for _, after := range []string{"", "<13>message\n"} {
				h, err := ParseProxy([]byte(c.header + after))
				require.NoError(t, err)
				assert.Equal(t, len(c.header), h.Len)
				if c.source == "" {
					assert.False(t, h.Source.IsValid())
				} else {
					assert.Equal(t, netip.MustParseAddrPort(c.source), h.Source)
				}
			}
		})
	}
}

func TestParseProxyRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, header, reason string }{
		{"no header", "<13>message\n", "signature"},
		{"v1 small letters", "proxy TCP4 192.0.2.9 192.0.2.10 50000 514\r\n", "signature"},
		{"v1 LF only", "PROXY TCP4 192.0.2.9 192.0.2.10 50000 514\n", "without CR"},
		{"v1 without end", "PROXY " + strings.Repeat("x", 200), "longer than 107"},
		{"v1 end too late", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "longer than 107"},
		{"v1 family", "PROXY TCP5 192.0.2.9 192.0.2.10 50000 514\r\n", "want TCP4 or TCP6"},
		{"v1 too few", "PROXY TCP4 192.0.2.9 192.0.2.10 50000\r\n", "want TCP4 or TCP6"},
		{"v1 too many", "PROXY TCP4 192.0.2.9 192.0.2.10 50000 514 1\r\n", "want TCP4 or TCP6"},
		{"v1 two blanks", "PROXY TCP4 192.0.2.9  192.0.2.10 50000 514\r\n", "want TCP4 or TCP6"},
		{"v1 empty", "PROXY \r\n", "want TCP4 or TCP6"},
		{"v1 IPv6 as IPv4", "PROXY TCP4 2001:db8::9 192.0.2.10 50000 514\r\n", "no address of TCP4"},
		{"v1 IPv4 as IPv6", "PROXY TCP6 2001:db8::9 192.0.2.10 50000 514\r\n", "no address of TCP6"},
		{"v1 name", "PROXY TCP4 localhost 192.0.2.10 50000 514\r\n", "no address of TCP4"},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 2001:db8::10 50000 514\r\n", "no address of TCP6"},
		{"v1 port", "PROXY TCP4 192.0.2.9 192.0.2.10 65536 514\r\n", "no port"},
		{"v1 leading zero", "PROXY TCP4 192.0.2.9 192.0.2.10 050000 514\r\n", "no port"},
		{"v1 no port", "PROXY TCP4 192.0.2.9 192.0.2.10 50000 \r\n", "no port"},
		{"v2 version", proxyV2(0x31, 0x11, proxy4...), "version 3"},
		{"v2 version, as soon as it is there", proxyV2Signature + "\x11", "version 1"},
		{"v2 command", proxyV2(0x22, 0x11, proxy4...), "command 2"},
		{"v2 family", proxyV2(0x21, 0x41, proxy4...), "not specified"},
		{"v2 transport", proxyV2(0x21, 0x13, proxy4...), "not specified"},
		{"v2 IPv4 too short", proxyV2(0x21, 0x11, proxy4[:11]...), "too few"},
		{"v2 IPv6 too short", proxyV2(0x21, 0x21, proxy6[:35]...), "too few"},
		{"v2 unix too short", proxyV2(0x21, 0x31, make([]byte, 215)...), "too few"},
		{"v2 too long", proxyV2(0x21, 0x11, make([]byte, 4097)...)[:16], "at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, err := ParseProxy([]byte(c.header))
			require.ErrorContains(t, err, c.reason)
			require.False(t, errors.Is(err, ErrShort))
			require.Zero(t, h)
		})
	}
}
