package syslogsrv

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
)

var udpOnly = []Endpoint{{Network: UDP, Address: "127.0.0.1:0"}}

func TestDatagrams(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{Listen: udpOnly}, nil)
	c := r.dial(UDP)
	long := strings.Repeat("x", 65507-len("<13>p: "))
	for _, tc := range []struct{ datagram, text string }{
		{m1, "one"},
		{m1 + "\n", "one"},
		{m1 + "\x00", "one"},
		{m1 + "\n\x00", "one"},
		{m1 + "\n\n", "one"},
		{octet(m1), "one"},
		{m1 + "\n" + m2, "one\n" + m2},
		{"<0>", ""}, {"<13>", ""}, {"", ""}, {"\n", ""}, // nothing to store, nothing to fall over
		{"just text", "just text"},
		{"<13>p: " + long, long},
	} {
		before := len(r.sink.texts())
		send(t, c, tc.datagram)
		if tc.text == "" {
			continue
		}
		eventually(t, func() bool { return len(r.sink.texts()) > before }, "%q", tc.datagram[:min(40, len(tc.datagram))])
		require.Equal(t, tc.text, r.sink.texts()[before])
	}
	eventually(t, func() bool { return r.Stats().Empty == 4 }, "the empty ones are counted")
	require.EqualValues(t, 9, r.Stats().Messages[Datagram])
}

// Many senders at once, over more than one socket: each one's datagrams arrive
// complete and in order.
func TestManyDatagramSenders(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{Listen: udpOnly, UDPSockets: 3}, nil)
	const senders, each = 8, 500
	for i := range senders {
		c := r.dial(UDP)
		go func() {
			for n := range each {
				fmt.Fprintf(c, "<13>sender%d: %d", i, n)
			}
		}()
	}
	eventually(t, func() bool { return len(r.sink.texts()) == senders*each }, "all datagrams: %d, dropped %d", len(r.sink.texts()), r.Stats().KernelDrops)
	next := map[string]int{}
	for _, rec := range r.sink.records() {
		require.Equal(t, fmt.Sprint(next[rec.program]), rec.text)
		next[rec.program]++
	}
	require.Len(t, next, senders)
	require.Zero(t, r.Stats().KernelDrops)
}

// What the kernel drops while the Sink is slow is counted to the datagram.
func TestKernelDropsAreCounted(t *testing.T) {
	t.Parallel()
	sink := &recorder{gate: make(chan struct{})}
	r := startServer(t, Config{Listen: udpOnly, UDPSockets: 1, UDPBuffer: 64 << 10}, sink)
	c := r.dial(UDP)
	sent := 2000
	for range sent {
		send(t, c, "<13>p: "+strings.Repeat("x", 500))
	}
	require.Zero(t, len(r.sink.texts()))
	close(sink.gate)
	// The count comes with the datagrams behind a gap.
	eventually(t, func() bool {
		send(t, c, "<13>p: probe")
		sent++
		drops := r.Stats().KernelDrops
		return drops > 0 && int(drops)+len(r.sink.texts()) == sent
	}, "received and dropped make up all that was sent")
}

// Peers are the same over IPv4 whatever the socket, and over TCP and UDP.
func TestBothFamilies(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{Listen: []Endpoint{{Network: TCP, Address: "[::]:0"}, {Network: UDP, Address: "[::]:0"}}}, nil)
	_, port, err := net.SplitHostPort(r.addr(TCP))
	require.NoError(t, err)
	for _, network := range []string{TCP, UDP} {
		for _, host := range []string{"127.0.0.1", "::1"} {
			c, err := net.Dial(network, net.JoinHostPort(host, port))
			require.NoError(t, err)
			t.Cleanup(func() { c.Close() })
			before := len(r.sink.records())
			send(t, c, m1+"\n")
			eventually(t, func() bool { return len(r.sink.records()) > before }, "%s %s", network, host)
			require.Equal(t, host, r.sink.records()[before].from)
		}
	}
	require.Len(t, r.Peers(), 2)
}

func TestLocalDatagrams(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	r := startServer(t, Config{Listen: []Endpoint{{Network: Unixgram, Address: path}}}, nil)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o666, info.Mode().Perm(), "anybody may log")
	hostname, err := os.Hostname()
	require.NoError(t, err)
	c := r.dial(Unixgram)
	send(t, c, m1+"\x00")
	text := strings.Repeat("x", 100<<10) // more than UDP could carry
	send(t, c, "<13>p: "+text)
	r.wantTexts("one", text)
	require.Equal(t, hostname, r.sink.records()[0].from)
	require.Zero(t, r.sink.records()[1].flags&syslog.Truncated)
	require.NoError(t, r.stop())
	require.NoFileExists(t, path)
}

// A socket file that a killed process left behind is replaced.
func TestStaleSocketFiles(t *testing.T) {
	t.Parallel()
	for _, network := range []string{Unix, Unixgram} {
		path := filepath.Join(t.TempDir(), "log")
		kind := syscall.SOCK_STREAM
		if network == Unixgram {
			kind = syscall.SOCK_DGRAM
		}
		fd, err := syscall.Socket(syscall.AF_UNIX, kind, 0)
		require.NoError(t, err)
		require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
		require.NoError(t, syscall.Close(fd))
		require.FileExists(t, path)
		r := startServer(t, Config{Listen: []Endpoint{{Network: network, Address: path}}}, nil)
		c, err := net.Dial(network, path)
		require.NoError(t, err)
		send(t, c, m1+"\n")
		r.wantTexts("one")
		require.NoError(t, c.Close())
		require.NoError(t, r.stop())
		require.NoFileExists(t, path)
	}
}
