package syslogsrv

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var tlsAndPlain = []Endpoint{{Network: TCP, Address: "127.0.0.1:0"}, {Network: TCP, Address: "127.0.0.1:0", TLS: true}}

// TLS is told apart on the common port; the port for TLS takes nothing else.
func TestTLSOnBothPorts(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	r := startServer(t, Config{Listen: tlsAndPlain, TLS: ca.issue(t, "log.test").load(t)}, nil)
	send(t, ca.client(t, r.dial(TCP), nil), octet(m1))
	r.wantTexts("one")
	send(t, ca.client(t, r.dial("tls"), nil), m2+"\n")
	r.wantTexts("one", "two")
	require.EqualValues(t, 2, r.Stats().TLS)
	require.True(t, r.Peers()[0].TLS)
	plain := r.dial("tls")
	send(t, plain, octet(m1))
	wantClosed(t, plain)
	r.wantRefused(TLSRequired, 1)
	require.Len(t, r.sink.texts(), 2)
}

// What is refused outside TLS is refused inside as well.
func TestSniffingInsideTLS(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	r := startServer(t, Config{TLS: ca.issue(t, "log.test").load(t)}, nil)
	late := ca.client(t, r.dial(TCP), nil)
	send(t, late, "2 syslog 5 hello\n")
	require.Equal(t, relpClose, wantClosed(t, late))
	r.wantRefused(RELPSequence, 1)
	nested := ca.client(t, r.dial(TCP), nil)
	send(t, nested, "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03")
	wantClosed(t, nested)
	r.wantRefused(TLSNotOffered, 1)
}

// byteByByte is a connection that nobody reads ahead from.
type byteByByte struct{ net.Conn }

func (c byteByByte) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), 1)]) }

// A sender that closes with something unread resets the connection, and its system
// drops what it has not sent: so nothing is said to those who do not listen.
func TestNothingIsLeftUnreadInTLS(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	r := startServer(t, Config{TLS: ca.issue(t, "log.test").load(t)}, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		socket := r.dial(TCP)
		c := tls.Client(byteByByte{socket}, &tls.Config{RootCAs: ca.pool, ServerName: "log.test", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)})
		send(t, c, "<13>p: "+tls.VersionName(version)+"\n")
		eventually(t, func() bool { return slices.Contains(r.sink.texts(), tls.VersionName(version)) }, "the message")
		raw, err := socket.(*net.TCPConn).SyscallConn()
		require.NoError(t, err)
		require.NoError(t, control(raw, func(fd int) error {
			unread, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
			require.Zero(t, unread, tls.VersionName(version))
			return err
		}))
	}
}

