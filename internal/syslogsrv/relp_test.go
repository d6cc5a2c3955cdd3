package syslogsrv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/relp"
	"github.com/dalog-project/dalog/internal/syslog"
)

// keeper is a Sink that commits when the test says so.
type keeper struct {
	recorder
	waiting chan func(error) // committed, of each submission
	refuse  error            // what Submit answers once set
}

func newKeeper() *keeper { return &keeper{waiting: make(chan func(error), 10_000)} }

func (k *keeper) Submit(ctx context.Context, received time.Time, msgs []syslog.Message, committed func(error)) error {
	if k.refuse != nil {
		return k.refuse
	}
	if committed == nil {
		panic("somebody waits for these senders")
	}
	if err := k.recorder.Submit(ctx, received, msgs, nil); err != nil {
		return err
	}
	k.waiting <- committed
	return nil
}

// settle ends the wait of the next submission.
func (k *keeper) settle(t *testing.T, err error) {
	t.Helper()
	select {
	case committed := <-k.waiting:
		committed(err)
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was submitted")
	}
}

// settleAll ends the wait of all submissions until the test ends.
func (k *keeper) settleAll(t *testing.T) {
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		for {
			select {
			case committed := <-k.waiting:
				committed(nil)
			case <-done:
				return
			}
		}
	}()
}

func startRELP(t *testing.T, cfg Config, k *keeper) *running {
	t.Helper()
	r := startSink(t, cfg, k)
	r.sink = &k.recorder
	return r
}

func relpFrame(txnr int, command, data string) string {
	if data == "" {
		return fmt.Sprintf("%d %s 0\n", txnr, command)
	}
	return fmt.Sprintf("%d %s %d %s\n", txnr, command, len(data), data)
}

var (
	relpOpen    = relpFrame(1, "open", "relp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog")
	relpWelcome = relpFrame(1, "rsp", "200 OK\nrelp_version=0\nrelp_software=dalog\ncommands=syslog")
)

func relpAcks(from, to int) string {
	var b strings.Builder
	for n := from; n <= to; n++ {
		b.WriteString(relpFrame(n, "rsp", "200 OK"))
	}
	return b.String()
}

// wantRead reads exactly what is wanted.
func wantRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	got := make([]byte, len(want))
	n := 0
	for n < len(got) {
		k, err := c.Read(got[n:])
		n += k
		require.NoError(t, err, "after %q", got[:n])
	}
	require.Equal(t, want, string(got))
}

// wantSilence wants nothing to be said for a moment.
func wantSilence(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	n, err := c.Read(make([]byte, 100))
	require.Zero(t, n)
	require.True(t, isTimeout(err), "%v", err)
}

