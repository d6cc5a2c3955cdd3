package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/cli"
)

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, address)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// unacked is how many of the bytes written to c the other kernel has not
// acknowledged.
func unacked(t *testing.T, c net.Conn) (n int) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }))
	require.NoError(t, err)
	return n
}

// SIGTERM in the middle of a load: each line that the kernel had acknowledged
// by then is on disk when dalogd has exited with 0, in order, and once.
func TestTermUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, "--rotate-size", "0") // one file has all lines
	const senders = 6
	const lineLen = 128
	var written [senders]atomic.Int64
	var conns [senders]net.Conn
	var group sync.WaitGroup
	for i := range senders {
		c := dial(t, "tcp", d.addr["tcp"])
		conns[i] = c
		group.Go(func() {
			for n := 0; ; n++ {
				line := fmt.Sprintf("<13>load%d: %08d ", i, n)
				line += strings.Repeat("x", lineLen-1-len(line)) + "\n"
				k, err := c.Write([]byte(line))
				written[i].Add(int64(k))
				if err != nil {
					return
				}
			}
		})
	}
	eventually(t, func() bool { return written[0].Load() > 1<<20 && written[senders-1].Load() > 1<<20 }, "some load")
	var acked [senders]int64
	for i := range senders {
		before := written[i].Load()
		acked[i] = (before - int64(unacked(t, conns[i]))) / lineLen
	}
	begin := time.Now()
	d.signal(syscall.SIGTERM)
	d.wantExit(cli.ExitOK)
	t.Logf("acknowledged lines: %v; ended after %v", acked, time.Since(begin).Round(time.Millisecond))
	for i := range conns {
		conns[i].Close()
	}
	group.Wait()
	for i := range senders {
		lines := d.lines(fmt.Sprintf("load%d.log", i))
		require.GreaterOrEqual(t, int64(len(lines)), acked[i], "load%d", i)
		for n, line := range lines {
			if !strings.Contains(line, fmt.Sprintf(": %08d x", n)) {
				require.Equal(t, len(lines)-1, n, "line %q in place of %d", line, n) // the one cut by the end
			}
		}
	}
}

// Interrupted while nothing happens, dalogd ends at once; its log tells the steps.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, "--log-format", "text")
	send := dial(t, "tcp", d.addr["tcp"])
	_, err := send.Write([]byte("<13>p: kept, although no end came"))
	require.NoError(t, err)
	datagram := dial(t, "udp", d.addr["udp"])
	_, err = datagram.Write([]byte("<13>u: datagram"))
	require.NoError(t, err)
	d.signal(syscall.SIGINT)
	d.wantExit(cli.ExitOK)
	require.Len(t, d.lines("p.log"), 1)
	require.Len(t, d.lines("u.log"), 1)
	at := 0
	for _, step := range []string{"msg=stopping", "part=syslog", "part=http", "part=store", "part=files", "msg=ended"} {
		i := strings.Index(d.err.String()[at:], step)
		require.GreaterOrEqual(t, i, 0, step)
		at += i
	}
}

// A second signal ends a stop that takes its time.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	d := startDaemon(t)
	c := dial(t, "tcp", d.addr["tcp"])
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() { // never pauses, so that the stop takes more than a second
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := c.Write([]byte("<13>p: on and on\n")); err != nil {
					return
				}
			}
		}
	})
	eventually(t, func() bool { return len(d.lines("p.log")) > 0 }, "load")
	d.signal(syscall.SIGTERM)
	eventually(t, func() bool { return strings.Contains(d.err.String(), "msg=stopping") }, "it stops")
	time.Sleep(sameSignal + 50*time.Millisecond) // or it is the same wish
	d.signal(syscall.SIGTERM)
	d.wantExit(cli.ExitInternal)
	close(stop)
	group.Wait()
	require.Contains(t, d.err.String(), "dalogd: second signal (terminated): stopped at once; messages not yet stored are lost\n")
}

