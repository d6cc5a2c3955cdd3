package e2e

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What a sender's TCP has handed over when dalogd is told to stop is in the
// files when dalogd has ended, although the connections are still open.
func TestStopKeepsWhatWasReceived(t *testing.T) {
	t.Parallel()
	const senders, lines = 4, 30_000
	d := startDalogd(t, "")
	var sending sync.WaitGroup
	for i := range senders {
		conn, err := net.Dial("tcp", d.tcp)
		require.NoError(t, err)
		defer conn.Close()
		name := fmt.Sprintf("app%d", i)
		var stream strings.Builder
		for _, line := range numbered(name, 0, lines) {
			stream.WriteString(framed("<15>1 2026-11-23T08:27:00Z web1 " + name + " - - - " + line))
		}
		sending.Go(func() {
			if _, err := conn.Write([]byte(stream.String())); err != nil {
				t.Error(err)
				return
			}
			for unacknowledged(t, conn) > 0 && !t.Failed() {
				time.Sleep(time.Millisecond)
			}
		})
	}
	sending.Wait()

	asked := time.Now()
	d.stop()
	require.Less(t, time.Since(asked), 5*time.Second, "time to stop")
	for i := range senders {
		name := fmt.Sprintf("app%d", i)
		requireNumbered(t, d.path(name+".log"), name, lines)
	}
}

// unacknowledged is how many bytes the other side's kernel has not confirmed.
func unacknowledged(t *testing.T, conn net.Conn) int {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Error(err)
		return 0
	}
	n := 0
	var failed error
	if err := raw.Control(func(fd uintptr) { n, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil || failed != nil {
		t.Error(err, failed)
		return 0
	}
	return n
}

// Senders that do not stop cannot keep dalogd from stopping, and no line in the
// files is torn or out of order.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	const senders = 4
	d := startDalogd(t, "", "--rotate-size", "0") // more than 16 MiB may come before it stops
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sending sync.WaitGroup
	for i := range senders {
		name := fmt.Sprintf("app%d", i)
		sending.Go(func() {
			conn, err := net.Dial("tcp", d.tcp)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			for n := 0; ctx.Err() == nil; n += 100 {
				var b strings.Builder
				for _, line := range numbered(name, n, 100) {
					b.WriteString(framed("<15>1 2026-11-23T08:27:00Z web1 " + name + " - - - " + line))
				}
				if _, err := conn.Write([]byte(b.String())); err != nil {
					return // dalogd has ended
				}
			}
		})
	}
	for i := range senders {
		waitFor(t, "load", func() bool { return countLines(t, d.path(fmt.Sprintf("app%d.log", i))) > 10_000 })
	}
	asked := time.Now()
	d.stop()
	require.Less(t, time.Since(asked), 8*time.Second, "time to stop")
	cancel()
	sending.Wait()
	for i := range senders {
		name := fmt.Sprintf("app%d", i)
		lines := fileLines(t, d.path(name+".log"))
		requireNumbered(t, d.path(name+".log"), name, len(lines))
	}
}

// A restart goes on with the same files.
func TestRestart(t *testing.T) {
	t.Parallel()
	d := startDalogd(t, "")
	for round := range 3 {
		play(t, d.tcp, []byte(text(numbered("<15>Nov  3 08:28:56 web1 celery: round", round*100, 100))))
		waitLines(t, d.path("worker.log"), (round+1)*100)
		d.stop()
		d = startDalogd(t, d.dir)
	}
	requireNumbered(t, d.path("worker.log"), "round", 300)
}
