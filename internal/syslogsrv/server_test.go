package syslogsrv

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
)

// recorder is a Sink that keeps what it gets.
type recorder struct {
	mu   sync.Mutex
	got  []record
	gate chan struct{} // not nil: Submit waits until it is closed
	bomb string        // not empty: a message with this text makes Submit panic
}

type record struct {
	text, program, host, from string
	at                        syslog.Timestamp
	flags                     syslog.Flags
}

func (r *recorder) Submit(ctx context.Context, _ time.Time, msgs []syslog.Message, committed func(error)) error {
	if committed != nil {
		panic("nobody waits for these senders")
	}
	if r.gate != nil {
		select {
		case <-r.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range msgs {
		if r.bomb != "" && string(m.Text) == r.bomb {
			panic("bomb")
		}
		r.got = append(r.got, record{
			text: string(m.Text), program: string(m.Program), host: string(m.Host),
			from: m.From.Name, at: m.Time, flags: m.Flags,
		})
	}
	return nil
}

func (r *recorder) records() []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]record(nil), r.got...)
}

func (r *recorder) texts() []string {
	texts := []string{}
	for _, x := range r.records() {
		texts = append(texts, x.text)
	}
	return texts
}

// running is a Server under test.
type running struct {
	*Server
	t    *testing.T
	sink *recorder
	log  *lockedBuffer
	stop func() error // ends Run and returns its error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var tcpOnly = []Endpoint{{Network: TCP, Address: "127.0.0.1:0"}}

// startServer runs a Server with the sink, a new one where it is nil, until
// the test ends.
func startServer(t *testing.T, cfg Config, sink *recorder) *running {
	t.Helper()
	if sink == nil {
		sink = new(recorder)
	}
	r := startSink(t, cfg, sink)
	r.sink = sink
	return r
}

// startSink is startServer with a Sink of any kind.
func startSink(t *testing.T, cfg Config, sink Sink) *running {
	t.Helper()
	if cfg.Listen == nil && cfg.Inherited == nil {
		cfg.Listen = tcpOnly
	}
	log := new(lockedBuffer)
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	s, err := Listen(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, sink) }()
	r := &running{Server: s, t: t, log: log}
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(60 * time.Second):
			t.Error("Run does not end")
			return nil
		}
	})
	t.Cleanup(func() { r.stop() })
	return r
}

// addr is the bound address of a kind of endpoint.
func (r *running) addr(kind string) string {
	r.t.Helper()
	for _, e := range r.Bound() {
		if e.Kind() == kind {
			return e.Address
		}
	}
	r.t.Fatalf("no %s endpoint", kind)
	return ""
}

func (r *running) dial(kind string) net.Conn {
	r.t.Helper()
	network := kind
	if kind == "tls" {
		network = TCP
	}
	c, err := net.Dial(network, r.addr(kind))
	require.NoError(r.t, err)
	r.t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	_, err := c.Write([]byte(s))
	require.NoError(t, err)
}

// eventually polls, as the kernel and other goroutines need their time.
func eventually(t *testing.T, what func() bool, format string, args ...any) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !what(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: "+format, args...)
		}
	}
}

// wantTexts waits for exactly these messages, in this order.
func (r *running) wantTexts(want ...string) {
	r.t.Helper()
	eventually(r.t, func() bool { return len(r.sink.texts()) >= len(want) }, "%d messages; got %q", len(want), r.sink.texts())
	require.Equal(r.t, want, r.sink.texts())
}

// wantServed waits until n connections have come and all of them ended.
func (r *running) wantServed(n int) {
	r.t.Helper()
	eventually(r.t, func() bool {
		s := r.Stats()
		served := uint64(0)
		for _, count := range s.Connections {
			served += count
		}
		return s.Open == 0 && served == uint64(n)
	}, "%d connections served", n)
}

func (r *running) wantRefused(reason Reason, n uint64) {
	r.t.Helper()
	eventually(r.t, func() bool { return r.Stats().Refused[reason] >= n }, "%d refused for %s; got %d", n, reason, r.Stats().Refused[reason])
	require.Equal(r.t, n, r.Stats().Refused[reason])
}

