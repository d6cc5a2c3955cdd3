package relp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// collector is a server that stores messages in memory: the least that can be
// built on a Session. A message is stored at some time after it was received,
// and committed then. Extensions are answered with their own data.
type collector struct {
	t     testing.TB
	srv   *Server
	delay func() time.Duration // before a batch is stored
	chunk func() int           // bytes that a read takes at most

	mu       sync.Mutex
	stored   []string
	sessions map[*session]struct{}
	errs     []error // why sessions ended that did not end in good order
	empty    uint64  // messages
	opened   int     // connections
	killed   int     // generation of those killed: what they have not stored is lost
	group    sync.WaitGroup
}

type session struct {
	conn       net.Conn
	generation int
}

func newCollector(t testing.TB, cfg ServerConfig) *collector {
	srv, err := NewServer(cfg)
	require.NoError(t, err)
	h := &collector{
		t:        t,
		srv:      srv,
		delay:    func() time.Duration { return time.Duration(max(0, rand.IntN(2000)-1800)) * time.Microsecond },
		chunk:    func() int { return 1 + rand.IntN(rand.IntN(4000)+1) },
		sessions: make(map[*session]struct{}),
	}
	t.Cleanup(func() {
		h.kill()
		h.group.Wait()
	})
	return h
}

// listen serves a port of the loopback, one of the kernel's choice if addr is
// empty, until the listener is closed.
func (h *collector) listen(addr string) net.Listener {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	require.NoError(h.t, err)
	h.serveOn(listener)
	return listener
}

func (h *collector) serveOn(listener net.Listener) {
	h.t.Cleanup(func() { listener.Close() })
	h.group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			h.start(conn)
		}
	})
}

func (h *collector) start(conn net.Conn) {
	h.mu.Lock()
	n := &session{conn, h.killed}
	h.sessions[n] = struct{}{}
	h.opened++
	h.mu.Unlock()
	h.group.Go(func() {
		err := h.serve(n)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.sessions, n)
		if err != nil {
			h.errs = append(h.errs, err)
		}
	})
}

type stores struct {
	messages []string
	last     uint64
}

func (h *collector) serve(n *session) error {
	s := h.srv.NewSession()
	acker := s.Acker()
	wrote := make(chan error, 1)
	go func() { wrote <- acker.Run(n.conn) }()
	batches := make(chan stores, 1000)
	h.group.Go(func() {
		for b := range batches {
			time.Sleep(h.delay())
			if h.store(n, b.messages) {
				acker.Commit(b.last)
			} else {
				acker.Abandon()
			}
		}
	})
	buf := make([]byte, 0, 16)
	var readErr error
	for over := false; !over && readErr == nil; over, _ = s.Over() {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(2*cap(buf), h.srv.BufferSize())), buf...)
		}
		var k int
		k, readErr = n.conn.Read(buf[len(buf):min(cap(buf), len(buf)+h.chunk())])
		data := buf[:len(buf)+k]
		var b stores
		for {
			c, rest, ok := s.Next(data)
			data = rest
			if !ok {
				break
			}
			if c.Extension != nil {
				if err := acker.Answer(c.Seq, 200, "OK", c.Data); err != nil {
					return err
				}
				continue
			}
			b.messages, b.last = append(b.messages, string(c.Data)), c.Seq
		}
		buf = buf[:copy(buf[:cap(buf)], data)]
		if b.last > 0 {
			batches <- b
		}
	}
	close(batches)
	s.End()
	h.mu.Lock()
	h.empty += s.Empty
	h.mu.Unlock()
	_, err := s.Over()
	return errors.Join(err, <-wrote, Linger(n.conn, 2*time.Second))
}

// store stores for good, unless the server is killed first.
func (h *collector) store(n *session, messages []string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n.generation < h.killed {
		return false
	}
	h.stored = append(h.stored, messages...)
	return true
}

func (h *collector) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.stored)
}

// ended waits for the end of all sessions, and says what was wrong with them.
func (h *collector) ended(t testing.TB) (empty uint64, errs []error) {
	t.Helper()
	require.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		empty, errs = h.empty, h.errs
		return len(h.sessions) == 0
	}, 30*time.Second, time.Millisecond)
	return empty, errs
}

// stop ends all sessions in good order.
func (h *collector) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := range h.sessions {
		n.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// kill is what kill -9 does: the kernel closes the connections, and what was not
// stored is gone.
func (h *collector) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.killed++
	for n := range h.sessions {
		n.conn.Close()
	}
}

// sender is a client that sends again what was not answered, in order, over a
// new connection: the least that can be built on a Client.
type sender struct {
	t    testing.TB
	dial func() (net.Conn, error)
	cfg  ClientConfig

	mu      sync.Mutex
	waiting map[uint32]string // by number, in the session at hand
	answers int
	opened  int
}

