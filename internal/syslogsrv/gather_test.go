package syslogsrv

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatIsSmallAndQuick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gathering
		for i, step := range []struct {
			after time.Duration
			n     int
			want  bool
		}{
			{0, 100, false},
			{100 * time.Microsecond, 100, false},
			{100 * time.Microsecond, 100, true},
			{gatherWithin, 100, false}, // a pause
			{0, 100, false},
			{0, gatherBytes, false},
			{0, gatherBytes - 1, false},
			{0, 1, false},
			{0, 1, true},
		} {
			time.Sleep(step.after)
			require.Equal(t, step.want, g.small(step.n), "step %d", i)
		}
		g.on = true
		time.Sleep(time.Hour)
		require.True(t, g.small(1), "on until a pause brings nothing")
		require.False(t, g.small(gatherBytes), "more may be there")
	})
}

// While bytes come together nobody is woken up for a few, but for many, and for
// the first one afterwards.
func TestPauseHoldsFewBytesBack(t *testing.T) {
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
	c, err := newConn(&Server{}, near, Endpoint{}, peerAddr(near.RemoteAddr()))
	require.NoError(t, err)
	do := func(f func(fd int) error) {
		t.Helper()
		require.NoError(t, control(c.raw, f))
	}
	var g gathering

	do(func(fd int) error { return g.pause(fd, near) })
	_, err = far.Write(make([]byte, 1000))
	require.NoError(t, err)
	time.Sleep(10 * time.Millisecond)
	require.False(t, readable(near.(*net.TCPConn)), "few bytes")
	_, err = near.Read(make([]byte, 1))
	require.ErrorContains(t, err, "timeout", "the pause has an end")
	_, err = far.Write(make([]byte, gatherBytes))
	require.NoError(t, err)
	eventually(t, func() bool { return readable(near.(*net.TCPConn)) }, "many bytes")
	require.NoError(t, near.SetReadDeadline(time.Time{}))
	_, err = io.ReadFull(near, make([]byte, gatherBytes+1000))
	require.NoError(t, err)

	do(g.end)
	_, err = far.Write(make([]byte, 1))
	require.NoError(t, err)
	eventually(t, func() bool { return readable(near.(*net.TCPConn)) }, "one byte")
}

// Messages that come one by one all arrive, the last ones too: before a silence,
// after it, and before the end.
func TestTrickle(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	for _, way := range []string{"tcp", "tls", "unix"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := startServer(t, Config{
				Listen: append(tcpOnly, Endpoint{Network: Unix, Address: filepath.Join(t.TempDir(), "log")}),
				TLS:    ca.issue(t, "log.test").load(t),
			}, nil)
			var c net.Conn
			switch way {
			case "unix":
				c = r.dial(Unix)
			case "tls":
				c = ca.client(t, r.dial(TCP), nil)
			default:
				c = r.dial(TCP)
			}
			want := []string{}
			say := func(n int) {
				for range n {
					text := fmt.Sprintf("number %d", len(want))
					want = append(want, text)
					m := "<13>p: " + text
					fmt.Fprintf(c, "%d %s", len(m), m)
					time.Sleep(100 * time.Microsecond)
				}
			}
			for range 3 {
				say(200)
				eventually(t, func() bool { return len(r.sink.records()) == len(want) }, "all before a silence")
				say(1)
				eventually(t, func() bool { return len(r.sink.records()) == len(want) }, "one after it")
			}
			say(50)
			require.NoError(t, c.Close())
			eventually(t, func() bool { return len(r.sink.records()) == len(want) }, "all before the end")
			require.Equal(t, want, r.sink.texts())
		})
	}
}
