package relp

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// benchMessage has 238 bytes.
var benchMessage = []byte("<13>1 2026-03-07T04:05:06.250000Z web1 celery 77 - - " + strings.Repeat("x", 185))

// BenchmarkSession is one message on the server's side: cutting the frame, and
// its part in committing and in making answers, once for 1000 messages.
func BenchmarkSession(b *testing.B) {
	srv, err := NewServer(ServerConfig{})
	require.NoError(b, err)
	s := srv.NewSession()
	feed(b, s, []byte(librelpOpen))
	written(b, &s.acker)
	const first, batch = 100_000_000, 1000
	var input []byte
	for n := uint32(first); n < first+batch; n++ {
		input = appendFrame(input, n, "syslog", benchMessage)
	}
	b.SetBytes(int64(len(input) / batch))
	b.ReportAllocs()
	out := make([]byte, 0, writeSize+maxHeader)
	var rest []byte
	for b.Loop() {
		if len(rest) == 0 {
			s.acker.Commit(s.seq)
			for out, _ = s.acker.take(out[:0]); len(out) > 0; {
				out, _ = s.acker.take(out[:0])
			}
			s.due, s.seq, s.acker.next = first, first-1, first
			rest = input
		}
		var ok bool
		if _, rest, ok = s.Next(rest); !ok {
			b.Fatal(s.Over())
		}
	}
}

// discard is a connection that takes everything.
type discard struct{ net.Conn }

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkSend is one message on the client's side, up to the system.
func BenchmarkSend(b *testing.B) {
	c := &Client{conn: discard{}, slots: make([]kind, 1<<20), out: make([]byte, 0, flushSize+directSize+2*maxHeader)}
	c.cfg.Window = len(c.slots) - 1
	b.SetBytes(int64(len(benchMessage)))
	b.ReportAllocs()
	for b.Loop() {
		if c.Free() == 0 {
			c.oldest.Store(c.last + 1)
		}
		if _, err := c.Send("syslog", benchMessage); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAnswers is one answer on the client's side.
func BenchmarkAnswers(b *testing.B) {
	const first, batch = 100_000_000, 1000
	c := &Client{slots: make([]kind, 1024), room: make(chan struct{}, 1)}
	c.cfg.MaxAnswer = 1000
	c.cfg.Answered = func(Answer) {}
	c.written.Store(first + batch - 1)
	a := answers{c: c}
	input := []byte(acks(first, first+batch-1))
	b.ReportAllocs()
	n := batch
	for b.Loop() {
		if n++; n < batch {
			continue
		}
		n = 0
		a.oldest = first
		for i := range uint32(batch) {
			c.slots[c.slot(first+i)] = message
		}
		if _, err := a.workOff(input); err != nil {
			b.Fatal(err)
		}
		a.tell()
	}
}

// BenchmarkTCP is one message from a client to a server over the loopback and
// its answer back.
func BenchmarkTCP(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer listener.Close()
	srv, err := NewServer(ServerConfig{})
	require.NoError(b, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			b.Error(err)
			return
		}
		s := srv.NewSession()
		wrote := make(chan error)
		go func() { wrote <- s.Acker().Run(conn) }()
		buf := make([]byte, 256<<10)
		held := 0
		for over := false; !over; over, _ = s.Over() {
			n, err := conn.Read(buf[held:])
			if err != nil {
				b.Error(err)
				return
			}
			last := uint64(0)
			data := buf[:held+n]
			for {
				c, rest, ok := s.Next(data)
				data = rest
				if !ok {
					break
				}
				last = c.Seq
			}
			held = copy(buf, data)
			s.Acker().Commit(last)
		}
		if err := <-wrote; err != nil {
			b.Error(err)
		}
		if err := Linger(conn, time.Second); err != nil {
			b.Error(err)
		}
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(b, err)
	c, err := Open(b.Context(), conn, ClientConfig{Window: 16 << 10})
	require.NoError(b, err)
	b.SetBytes(int64(len(benchMessage)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Send("syslog", benchMessage); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, c.Close())
	<-done
}
