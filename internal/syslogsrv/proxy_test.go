package syslogsrv

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// proxyV2 is a binary header for TCP over IPv4.
func proxyV2(source string) string {
	b := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11")
	b = binary.BigEndian.AppendUint16(b, 12)
	addr := netip.MustParseAddr(source).As4()
	b = append(b, addr[:]...)
	b = append(b, 127, 0, 0, 1)
	b = binary.BigEndian.AppendUint16(b, 40000)
	return string(binary.BigEndian.AppendUint16(b, 514))
}

func TestProxyHeaders(t *testing.T) {
	t.Parallel()
	const (
		v1    = "PROXY TCP4 10.1.2.3 127.0.0.1 40000 514\r\n"
		local = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	)
	for _, tc := range []struct {
		name, header string
		listed       bool
		from         string // "": refused
		reason       Reason // counted when refused or not believed
		counted      uint64
	}{
		{"v1", v1, true, "10.1.2.3", 0, 0},
		{"v1 over IPv6", "PROXY TCP6 fd00::7 ::1 40000 514\r\n", true, "fd00::7", 0, 0},
		{"v2", proxyV2("10.9.9.9"), true, "10.9.9.9", 0, 0},
		{"no header", "", true, "127.0.0.1", 0, 0},
		{"v1 unknown", "PROXY UNKNOWN\r\n", true, "127.0.0.1", 0, 0},
		{"v2 local", local, true, "127.0.0.1", 0, 0},
		{"not listed v1", v1, false, "127.0.0.1", ProxyUnlisted, 1},
		{"not listed v2", proxyV2("10.9.9.9"), false, "127.0.0.1", ProxyUnlisted, 1},
		{"source not allowed", "PROXY TCP4 203.0.113.9 127.0.0.1 40000 514\r\n", true, "", NotAllowed, 1},
		{"unreadable", "PROXY TCP4 10.1.2.3 nonsense 1 2\r\n", true, "", ProxyBad, 1},
		{"a second header is text", v1 + v1, true, "10.1.2.3", 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, bytewise := range []bool{false, true} {
				cfg := Config{}
				if tc.listed {
					cfg.ProxyFrom = loopback
				}
				r := startServer(t, cfg, nil)
				c := r.dial(TCP)
				for i := range tc.header {
					if bytewise {
						c.Write([]byte(tc.header[i : i+1]))
					}
				}
				if !bytewise {
					send(t, c, tc.header)
				}
				c.Write([]byte(m1 + "\n"))
				if tc.from == "" {
					wantClosed(t, c)
					r.wantRefused(tc.reason, tc.counted)
					require.Empty(t, r.sink.texts())
					continue
				}
				eventually(t, func() bool { return len(r.sink.texts()) > 0 && r.sink.texts()[len(r.sink.texts())-1] == "one" }, "the message")
				for _, rec := range r.sink.records() {
					require.Equal(t, tc.from, rec.from)
				}
				if tc.counted > 0 {
					r.wantRefused(tc.reason, tc.counted)
				}
				require.NoError(t, c.Close())
				eventually(t, func() bool { return r.Stats().Open == 0 }, "closed")
				for _, p := range r.Peers() {
					require.Zero(t, p.Connections)
				}
			}
		})
	}
}

// A header in front of TLS counts, and one inside as well.
func TestProxyAndTLS(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	r := startServer(t, Config{Listen: tlsAndPlain, TLS: ca.issue(t, "log.test").load(t), Rules: Rules{ProxyFrom: loopback}}, nil)
	outer := r.dial("tls")
	send(t, outer, proxyV2("10.1.1.1"))
	send(t, ca.client(t, outer, nil), m1+"\n")
	r.wantTexts("one")
	send(t, ca.client(t, r.dial(TCP), nil), proxyV2("10.2.2.2")+m2+"\n")
	r.wantTexts("one", "two")
	require.Equal(t, "10.1.1.1", r.sink.records()[0].from)
	require.Equal(t, "10.2.2.2", r.sink.records()[1].from)
}

// A proxy need not be allowed itself; but then it must name somebody who is.
func TestProxyThatMayNotSend(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{
		Rules:            Rules{ProxyFrom: loopback, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		FirstByteTimeout: 50 * time.Millisecond,
	}, nil)
	direct := r.dial(TCP)
	send(t, direct, m1+"\n")
	wantClosed(t, direct)
	r.wantRefused(NotAllowed, 1)
	half := r.dial(TCP)
	send(t, half, "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00")
	wantClosed(t, half)
	r.wantRefused(ProxyBad, 1)
	send(t, r.dial(TCP), proxyV2("10.1.1.1")+m1+"\n")
	r.wantTexts("one")
}

// The limit per peer is that of the peers behind a proxy.
func TestLimitBehindProxy(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{Rules: Rules{ProxyFrom: loopback, MaxConnectionsPerPeer: 2}}, nil)
	for _, source := range []string{"10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"} {
		send(t, r.dial(TCP), proxyV2(source)+m1+"\n")
	}
	r.wantTexts("one", "one", "one", "one")
	c := r.dial(TCP)
	send(t, c, proxyV2("10.0.0.1")+m1+"\n")
	wantClosed(t, c)
	r.wantRefused(TooManyOfPeer, 1)
}
