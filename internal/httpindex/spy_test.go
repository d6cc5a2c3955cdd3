package httpindex

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A spy serves over connections that tell what the server does with them.
type spy struct {
	net.Listener
	url     string
	sources chan io.Reader // what ReadFrom was given

	mu          sync.Mutex // protects what follows
	read, write time.Time  // deadlines set last; those for writing without the lifting after each answer
}

func startSpy(t *testing.T, h http.Handler) *spy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &spy{Listener: listener, url: "http://" + listener.Addr().String(), sources: make(chan io.Reader, 100)}
	srv := NewServer(h, discard)
	go func() { _ = srv.Serve(s) }()
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return s
}

func (s *spy) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return spyConn{conn.(*net.TCPConn), s}, nil
}

func (s *spy) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read, s.write = time.Time{}, time.Time{}
}

func (s *spy) lastWriteDeadline() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write
}

func (s *spy) lastReadDeadline() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read
}

type spyConn struct {
	*net.TCPConn
	spy *spy
}

func (c spyConn) ReadFrom(r io.Reader) (int64, error) {
	c.spy.sources <- r
	return c.TCPConn.ReadFrom(r)
}

func (c spyConn) SetWriteDeadline(at time.Time) error {
	if !at.IsZero() {
		c.spy.note(&c.spy.write, at)
	}
	return c.TCPConn.SetWriteDeadline(at)
}

func (c spyConn) SetReadDeadline(at time.Time) error {
	c.spy.note(&c.spy.read, at)
	return c.TCPConn.SetReadDeadline(at)
}

func (s *spy) note(deadline *time.Time, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*deadline = at
}
