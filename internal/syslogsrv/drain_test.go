package syslogsrv

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// loader writes numbered lines over one connection until it fails.
type loader struct {
	name    string
	limit   int // lines to stop after; 0: never
	c       net.Conn
	written atomic.Int64 // lines given to the kernel
	bytes   atomic.Int64
}

func (l *loader) run() {
	for n := 0; l.limit == 0 || n < l.limit; n++ {
		k, err := fmt.Fprintf(l.c, "<13>%s: %d %s\n", l.name, n, strings.Repeat("x", n%300))
		l.bytes.Add(int64(k))
		if err != nil {
			return
		}
		l.written.Add(1)
	}
}

// acked is a number of lines that the receiving kernel has acknowledged.
func (l *loader) acked(t *testing.T) int64 {
	t.Helper()
	if _, local := l.c.(*net.UnixConn); local {
		return l.written.Load() // there is no way in between
	}
	socket := l.c
	if secure, ok := socket.(*tls.Conn); ok {
		socket = secure.NetConn()
	}
	raw, err := socket.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	lines, total := l.written.Load(), l.bytes.Load()
	var queued int
	require.NoError(t, raw.Control(func(fd uintptr) { queued, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }))
	require.NoError(t, err)
	if queued == 0 || lines == 0 {
		return lines
	}
	// Lines are of about the same length over any longer stretch; the margin is for the rest.
	return max(0, lines-int64(queued)*lines/total-300)
}

// What the kernel has acknowledged to senders before the stop is handed over,
// although they go on sending and the Sink is slow.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	for _, slow := range []bool{false, true} {
		t.Run(fmt.Sprintf("slow=%v", slow), func(t *testing.T) {
			t.Parallel()
			sink := new(recorder)
			limit := 0
			if slow {
				sink.gate = make(chan struct{})
				limit = 150
			}
			r := startServer(t, Config{
				Listen:       append(tcpOnly, Endpoint{Network: Unix, Address: filepath.Join(t.TempDir(), "log")}),
				TLS:          ca.issue(t, "log.test").load(t),
				DrainTimeout: 15 * time.Second,
			}, sink)
			var loaders []*loader
			var group sync.WaitGroup
			for i := range 8 {
				l := &loader{name: fmt.Sprintf("load%d", i), limit: limit}
				switch i {
				case 6:
					l.c = ca.client(t, r.dial(TCP), nil)
				case 7:
					l.c = r.dial(Unix)
				default:
					l.c = r.dial(TCP)
				}
				loaders = append(loaders, l)
				group.Go(l.run)
			}
			if !slow {
				eventually(t, func() bool { return len(sink.records()) > 20000 }, "some load")
			}
			acked := map[string]int64{}
			for _, l := range loaders {
				eventually(t, func() bool {
					acked[l.name] = l.acked(t)
					return acked[l.name] > 0 && (!slow || acked[l.name] == int64(limit))
				}, "lines of %s acknowledged", l.name)
			}
			if slow {
				time.AfterFunc(300*time.Millisecond, func() { close(sink.gate) })
			}
			require.NoError(t, r.stop())
			for _, l := range loaders {
				l.c.Close()
			}
			group.Wait()
			got := map[string]int64{}
			for _, rec := range sink.records() {
				var n int64
				if _, err := fmt.Sscan(rec.text, &n); err != nil || n != got[rec.program] {
					require.NotZero(t, rec.flags, "%s: line %q in place of %d", rec.program, rec.text, got[rec.program])
					continue // the last, cut one
				}
				got[rec.program]++
			}
			for name, n := range acked {
				require.GreaterOrEqual(t, got[name], n, name)
			}
		})
	}
}

// Bytes that have left the kernel's buffer and are not counted yet are owed too.
func TestReadUnderWayIsOwed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer far.Close()
	near, err := l.Accept()
	require.NoError(t, err)
	defer near.Close()
	for _, reading := range []int64{0, 1000} {
		c, err := newConn(&Server{}, near, Endpoint{}, peerAddr(near.RemoteAddr()))
		require.NoError(t, err)
		c.total.Store(100)
		c.reading.Store(reading)
		c.drain()
		require.Equal(t, 100+reading, c.owed.Load())
	}
}

