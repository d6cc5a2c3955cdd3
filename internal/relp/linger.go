package relp

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Linger closes a connection so that the last that was written reaches the
// peer: a connection that is closed while input waits is reset, which destroys
// what is on its way. It closes the sending side, drops what still comes in
// until the peer has closed too or limit is over (2 s is customary), and closes.
func Linger(conn net.Conn, limit time.Duration) error {
	return errors.Join(drain(conn, limit), conn.Close())
}

func drain(conn net.Conn, limit time.Duration) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	switch err := half.CloseWrite(); {
	case errors.Is(err, unix.ENOTCONN): // the reset came before
		return nil
	case err != nil:
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, unix.ECONNRESET) {
		return nil
	}
	return err
}
