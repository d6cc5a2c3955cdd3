package forwarder

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sink is a syslog server for octet-counted frames. It keeps the texts behind
// the header of all whole frames, in the order of connections and bytes.
type sink struct {
	t    testing.TB
	addr string

	mu       sync.Mutex
	l        net.Listener
	conns    map[net.Conn]bool
	left     bool // no connection is wanted any more
	accepted int
	frames   []string
	broken   []string // what stood at the end of a connection and was no whole frame
	paused   chan struct{}
	wg       sync.WaitGroup
}

func startSink(t testing.TB) *sink {
	t.Helper()
	s := &sink{t: t, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	s.listen()
	t.Cleanup(func() {
		s.resume()
		s.cut()
	})
	return s
}

// listen makes the server reachable, at the address where it was before.
func (s *sink) listen() {
	s.t.Helper()
	var l net.Listener
	require.Eventually(s.t, func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", s.addr)
		return err == nil
	}, 5*time.Second, 5*time.Millisecond)
	s.mu.Lock()
	s.l, s.addr, s.left = l, l.Addr().String(), false
	s.mu.Unlock()
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[conn] = true
			s.accepted++
			if s.left { // meanwhile, and it was not told
				_ = conn.(*net.TCPConn).CloseWrite()
			}
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(conn) })
		}
	})
}

func (s *sink) serve(conn net.Conn) {
	var pending []byte
	buf := make([]byte, 64<<10)
	for {
		s.mu.Lock()
		paused := s.paused
		s.mu.Unlock()
		if paused != nil {
			<-paused
		}
		n, err := conn.Read(buf)
		pending = append(pending, buf[:n]...)
		for {
			frame, rest, ok := cutFrame(pending)
			if !ok {
				break
			}
			s.mu.Lock()
			s.frames = append(s.frames, frame)
			s.mu.Unlock()
			pending = rest
		}
		if err != nil {
			s.mu.Lock()
			if len(pending) > 0 {
				s.broken = append(s.broken, string(pending))
			}
			delete(s.conns, conn)
			s.mu.Unlock()
			conn.Close()
			return
		}
	}
}

func cutFrame(p []byte) (frame string, rest []byte, ok bool) {
	digits, after, ok := bytes.Cut(p, []byte{' '})
	if !ok {
		return "", p, false
	}
	n, err := strconv.Atoi(string(digits))
	if err != nil {
		panic("bad frame: " + string(p[:min(len(p), 100)]))
	}
	if len(after) < n {
		return "", p, false
	}
	return string(after[:n]), after[n:], true
}

// leave ends the server as a good one does: nothing more is accepted, clients
// are told, and what they have sent is read to the end.
func (s *sink) leave() {
	s.mu.Lock()
	s.l.Close()
	s.left = true
	for conn := range s.conns {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// cut ends the server with all connections at once.
func (s *sink) cut() {
	s.mu.Lock()
	s.l.Close()
	s.left = true
	for conn := range s.conns {
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// hangUp tells the present clients to go, and reads what they have sent.
func (s *sink) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
}

// pause stops reading; connections stay.
func (s *sink) pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = make(chan struct{})
}

func (s *sink) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused != nil {
		close(s.paused)
		s.paused = nil
	}
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.frames)
}

func (s *sink) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

func (s *sink) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.frames...)
}

// texts gives what stands behind the header of each frame.
func (s *sink) texts() (texts []string) {
	for _, f := range s.got() {
		texts = append(texts, frameText(f))
	}
	return texts
}

func frameText(frame string) string {
	_, text, _ := strings.Cut(frame, `"] `)
	return strings.TrimSuffix(text, "\n")
}

// waitFor waits for a last line.
func (s *sink) waitFor(text string) {
	s.t.Helper()
	s.until(func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.frames) > 0 && frameText(s.frames[len(s.frames)-1]) == text
	}, "the line %q", text)
}

func (s *sink) until(ok func() bool, what string, args ...any) {
	s.t.Helper()
	require.Eventually(s.t, ok, 30*time.Second, 2*time.Millisecond, append([]any{"waiting for " + what}, args...)...)
}