// wantClosed waits until the server has closed the connection, and returns
// what it said before.
func wantClosed(t *testing.T, c net.Conn) string {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	var said strings.Builder
	buf := make([]byte, 1024)
	for {
		n, err := c.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			require.False(t, isTimeout(err), "the connection stays open")
			return said.String()
		}
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]Endpoint{
		":514":               {{Network: TCP, Address: ":514"}, {Network: UDP, Address: ":514"}},
		"127.0.0.1:5140":     {{Network: TCP, Address: "127.0.0.1:5140"}, {Network: UDP, Address: "127.0.0.1:5140"}},
		"[::1]:514":          {{Network: TCP, Address: "[::1]:514"}, {Network: UDP, Address: "[::1]:514"}},
		"tcp:10.0.0.1:514":   {{Network: TCP, Address: "10.0.0.1:514"}},
		"udp::514":           {{Network: UDP, Address: ":514"}},
		"tls:[::]:6514":      {{Network: TCP, Address: "[::]:6514", TLS: true}},
		"unix:/dev/log":      {{Network: Unix, Address: "/dev/log"}},
		"unixgram:/dev/log":  {{Network: Unixgram, Address: "/dev/log"}},
		"log.example.org:99": {{Network: TCP, Address: "log.example.org:99"}, {Network: UDP, Address: "log.example.org:99"}},
	} {
		got, err := ParseEndpoints(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for in, want := range map[string]string{
		"514":             `"514" names no port`,
		"host":            `"host" names no port`,
		":http":           `port "http" is not a number`,
		":70000":          `port "70000" is not a number from 0 to 65535`,
		"tcp:514":         `not HOST:PORT`,
		"unix:":           `names no path`,
		"unxi:/dev/log":   `port "/dev/log" is not a number`,
		"127.0.0.1:5:514": `not HOST:PORT`,
	} {
		_, err := ParseEndpoints(in)
		require.ErrorContains(t, err, want, in)
	}
}

func TestListenFailures(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	takenUDP, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer takenUDP.Close()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, writeFile(file, "precious"))
	answered := filepath.Join(t.TempDir(), "sock")
	other, err := net.Listen("unix", answered)
	require.NoError(t, err)
	defer other.Close()

	for _, tc := range []struct {
		endpoint Endpoint
		want     string
	}{
		{Endpoint{Network: TCP, Address: taken.Addr().String()}, "address already in use"},
		{Endpoint{Network: UDP, Address: takenUDP.LocalAddr().String()}, "address already in use"},
		{Endpoint{Network: Unix, Address: file}, "exists and is not a socket"},
		{Endpoint{Network: Unix, Address: answered}, "address already in use"},
		{Endpoint{Network: Unix, Address: "/no/such/folder/sock"}, "no such file or directory"},
		{Endpoint{Network: TCP, Address: "192.0.2.1:514"}, "cannot assign requested address"},
	} {
		free := Endpoint{Network: TCP, Address: "127.0.0.1:0"}
		_, err := Listen(Config{Listen: []Endpoint{free, tc.endpoint}})
		var le *ListenError
		require.ErrorAs(t, err, &le)
		require.Equal(t, tc.endpoint, le.Endpoint)
		require.ErrorContains(t, err, tc.want)
	}
}

// Both of TCP and UDP are on one port, also when the kernel chooses it.
func TestOnePortForBoth(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{Listen: []Endpoint{{Network: TCP, Address: "127.0.0.1:0"}, {Network: UDP, Address: "127.0.0.1:0"}}}, nil)
	require.Equal(t, r.addr(TCP), r.addr(UDP))
	require.Len(t, r.Bound(), 2)
}

// A fault that one message sets off ends its connection and no other.
func TestPanicIsConfined(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{
		Listen: append(tcpOnly, Endpoint{Network: UDP, Address: "127.0.0.1:0"}), BufferBytes: 1,
	}, &recorder{bomb: "tick"})
	good, bad := r.dial(TCP), r.dial(TCP)
	send(t, good, "<13>Mar 17 04:05:06 h a: before\n")
	r.wantTexts("before")
	for range 20 { // more than there are batches: the lost ones are given back
		send(t, bad, "<13>Mar 17 04:05:06 h a: tick\n")
		wantClosed(t, bad)
		bad = r.dial(TCP)
	}
	r.wantRefused(Panicked, 20)
	datagram := r.dial(UDP)
	send(t, datagram, "<13>Mar 17 04:05:06 h a: tick")
	r.wantRefused(Panicked, 21)
	send(t, datagram, "<13>Mar 17 04:05:06 h a: datagram")
	send(t, good, "<13>Mar 17 04:05:06 h a: after\n")
	eventually(t, func() bool { return len(r.sink.texts()) == 3 }, "both messages")
	require.Equal(t, 1, strings.Count(r.log.String(), "stack="), "the stack is logged once")
}

func octet(s string) string { return fmt.Sprintf("%d %s", len(s), s) }