func TestRELPSessions(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	cert := ca.issue(t, "log.test")
	long := strings.Repeat("x", 5000)
	for _, tc := range []struct {
		name, input, output string
		want                []string
		empty, errors       uint64
	}{
		{"open and close", "2 close 0\n", "2 rsp 0\n" + relpClose, nil, 0, 0},
		{"messages", relpFrame(2, "syslog", m1) + relpFrame(3, "syslog", m2) + "4 close 0\n",
			relpAcks(2, 3) + "4 rsp 0\n" + relpClose, []string{"one", "two"}, 0, 0},
		{"line ends inside and at the end", relpFrame(2, "syslog", m1+"\nmore\n") + "3 close 0\n",
			relpAcks(2, 2) + "3 rsp 0\n" + relpClose, []string{"one\nmore"}, 0, 0},
		{"nothing to be stored", "2 syslog 0\n" + relpFrame(3, "syslog", "<13>") + relpFrame(4, "syslog", m1) + relpFrame(5, "syslog", "\n") + "6 close 0\n",
			relpAcks(2, 5) + "6 rsp 0\n" + relpClose, []string{"one"}, 3, 0},
		{"longer than the limit", relpFrame(2, "syslog", "<13>a: "+long) + relpFrame(3, "syslog", m2) + "4 close 0\n",
			relpAcks(2, 3) + "4 rsp 0\n" + relpClose, []string{"truncated " + long[:4096-7], "two"}, 0, 0},
		{"gap", relpFrame(2, "syslog", m1) + relpFrame(4, "syslog", m2), relpAcks(2, 2) + relpClose, []string{"one"}, 0, 1},
		{"no frame", relpFrame(2, "syslog", m1) + "3 syslog x\n", relpAcks(2, 2) + relpClose, []string{"one"}, 0, 1},
		{"command that was not agreed on", relpFrame(2, "syslog", m1) + "3 dalog 0\n", relpAcks(2, 2) + relpClose, []string{"one"}, 0, 1},
		{"half a frame at the end", relpFrame(2, "syslog", m1) + "3 syslog 20 <13>", relpAcks(2, 2) + relpClose, []string{"one"}, 0, 0},
	} {
		for _, kind := range []string{TCP, Unix, "tls"} {
			t.Run(tc.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				for _, step := range []int{1 << 20, 7, 1} {
					k := newKeeper()
					k.settleAll(t)
					r := startRELP(t, Config{
						Listen: []Endpoint{
							{Network: TCP, Address: "127.0.0.1:0"},
							{Network: TCP, Address: "127.0.0.1:0", TLS: true},
							{Network: Unix, Address: filepath.Join(t.TempDir(), "log")},
						},
						TLS: cert.load(t), MaxMessage: 4096,
					}, k)
					c := r.dial(kind)
					if kind == "tls" {
						c = ca.client(t, c, nil)
					}
					input := relpOpen + tc.input
					for i := 0; i < len(input); {
						n := step
						if i > 500 {
							n = 1 << 20
						}
						n = min(n, len(input)-i)
						send(t, c, input[i:i+n])
						i += n
					}
					if !strings.HasSuffix(input, "close 0\n") {
						require.NoError(t, c.(interface{ CloseWrite() error }).CloseWrite())
					}
					require.Equal(t, relpWelcome+tc.output, wantClosed(t, c))
					c.Close()
					var got []string
					for _, rec := range r.sink.records() {
						got = append(got, flagged(rec))
					}
					require.Equal(t, tc.want, got)
					r.wantServed(1)
					stats := r.Stats()
					require.EqualValues(t, len(tc.want), stats.Messages[RELP])
					require.EqualValues(t, 1, stats.Connections[RELP])
					require.Equal(t, tc.empty, stats.Empty)
					require.Equal(t, tc.errors, stats.Refused[RELPError])
					require.Zero(t, stats.Lost)
				}
			})
		}
	}
}

// Nothing is acknowledged before it is committed, and what is not committed
// never is.
func TestRELPAcknowledgesCommitted(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			t.Parallel()
			k := newKeeper()
			r := startRELP(t, Config{TLS: ca.issue(t, "log.test").load(t)}, k)
			c := r.dial(TCP)
			if secure {
				c = ca.client(t, c, nil)
			}
			send(t, c, relpOpen)
			wantRead(t, c, relpWelcome)
			send(t, c, relpFrame(2, "syslog", m1)+relpFrame(3, "syslog", m2)+"4 syslog 0\n")
			r.wantTexts("one", "two")
			if !secure { // an interrupted read is the end of a tls.Conn
				wantSilence(t, c)
			}
			require.NoError(t, c.SetReadDeadline(time.Time{}))
			k.settle(t, nil)
			wantRead(t, c, relpAcks(2, 4))
			send(t, c, relpFrame(5, "syslog", m1))
			r.wantTexts("one", "two", "one")
			send(t, c, relpFrame(6, "syslog", m2))
			r.wantTexts("one", "two", "one", "two")
			first, second := <-k.waiting, <-k.waiting
			first(errors.New("no"))
			second(nil)
			require.Equal(t, relpClose, wantClosed(t, c), "neither is acknowledged")
			c.Close()
			r.wantServed(1)
		})
	}
}

func TestRELPSinkRefuses(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	k.refuse = errors.New("stopped")
	r := startRELP(t, Config{}, k)
	c := r.dial(TCP)
	send(t, c, relpOpen+relpFrame(2, "syslog", m1))
	require.Equal(t, relpWelcome+relpClose, wantClosed(t, c))
	c.Close()
	r.wantServed(1)
	require.Zero(t, r.Stats().Lost, "the client still has it")
}

// A client that has closed its side still gets what it waits for.
func TestRELPHalfClosed(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	r := startRELP(t, Config{}, k)
	c := r.dial(TCP)
	send(t, c, relpOpen+relpFrame(2, "syslog", m1))
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	wantRead(t, c, relpWelcome)
	k.settle(t, nil)
	require.Equal(t, relpAcks(2, 2)+relpClose, wantClosed(t, c))
	c.Close()
}

