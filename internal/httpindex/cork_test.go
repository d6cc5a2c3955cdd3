package httpindex

import (
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Only large answers over HTTP/1 are corked, and the connection is as it was after
// each.
func TestCork(t *testing.T) {
	t.Parallel()
	var seen []int
	connections := NewConnections(10, 10, nil)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn := r.Context().Value(connectionKey{}).(*connection).conn.(*net.TCPConn)
		corked := func() {
			raw, err := conn.SyscallConn()
			require.NoError(t, err)
			require.NoError(t, raw.Control(func(fd uintptr) {
				on, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK)
				require.NoError(t, err)
				seen = append(seen, on)
			}))
		}
		for _, c := range []struct {
			size  int64
			major int
		}{{corkFrom - 1, 1}, {corkFrom, 2}, {corkFrom, 1}} {
			r.ProtoMajor = c.major
			uncork := cork(r, c.size)
			corked()
			uncork()
			corked()
		}
	})}
	connections.Bind(server)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(connections.Limit(l)) }()
	answer, err := http.Get("http://" + l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.NoError(t, server.Close())
	require.Equal(t, []int{0, 0, 0, 0, 1, 0}, seen)
}