// Connections that the kernel has accepted are served, although the server
// had not yet come to them.
func TestStopTakesTheBacklog(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{}, nil)
	const n = 200
	for i := range n {
		send(t, r.dial(TCP), fmt.Sprintf("<13>p: %d\n", i))
	}
	require.NoError(t, r.stop())
	require.Len(t, r.sink.texts(), n)
}

// Senders that do nothing do not hold the stop up, and learn of it.
func TestStopIsQuick(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	r := startServer(t, Config{TLS: ca.issue(t, "log.test").load(t)}, nil)
	half := r.dial(TCP)
	send(t, half, "<13>p: unfinished")
	digit := r.dial(TCP)
	send(t, digit, "1")
	secure := ca.client(t, r.dial(TCP), nil)
	send(t, secure, m1+"\n")
	hello := r.dial(TCP)
	send(t, hello, string(firstFlight(t)[:20]))
	r.dial(TCP)
	eventually(t, func() bool { return r.Stats().Open == 5 && len(r.sink.texts()) == 1 }, "all are connected")
	begin := time.Now()
	require.NoError(t, r.stop())
	require.Less(t, time.Since(begin), 2500*time.Millisecond) // the time for draining is 4 s
	require.ElementsMatch(t, []string{"one", "unfinished", "1"}, r.sink.texts())
	_, err := secure.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "TLS is closed properly")
}

// A Sink that takes nothing any more cannot hold the stop up for ever, and
// what that loses is told.
func TestStopGivesUp(t *testing.T) {
	t.Parallel()
	sink := &recorder{gate: make(chan struct{})}
	r := startServer(t, Config{DrainTimeout: 200 * time.Millisecond}, sink)
	send(t, r.dial(TCP), m1+"\n")
	eventually(t, func() bool { return r.Stats().Connections[Lines] == 1 }, "the message is read")
	require.ErrorIs(t, r.stop(), ErrNotDrained)
	require.EqualValues(t, 1, r.Stats().Lost)
}

func TestStopTakesQueuedDatagrams(t *testing.T) {
	t.Parallel()
	sink := &recorder{gate: make(chan struct{})}
	path := filepath.Join(t.TempDir(), "log")
	r := startServer(t, Config{Listen: append(udpOnly, Endpoint{Network: Unixgram, Address: path})}, sink)
	const n = 300
	c := r.dial(UDP)
	for i := range n {
		send(t, c, fmt.Sprintf("<13>udp: %d", i))
	}
	local := r.dial(Unixgram)
	for i := range 10 {
		send(t, local, fmt.Sprintf("<13>local: %d", i))
	}
	time.AfterFunc(200*time.Millisecond, func() { close(sink.gate) })
	require.NoError(t, r.stop())
	require.Len(t, sink.texts(), n+10)
}

// While the Sink takes nothing, senders are held by TCP and memory stays flat;
// afterwards nothing is missing.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	sink := &recorder{gate: make(chan struct{})}
	r := startServer(t, Config{BufferBytes: 4 << 20}, sink)
	const senders, lines = 3, 5000 // more than the buffers of the kernel on both sides
	line := strings.Repeat("x", 4000)
	var group sync.WaitGroup
	var written atomic.Int64
	for i := range senders {
		c := r.dial(TCP)
		group.Go(func() {
			for n := range lines {
				if _, err := fmt.Fprintf(c, "<13>p%d: %d %s\n", i, n, line); err != nil {
					t.Error(err)
					return
				}
				written.Add(1)
			}
			c.Close()
		})
	}
	for held, last := 0, int64(-1); held < 5; time.Sleep(10 * time.Millisecond) {
		if now := written.Load(); now == last {
			held++
		} else {
			held, last = 0, now
		}
	}
	require.Less(t, written.Load(), int64(senders*lines), "the senders are held")
	out := len(r.batches.tokens)
	require.LessOrEqual(t, out*readSize, 2<<20)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d of %d lines written, %d batches out, heap %d MiB", written.Load(), senders*lines, out, m.HeapInuse>>20)

	close(sink.gate)
	group.Wait()
	r.wantServed(senders)
	next := map[string]int{}
	for _, rec := range sink.records() {
		require.Equal(t, fmt.Sprint(next[rec.program], " ", line), rec.text)
		next[rec.program]++
	}
	for program, n := range next {
		require.Equal(t, lines, n, program)
	}
	require.Len(t, next, senders)
}
