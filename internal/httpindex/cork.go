package httpindex

import (
	"net/http"
	"syscall"

	"golang.org/x/sys/unix"
)

// corkFrom is the size in bytes of an answer from which on corking is worth while.
const corkFrom = 256 << 10

// cork has what is written to the connection of r go out in full segments, until
// uncork is called: sendfile(2) hands on 64 KiB at a time, and each would wake the
// client by itself, which halves the rate. Over HTTP/2 the connection has other
// answers to send as well, and is left alone.
func cork(r *http.Request, size int64) (uncork func()) {
	conn, ok := r.Context().Value(connectionKey{}).(*connection)
	if !ok || conn == nil || size < corkFrom || r.ProtoMajor != 1 {
		return func() {}
	}
	set := func(on int) {
		if c, ok := conn.conn.(syscall.Conn); ok {
			if raw, err := c.SyscallConn(); err == nil {
				// It fails where the client has gone, or on what is not TCP.
				_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, on) })
			}
		}
	}
	set(1)
	return func() { set(0) }
}
