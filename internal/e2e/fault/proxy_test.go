package fault

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy stands between a dalogfwd and dalogd and breaks connections.
type proxy struct {
	t    *testing.T
	addr string
	to   string

	mu     sync.Mutex
	random *rand.Rand
	fate   func(*rand.Rand) fate // of the next connection
	cuts   int
	late   int // of them, those whose last bytes reached the server afterwards
	closed bool
	conns  map[net.Conn]bool
	group  sync.WaitGroup
}

// fate is how a connection ends: after so many bytes in a direction.
type fate struct {
	up, down int // bytes; negative: never
	// late holds the last bytes to the server back, while the client has another
	// connection already.
	late time.Duration
	rst  bool
}

var unharmed = func(*rand.Rand) fate { return fate{up: -1, down: -1} }

func newProxy(t *testing.T, to string, random *rand.Rand, f func(*rand.Rand) fate) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{t: t, addr: l.Addr().String(), to: to, random: random, fate: f, conns: map[net.Conn]bool{}}
	p.group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.group.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.closed = true
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.group.Wait()
	})
	return p
}

// set decides how the connections end from now on, the open ones excepted.
func (p *proxy) set(f func(*rand.Rand) fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fate = f
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return !p.closed
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.track(client) || !p.track(server) {
		return
	}
	p.mu.Lock()
	f := p.fate(p.random)
	p.mu.Unlock()
	end := make(chan bool, 2) // true: by fate
	pass := func(to io.Writer, from io.Reader, limit int, last func([]byte)) {
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			if limit >= 0 && n >= limit {
				last(buf[:limit])
				end <- true
				return
			}
			if limit >= 0 {
				limit -= n
			}
			if n > 0 {
				if _, err := to.Write(buf[:n]); err != nil {
					end <- false
					return
				}
			}
			if err != nil {
				end <- false
				return
			}
		}
	}
	var held []byte
	go pass(server, client, f.up, func(b []byte) {
		if f.late > 0 {
			held = append(held, b...)
			return
		}
		_, _ = server.Write(b)
	})
	go pass(client, server, f.down, func(b []byte) { _, _ = client.Write(b) })
	if !<-end {
		return
	}
	p.mu.Lock()
	p.cuts++
	if len(held) > 0 {
		p.late++
	}
	p.mu.Unlock()
	if f.rst {
		_ = client.(*net.TCPConn).SetLinger(0)
		_ = server.(*net.TCPConn).SetLinger(0)
	}
	client.Close()
	if len(held) > 0 {
		time.Sleep(f.late)
		_, _ = server.Write(held)
		time.Sleep(10 * time.Millisecond)
	}
}