// SIGHUP makes dalogd write to new files after somebody renamed the old ones.
func TestHangup(t *testing.T) {
	t.Parallel()
	d := startDaemon(t)
	c := dial(t, "tcp", d.addr["tcp"])
	_, err := c.Write([]byte("<13>p: before\n"))
	require.NoError(t, err)
	eventually(t, func() bool { return len(d.lines("p.log")) == 1 }, "a line")
	require.NoError(t, os.Rename(filepath.Join(d.dir, "p.log"), filepath.Join(d.dir, "p.log.1")))
	d.signal(syscall.SIGHUP)
	eventually(t, func() bool { return strings.Contains(d.err.String(), "msg=reloaded") }, "reloaded")
	_, err = c.Write([]byte("<13>p: after\n"))
	require.NoError(t, err)
	eventually(t, func() bool { return len(d.lines("p.log")) == 1 }, "a line in the new file")
	require.Contains(t, d.lines("p.log")[0], "after")
	require.Len(t, d.lines("p.log.1"), 1)
}

// A file system that takes no more holds the intake; when dalogd has to stop
// then, it says so and exits with the code for it.
func TestStopWithFullDisk(t *testing.T) {
	t.Parallel()
	cmd := command()
	cmd.Args = []string{"/bin/sh", "-c", `ulimit -f 16; exec "$0" "$@"`, cmd.Path} // no file above 16 blocks
	cmd.Path = "/bin/sh"
	d := startIn(t, cmd)
	c := dial(t, "tcp", d.addr["tcp"])
	_, err := c.Write([]byte(strings.Repeat("<13>p: "+strings.Repeat("x", 100)+"\n", 500)))
	require.NoError(t, err)
	eventually(t, func() bool { return d.metric("dalogd_intake_held") == 1 }, "the intake is held")
	resp, err := http.Get("http://" + d.addr["http"] + "/healthz")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	d.signal(syscall.SIGTERM)
	d.wantExit(cli.ExitDisk)
	last := d.err.String()[strings.LastIndex(strings.TrimSuffix(d.err.String(), "\n"), "\n")+1:]
	require.Regexp(t, `^dalogd: disk failure: .*file too large\. .*start dalogd again\n$`, last)
}

// What dalogd counts can be seen at /metrics.
func TestMetrics(t *testing.T) {
	t.Parallel()
	d := startDaemon(t)
	c := dial(t, "tcp", d.addr["tcp"])
	_, err := c.Write([]byte("<13>p: one\n<13>p: two\n"))
	require.NoError(t, err)
	refused := dial(t, "tcp", d.addr["tcp"])
	_, err = refused.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	require.NoError(t, err)
	eventually(t, func() bool { return d.metric("dalogd_stored_messages_total") == 2 }, "both are stored")
	for name, want := range map[string]float64{
		`dalogd_messages_total{protocol="lines"}`:                             2,
		`dalogd_received_bytes_total{protocol="lines"}`:                       22,
		`dalogd_connections_total{protocol="lines"}`:                          1,
		`dalogd_refused_total{reason="http"}`:                                 1,
		`dalogd_refused_total{reason="peer_not_allowed"}`:                     0,
		`dalogd_messages_lost_total`:                                          0,
		`dalogd_datagrams_dropped_total`:                                      0,
		`dalogd_peer_messages_total{peer="127.0.0.1"}`:                        2,
		`dalogd_peer_protocol{peer="127.0.0.1",protocol="lines",tls="false"}`: 1,
		`dalogd_stored_lines_total`:                                           2,
	} {
		eventually(t, func() bool { return d.metric(name) == want }, "%s %v", name, want)
	}
}

// Readers outside the allowed networks are refused on the HTTP port as well.
func TestReadersThatMayNot(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, "--allow", "127.0.0.9")
	c := dial(t, "tcp", d.addr["http"])
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	n, err := c.Read(make([]byte, 100))
	require.Zero(t, n)
	require.Error(t, err)
	require.False(t, os.IsTimeout(err))
	eventually(t, func() bool { return strings.Contains(d.err.String(), "reason=reader_not_allowed") }, "said")
}
