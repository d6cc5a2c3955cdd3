package forwarder

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// rawServer keeps the bytes of its connections.
type rawServer struct {
	addr string
	buf  lockedBuffer
}

func newRawServer(t *testing.T) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	s := &rawServer{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(&s.buf, conn)
			}()
		}
	}()
	return s
}

func (s *rawServer) bytes() []byte { return []byte(s.buf.String()) }