// A peer that begins with the end of TLS sends no messages.
func TestTLSAlertIsNoText(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{Listen: tlsAndPlain, TLS: newCA(t).issue(t, "log.test").load(t)}, nil)
	for i, kind := range []string{TCP, "tls"} {
		c := r.dial(kind)
		send(t, c, "\x15\x03\x03\x00\x02\x02\x30")
		wantClosed(t, c)
		r.wantRefused(TLSFailed, uint64(i+1))
	}
	require.NoError(t, r.stop())
	require.Empty(t, r.sink.texts())
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca, stranger := newCA(t), newCA(t)
	server := ca.issue(t, "log.test")
	for _, tc := range []struct {
		name   string
		allow  []string
		client *pair
		ok     bool
	}{
		{"none", nil, nil, false},
		{"of another CA", nil, stranger.issue(t, "web1.example.org"), false},
		{"any name", nil, ca.issue(t, "web1.example.org"), true},
		{"allowed name", []string{"web9.example.org", "WEB1.example.org"}, ca.issue(t, "web1.example.org"), true},
		{"other name", []string{"web2.example.org"}, ca.issue(t, "web1.example.org"), false},
		{"wildcard", []string{"*.example.org"}, ca.issue(t, "web1.example.org"), true},
		{"wildcard is one label", []string{"*.example.org"}, ca.issue(t, "a.web1.example.org"), false},
		{"second name", []string{"web1.example.org"}, ca.issue(t, "x.test", "web1.example.org"), true},
		{"IP address", []string{"10.0.0.7"}, ca.issue(t, "10.0.0.7"), true},
		{"common name without SAN", []string{"web1"}, ca.issue(t, "CN=web1"), true},
		{"common name beside SAN", []string{"web1"}, ca.issue(t, "CN=web1", "other"), false},
		{"allowed name of another CA", []string{"web1.example.org"}, stranger.issue(t, "web1.example.org"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			certs, err := LoadCertificates(CertificateFiles{Cert: server.cert, Key: server.key, ClientCA: ca.file, AllowNames: tc.allow})
			require.NoError(t, err)
			r := startServer(t, Config{Listen: tlsAndPlain, TLS: certs}, nil)
			for _, kind := range []string{"tls", TCP} {
				c := ca.client(t, r.dial(kind), tc.client)
				_, err := c.Write([]byte(m1 + "\n")) // with TLS 1.3 the refusal may come later
				if !tc.ok && err == nil {
					wantClosed(t, c)
				}
			}
			if tc.ok {
				r.wantTexts("one", "one")
				return
			}
			r.wantRefused(TLSFailed, 2)
			require.Empty(t, r.sink.texts())
		})
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	r := startServer(t, Config{TLS: ca.issue(t, "log.test").load(t)}, nil)
	old := tls.Client(r.dial(TCP), &tls.Config{RootCAs: ca.pool, ServerName: "log.test", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	require.Error(t, old.Handshake())
	r.wantRefused(TLSFailed, 1)
}

func TestLoadCertificatesFailures(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	p, other := ca.issue(t, "a"), ca.issue(t, "b")
	for _, tc := range []struct {
		files CertificateFiles
		want  string
	}{
		{CertificateFiles{Cert: "/no/cert", Key: p.key}, "load TLS certificate /no/cert"},
		{CertificateFiles{Cert: p.cert, Key: other.key}, "private key does not match"},
		{CertificateFiles{Cert: p.cert, Key: p.key, ClientCA: "/no/ca"}, "load client CA"},
		{CertificateFiles{Cert: p.cert, Key: p.key, ClientCA: p.key}, "holds no PEM certificate"},
		{CertificateFiles{Cert: p.cert, Key: p.key, AllowNames: []string{"a"}}, "no CA"},
	} {
		_, err := LoadCertificates(tc.files)
		require.ErrorContains(t, err, tc.want)
	}
}

// New files come into use by themselves; a pair that does not fit together
// leaves the old one in use.
func TestReloadOfCertificates(t *testing.T) {
	t.Parallel()
	first, second := newCA(t), newCA(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	p := first.issueTo(t, cert, key, "log.test")
	r := startServer(t, Config{TLS: p.load(t)}, nil)
	handshake := func(ca *authority) error {
		c := ca.client(t, r.dial(TCP), nil)
		defer c.Close()
		return c.Handshake()
	}
	require.NoError(t, handshake(first))
	open := first.client(t, r.dial(TCP), nil)
	send(t, open, octet(m1))

	next := second.issue(t, "log.test")
	content, err := os.ReadFile(next.cert)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cert, content, 0o600))
	eventually(t, func() bool { return countIn(r.log.String(), "TLS certificate not reloaded") == 1 }, "the mismatch is said")
	require.NoError(t, handshake(first), "the former pair stays in use")

	content, err = os.ReadFile(next.key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(key, content, 0o600))
	eventually(t, func() bool { return handshake(second) == nil }, "the new pair is in use")
	require.Error(t, handshake(first))
	require.Equal(t, 1, countIn(r.log.String(), "TLS certificate not reloaded"), "said once")
	require.Contains(t, r.log.String(), "TLS certificate reloaded")

	send(t, open, octet(m2))
	r.wantTexts("one", "two")
}

// Handshakes that do not get on cost their own connection only.
func TestSlowHandshakesBlockNobody(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	r := startServer(t, Config{Listen: tlsAndPlain, TLS: ca.issue(t, "log.test").load(t), HandshakeTimeout: 500 * time.Millisecond}, nil)
	hello := firstFlight(t)
	const slow = 50
	conns := make([]net.Conn, slow)
	for i := range conns {
		conns[i] = r.dial(TCP)
		if i%2 == 0 {
			send(t, conns[i], string(hello)) // then never answers
		} else {
			send(t, conns[i], string(hello[:len(hello)/2]))
		}
	}
	for i := range 5 {
		send(t, ca.client(t, r.dial("tls"), nil), fmt.Sprintf("<13>Mar 17 04:05:06 h a: %d\n", i))
	}
	eventually(t, func() bool { return len(r.sink.texts()) == 5 }, "all well-behaved senders")
	for _, c := range conns {
		wantClosed(t, c)
	}
	r.wantRefused(TLSTimeout, slow)
}

// Peers that crowd the server with handshakes they do not end are pushed out
// by those that end theirs.
func TestCrowdOfHandshakes(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	r := startServer(t, Config{TLS: ca.issue(t, "log.test").load(t), MaxHandshakes: 5, HandshakeTimeout: time.Hour}, nil)
	hello := string(firstFlight(t))
	var crowd []net.Conn
	for range 20 {
		c := r.dial(TCP)
		send(t, c, hello)
		crowd = append(crowd, c)
	}
	r.wantRefused(TLSTimeout, 15)
	send(t, ca.client(t, r.dial(TCP), nil), m1+"\n")
	r.wantTexts("one")
	r.wantRefused(TLSTimeout, 16)
	require.Equal(t, 5, r.Stats().Open)
	for _, c := range crowd {
		c.Close()
	}
	r.wantRefused(TLSFailed, 4)
}

// firstFlight is a complete ClientHello.
func firstFlight(t *testing.T) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		tls.Client(client, &tls.Config{InsecureSkipVerify: true}).Handshake()
	}()
	buf := make([]byte, 8192)
	n, err := server.Read(buf)
	require.NoError(t, err)
	return buf[:n]
}
