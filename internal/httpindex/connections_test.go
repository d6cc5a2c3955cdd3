package httpindex

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startBounded serves h within bounds, as dalogd does, and gives the addresses
// for HTTP and HTTPS.
func startBounded(t *testing.T, c *Connections, h http.Handler) (plain, secure string) {
	t.Helper()
	srv := NewServer(h, discard)
	srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, NextProtos: []string{"h2", "http/1.1"}}
	c.Bind(srv)
	for i, addr := range []*string{&plain, &secure} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		*addr = l.Addr().String()
		if i == 0 {
			go srv.Serve(c.Limit(l))
		} else {
			go srv.ServeTLS(c.Limit(l), "", "")
		}
	}
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return plain, secure
}

func selfSigned(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"log.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// dialHTTP connects from 127.0.0.HOST and says text.
func dialHTTP(t *testing.T, addr string, host byte, text string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, host)}}
	conn, err := dialer.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	return conn
}

func (c *Connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}

func wantEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	if err, ok := err.(net.Error); ok {
		require.False(t, err.Timeout(), "the connection stays open")
	}
}

const getX = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"

// Past the bound the one that waits longest makes room, whether it has said
// nothing, half a request, or was answered; one that is being answered does not.
func TestConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	c := NewConnections(3, 100, nil)
	answering, end := make(chan struct{}), make(chan struct{})
	addr, _ := startBounded(t, c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			answering <- struct{}{}
			<-end
		}
	}))
	long := dialHTTP(t, addr, 1, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
	<-answering
	idle := dialHTTP(t, addr, 2, "")
	require.Eventually(t, func() bool { return c.count() == 2 }, eventually, tick)
	half := dialHTTP(t, addr, 3, "GET /x HT")
	require.Eventually(t, func() bool { return c.count() == 3 }, eventually, tick)

	for _, oldest := range []net.Conn{idle, half} {
		conn := dialHTTP(t, addr, 4, getX)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		wantEnd(t, oldest)
		require.Equal(t, 3, c.count())
	}
	close(end)
	resp, err := http.ReadResponse(bufio.NewReader(long), nil)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
}

// While all are being answered, a new one is refused.
func TestConnectionsRefused(t *testing.T) {
	t.Parallel()
	c := NewConnections(2, 100, nil)
	answering, end := make(chan struct{}), make(chan struct{})
	addr, _ := startBounded(t, c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answering <- struct{}{}
		<-end
	}))
	for range 2 {
		dialHTTP(t, addr, 1, getX)
		<-answering
	}
	wantEnd(t, dialHTTP(t, addr, 1, ""))
	require.Equal(t, 2, c.count())
	close(end)
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.waiting.Len() == 2
	}, eventually, tick)
	dialHTTP(t, addr, 1, getX)
	<-answering
}

// No address has more than its share, but proxies.
func TestConnectionsOfOnePeer(t *testing.T) {
	t.Parallel()
	proxy := netip.MustParseAddr("127.0.0.9")
	c := NewConnections(100, 2, func(a netip.Addr) bool { return a == proxy })
	addr, _ := startBounded(t, c, http.NotFoundHandler())
	var first []net.Conn
	for range 2 {
		first = append(first, dialHTTP(t, addr, 1, ""))
	}
	wantEnd(t, dialHTTP(t, addr, 1, ""))
	dialHTTP(t, addr, 2, "")
	for range 10 {
		dialHTTP(t, addr, 9, "")
	}
	require.Eventually(t, func() bool { return c.count() == 13 }, eventually, tick)
	first[0].Close()
	require.Eventually(t, func() bool { return c.count() == 12 }, eventually, tick)
	conn := dialHTTP(t, addr, 1, getX)
	_, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Len(t, c.peers, 3)
}

// The bounds hold over HTTPS, with any number of answers on a connection.
func TestConnectionsOverHTTP2(t *testing.T) {
	t.Parallel()
	c := NewConnections(2, 100, nil)
	answering, end := make(chan struct{}), make(chan struct{})
	_, addr := startBounded(t, c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, 2, r.ProtoMajor)
		answering <- struct{}{}
		<-end
	}))
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	answers := make(chan error)
	ask := func() {
		req, _ := http.NewRequest("GET", "https://"+addr+"/", nil)
		resp, err := transport.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		answers <- err
	}
	go ask()
	<-answering
	go ask()
	<-answering
	require.Equal(t, 1, c.count())
	end <- struct{}{} // one is done, the other one goes on
	require.NoError(t, <-answers)
	silent := dialHTTP(t, addr, 1, "")
	require.Eventually(t, func() bool { return c.count() == 2 }, eventually, tick)
	dialHTTP(t, addr, 1, "") // makes room of the silent one, not of that with an answer under way
	wantEnd(t, silent)
	end <- struct{}{}
	require.NoError(t, <-answers)
}

// Connections are handed on as they are: sendfile works on the server's own.
func TestConnectionsAreNotWrapped(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dialHTTP(t, l.Addr().String(), 1, "")
	conn, err := NewConnections(1, 1, nil).Limit(l).Accept()
	require.NoError(t, err)
	defer conn.Close()
	require.IsType(t, (*net.TCPConn)(nil), conn)
}