// deliver returns when all messages are answered. The moments at which flush
// answers true are those at which it flushes.
func (d *sender) deliver(messages []string, flush func() bool) {
	d.cfg.Answered = func(a Answer) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if _, found := d.waiting[a.Txnr]; !found || a.Code != 200 {
			d.t.Errorf("answer %d to %d", a.Code, a.Txnr)
		}
		delete(d.waiting, a.Txnr)
		d.answers++
	}
	deadline := time.Now().Add(30 * time.Second)
	for len(messages) > 0 {
		if time.Now().After(deadline) {
			d.t.Errorf("%d messages are not delivered", len(messages))
			return
		}
		messages = d.attempt(messages, flush)
	}
}

// attempt sends messages over one connection and returns those not answered.
func (d *sender) attempt(messages []string, flush func() bool) (left []string) {
	d.waiting = make(map[uint32]string)
	conn, err := d.dial()
	if err != nil {
		time.Sleep(10 * time.Millisecond)
		return messages
	}
	c, err := Open(d.t.Context(), conn, d.cfg)
	if err != nil {
		time.Sleep(time.Millisecond)
		return messages
	}
	d.opened++
	for i, m := range messages {
		// The answer can come before Send returns.
		d.mu.Lock()
		d.waiting[c.Sent()+1] = m
		d.mu.Unlock()
		if _, err := c.Send("syslog", []byte(m)); err != nil {
			left = messages[i+1:]
			break
		}
		if flush() && c.Flush() != nil {
			left = messages[i+1:]
			break
		}
	}
	err = c.Close()
	<-c.Done()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil && c.Err() == ErrClosed && len(d.waiting) > 0 {
		d.t.Errorf("Close says that all is answered, and %d are not", len(d.waiting))
	}
	var again []string
	for n := range uint32(c.Sent() + 2) {
		if m, found := d.waiting[n]; found {
			again = append(again, m)
		}
	}
	return append(again, left...)
}

func numbered(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s %d", prefix, i)
	}
	return all
}

// requireAll checks that every message is stored, in order as far as the first
// copies of them go. It returns how many copies there are.
func requireAll(t testing.TB, want, stored []string) (copies int) {
	t.Helper()
	seen := make(map[string]bool)
	var first []string
	for _, m := range stored {
		if seen[m] {
			copies++
			continue
		}
		seen[m] = true
		first = append(first, m)
	}
	require.Equal(t, want, first)
	return copies
}

func sometimes(n int) func() bool { return func() bool { return rand.IntN(n) == 0 } }

func TestClientWithServer(t *testing.T) {
	t.Parallel()
	messages := append(numbered("message", 3000), "", "\n", "\x00", string(make([]byte, 300_000)), "last")
	want := slices.DeleteFunc(slices.Clone(messages), func(m string) bool { return m == "" })
	t.Run("pipe", func(t *testing.T) {
		t.Parallel()
		h := newCollector(t, ServerConfig{})
		d := &sender{t: t, dial: func() (net.Conn, error) {
			near, far := net.Pipe()
			h.start(far)
			return near, nil
		}}
		d.deliver(messages, sometimes(50))
		require.Equal(t, want, h.all())
		require.Equal(t, len(messages), d.answers)
	})
	t.Run("TCP", func(t *testing.T) {
		t.Parallel()
		h := newCollector(t, ServerConfig{})
		listener := h.listen("")
		d := &sender{t: t, dial: func() (net.Conn, error) { return net.Dial("tcp", listener.Addr().String()) }}
		d.deliver(messages, sometimes(50))
		require.Equal(t, want, h.all())
		require.Equal(t, len(messages), d.answers)
		require.Equal(t, 1, d.opened)
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		h := newCollector(t, ServerConfig{})
		d := &sender{t: t, dial: secured(t, h)}
		d.deliver(messages, sometimes(50))
		require.Equal(t, want, h.all())
		require.Equal(t, len(messages), d.answers)
		_, errs := h.ended(t)
		require.Empty(t, errs)
	})
}

// secured wraps a collector's sessions, and what is dialed, in TLS.
func secured(t *testing.T, h *collector) (dial func() (net.Conn, error)) {
	t.Helper()
	https := httptest.NewUnstartedServer(nil) // has a certificate for 127.0.0.1
	https.StartTLS()
	t.Cleanup(https.Close)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: https.TLS.Certificates})
	require.NoError(t, err)
	h.serveOn(listener)
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	return func() (net.Conn, error) {
		return tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: roots})
	}
}

// trouble calls do again and again until done is closed.
func trouble(done <-chan struct{}, do func()) {
	for {
		select {
		case <-done:
			return
		case <-time.After(time.Duration(rand.IntN(30)) * time.Millisecond):
			do()
		}
	}
}

func TestEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		do     func(h *collector)
		copies bool // may there be
	}{
		{"the server is killed", (*collector).kill, true},
		{"the server stops", (*collector).stop, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			messages := numbered("message", 50_000)
			h := newCollector(t, ServerConfig{})
			h.chunk = func() int { return 4096 }
			listener := h.listen("")
			d := &sender{t: t, dial: func() (net.Conn, error) { return net.Dial("tcp", listener.Addr().String()) }}
			done := make(chan struct{})
			go func() {
				defer close(done)
				d.deliver(messages, sometimes(20))
			}()
			trouble(done, func() { c.do(h) })
			copies := requireAll(t, messages, h.all())
			t.Logf("%d sessions, %d copies", d.opened, copies)
			require.Greater(t, d.opened, 1)
			if !c.copies {
				require.Zero(t, copies, "all that is stored was answered before the end")
			}
		})
	}
}

// A server that stops while a client sends as fast as it can: the answers to
// all that is stored arrive, although input is left that nobody will read.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	try := func(t *testing.T, h *collector, dial func() (net.Conn, error)) {
		conn, err := dial()
		require.NoError(t, err)
		answers := 0
		before := len(h.all())
		c, err := Open(t.Context(), conn, ClientConfig{Window: 100_000, Answered: func(Answer) { answers++ }})
		require.NoError(t, err)
		time.AfterFunc(time.Duration(rand.IntN(20))*time.Millisecond, h.stop)
		message := make([]byte, 200)
		for err == nil {
			_, err = c.Send("syslog", message)
		}
		require.ErrorIs(t, err, ErrServerClosed)
		require.Equal(t, len(h.all())-before, answers)
		h.ended(t)
	}
	t.Run("TCP", func(t *testing.T) {
		t.Parallel()
		h := newCollector(t, ServerConfig{})
		h.chunk = func() int { return 4096 }
		listener := h.listen("")
		for range 10 {
			try(t, h, func() (net.Conn, error) { return net.Dial("tcp", listener.Addr().String()) })
		}
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		h := newCollector(t, ServerConfig{})
		h.chunk = func() int { return 4096 }
		dial := secured(t, h)
		for range 5 {
			try(t, h, dial)
		}
	})
}

// A client that half-closes gets the answers that are due to it.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	h := newCollector(t, ServerConfig{Software: librelp})
	h.delay = func() time.Duration { return 50 * time.Millisecond }
	conn, err := net.Dial("tcp", h.listen("").Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, librelpOpen+frame(2, "syslog", "a")+frame(3, "syslog", "b")+"4 syslog 9 unfin")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	out, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, librelpOpened+acks(2, 3)+serverclose, string(out))
	require.Equal(t, []string{"a", "b"}, h.all())
}

func TestLinger(t *testing.T) {
	t.Parallel()
	pair := func(t *testing.T) (near, far *net.TCPConn) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		conn, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		accepted, err := listener.Accept()
		require.NoError(t, err)
		return accepted.(*net.TCPConn), conn.(*net.TCPConn)
	}
	t.Run("unread input does not destroy the last words", func(t *testing.T) {
		t.Parallel()
		near, far := pair(t)
		_, err := far.Write(make([]byte, 100_000))
		require.NoError(t, err)
		_, err = near.Write([]byte(serverclose))
		require.NoError(t, err)
		result := make(chan error)
		go func() { result <- Linger(near, 10*time.Second) }()
		_, err = far.Write(make([]byte, 100_000))
		require.NoError(t, err)
		out, err := io.ReadAll(far)
		require.NoError(t, err)
		require.Equal(t, serverclose, string(out))
		require.NoError(t, far.Close())
		require.NoError(t, <-result)
	})
	t.Run("no longer than the limit", func(t *testing.T) {
		t.Parallel()
		near, _ := pair(t)
		start := time.Now()
		require.NoError(t, Linger(near, 50*time.Millisecond))
		require.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
		_, err := near.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
	})
	t.Run("a connection without halves", func(t *testing.T) {
		t.Parallel()
		near, _ := net.Pipe()
		require.NoError(t, Linger(near, time.Hour))
		_, err := near.Write([]byte("x"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
	t.Run("the peer has closed by a reset", func(t *testing.T) {
		t.Parallel()
		near, far := pair(t)
		_, err := near.Write([]byte(serverclose)) // never read
		require.NoError(t, err)
		require.NoError(t, far.Close())
		require.NoError(t, Linger(near, time.Hour))
		_, err = near.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
	})
	t.Run("the peer closes by a reset", func(t *testing.T) {
		t.Parallel()
		near, far := pair(t)
		result := make(chan error)
		go func() { result <- Linger(near, time.Hour) }()
		_, err := io.ReadAll(far)
		require.NoError(t, err)
		require.NoError(t, far.SetLinger(0))
		require.NoError(t, far.Close())
		require.NoError(t, <-result)
	})
}
