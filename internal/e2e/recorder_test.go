package e2e

import (
	"bytes"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// recorder is a TCP server that keeps what its clients send.
type recorder struct {
	addr string
	mu   sync.Mutex
	buf  []byte // under mu
}

func startRecorder(t *testing.T) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	r := &recorder{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.keep(c)
		}
	}()
	return r
}

func (r *recorder) keep(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		r.mu.Lock()
		r.buf = append(r.buf, buf[:n]...)
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.buf)
}

// frames cuts an octet-counted stream into its messages, and says whether it
// ends with a complete one.
func frames(t *testing.T, stream []byte) (messages []string, complete bool) {
	t.Helper()
	for len(stream) > 0 {
		count, rest, found := bytes.Cut(stream, []byte{' '})
		if !found {
			return messages, false
		}
		n, err := strconv.Atoi(string(count))
		require.NoError(t, err, "frame %d starts with %.40q", len(messages), stream)
		if n > len(rest) {
			return messages, false
		}
		messages, stream = append(messages, string(rest[:n])), rest[n:]
	}
	return messages, true
}

// play sends a recording to a server over one connection, as plain TCP senders
// do: without reading.
func play(t *testing.T, addr string, recording []byte) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	_, err = c.Write(recording)
	require.NoError(t, err)
	require.NoError(t, c.Close())
}