// Many messages over several connections, committed late: each is acknowledged
// once, and stored once.
func TestRELPUnderLoad(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	k := newKeeper()
	k.settleAll(t)
	r := startRELP(t, Config{TLS: ca.issue(t, "log.test").load(t), BufferBytes: 2 << 20}, k)
	const clients, each = 4, 5000
	var group sync.WaitGroup
	for i := range clients {
		c := r.dial(TCP)
		if i == 0 {
			c = ca.client(t, c, nil)
		}
		group.Go(func() {
			var acks atomic.Int64
			client, err := relp.Open(t.Context(), c, relp.ClientConfig{Answered: func(a relp.Answer) {
				if n := acks.Add(1); uint32(n) != a.Txnr-1 {
					t.Errorf("ack of %d in place of %d", a.Txnr, n+1)
				}
			}})
			if err != nil {
				t.Error(err)
				return
			}
			for n := range each {
				if _, err := client.Send("syslog", fmt.Appendf(nil, "<13>p%d: %d %s", i, n, strings.Repeat("x", n%200))); err != nil {
					t.Error(err)
					return
				}
			}
			if err := client.Close(); err != nil || acks.Load() != each {
				t.Errorf("%d acks, %v", acks.Load(), err)
			}
		})
	}
	group.Wait()
	next := map[string]int{}
	for _, rec := range r.sink.records() {
		require.True(t, strings.HasPrefix(rec.text, fmt.Sprint(next[rec.program], " ")), rec.text)
		next[rec.program]++
	}
	require.Len(t, next, clients)
	for program, n := range next {
		require.Equal(t, each, n, program)
	}
}

// The stop acknowledges what is committed in time and takes leave; what is not
// committed stays the client's.
func TestRELPStop(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	t.Run("committed late", func(t *testing.T) {
		t.Parallel()
		k := newKeeper()
		r := startRELP(t, Config{TLS: ca.issue(t, "log.test").load(t)}, k)
		plain, idle := r.dial(TCP), r.dial(TCP)
		secure := ca.client(t, r.dial(TCP), nil)
		send(t, idle, relpOpen)
		for _, c := range []net.Conn{plain, secure} {
			send(t, c, relpOpen+relpFrame(2, "syslog", m1))
			wantRead(t, c, relpWelcome)
		}
		r.wantTexts("one", "one")
		stopped := make(chan error, 1)
		go func() { stopped <- r.stop() }()
		require.Equal(t, relpWelcome+relpClose, wantClosed(t, idle))
		idle.Close()
		k.settle(t, nil)
		k.settle(t, nil)
		require.Equal(t, relpAcks(2, 2)+relpClose, wantClosed(t, plain))
		require.Equal(t, relpAcks(2, 2)+relpClose, wantClosed(t, secure))
		plain.Close()
		secure.NetConn().Close()
		require.NoError(t, <-stopped)
	})
	t.Run("never committed", func(t *testing.T) {
		t.Parallel()
		r := startRELP(t, Config{DrainTimeout: 200 * time.Millisecond}, newKeeper())
		c := r.dial(TCP)
		send(t, c, relpOpen+relpFrame(2, "syslog", m1))
		r.wantTexts("one")
		begin := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- r.stop() }()
		require.Equal(t, relpWelcome+relpClose, wantClosed(t, c))
		c.Close()
		require.NoError(t, <-stopped, "nothing is lost")
		require.Less(t, time.Since(begin), 2*time.Second)
	})
	t.Run("client that sends on and does not read", func(t *testing.T) {
		t.Parallel()
		k := newKeeper()
		k.settleAll(t)
		r := startRELP(t, Config{DrainTimeout: 200 * time.Millisecond}, k)
		c := r.dial(TCP)
		require.NoError(t, c.(*net.TCPConn).SetReadBuffer(4096))
		send(t, c, relpOpen)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for n := 2; ; n++ {
				if _, err := c.Write([]byte(relpFrame(n, "syslog", m1))); err != nil {
					return
				}
			}
		}()
		eventually(t, func() bool { return r.Stats().Messages[RELP] > 1000 }, "some load")
		begin := time.Now()
		require.NoError(t, r.stop())
		require.Less(t, time.Since(begin), 8*time.Second)
		c.Close()
		<-ended
	})
	t.Run("before the protocol is told", func(t *testing.T) {
		t.Parallel()
		r := startRELP(t, Config{}, newKeeper())
		c := r.dial(TCP)
		send(t, c, relpOpen[:5])
		eventually(t, func() bool { return r.Stats().Open == 1 }, "connected")
		time.AfterFunc(50*time.Millisecond, func() { c.Write([]byte(relpOpen[5:] + relpFrame(2, "syslog", m1))) })
		require.NoError(t, r.stop())
		require.Empty(t, r.sink.texts())
	})
}
