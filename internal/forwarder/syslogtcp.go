package forwarder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/syslog"
)

const tcpPromise = "this protocol has no acknowledgements: lines that the server's kernel has taken " +
	"and the server's process never reads, because it is killed, are lost; " +
	"after a cut connection lines may arrive twice"

// rfc5424 is octet-counted RFC 5424 (RFC 6587, section 3.4.1), with LF in the
// frame and the meta element's sequenceId, as syslog-ng's syslog() sends it.
type rfc5424 struct{}

func (rfc5424) appendFrame(dst []byte, pri uint8, at syslog.Timestamp, host, program string, sequence uint64, text []byte) []byte {
	return syslog.AppendOctetRFC5424(dst, pri, at, host, program, sequence, text)
}

func (rfc5424) frameLen(p []byte) int {
	n, i := 0, 0
	for ; p[i] != ' '; i++ {
		n = n*10 + int(p[i]-'0')
	}
	return i + 1 + n
}

func (rfc5424) open(conn *link, peerTimeout time.Duration) (session, error) {
	return openTCP(conn, peerTimeout)
}

func (rfc5424) promise() string { return tcpPromise }

// bsd is RFC 3164 with LF at the end (RFC 6587, section 3.4.2).
type bsd struct{}

func (bsd) appendFrame(dst []byte, pri uint8, at syslog.Timestamp, host, program string, _ uint64, text []byte) []byte {
	return syslog.AppendBSD(dst, pri, at, host, program, text)
}

func (bsd) frameLen(p []byte) int { return bytes.IndexByte(p, '\n') + 1 }

func (bsd) open(conn *link, peerTimeout time.Duration) (session, error) {
	return openTCP(conn, peerTimeout)
}

func (bsd) promise() string { return tcpPromise }

// tcpSession takes for delivered what the peer's TCP has acknowledged.
type tcpSession struct {
	conn    net.Conn // to read and write: TLS over tcp, or tcp itself
	tcp     *net.TCPConn
	raw     syscall.RawConn
	written int64
	ended   chan struct{} // closed when the peer sends nothing more
	why     error         // once ended is closed
}

func openTCP(conn *link, peerTimeout time.Duration) (*tcpSession, error) {
	raw, err := conn.tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &tcpSession{conn: conn.Conn, tcp: conn.tcp, raw: raw, ended: make(chan struct{})}
	if err := setUserTimeout(conn.tcp, peerTimeout); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.ended)
		// A syslog server says nothing; it only closes.
		if _, s.why = io.Copy(io.Discard, conn.Conn); s.why == nil {
			s.why = io.EOF
		}
	}()
	return s, nil
}

// setUserTimeout has a connection end when the peer's TCP takes nothing for so
// long.
func setUserTimeout(conn *net.TCPConn, limit time.Duration) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("set the connection's timeout: %w", err)
	}
	return nil
}

func (s *tcpSession) control(fn func(fd int) error) error {
	var err error
	if cerr := s.raw.Control(func(fd uintptr) { err = fn(int(fd)) }); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("socket", err)
}

func (s *tcpSession) write(p []byte) error {
	n, err := s.conn.Write(p)
	s.written += int64(n)
	return err
}

// confirmed asks how much of what was written is still in the socket, sent and
// not acknowledged, or not sent. TLS makes that more than it was, so that what is
// confirmed is never said to be too much.
func (s *tcpSession) confirmed() (int64, error) {
	var waiting int
	err := s.control(func(fd int) (err error) {
		waiting, err = unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		return err
	})
	if err != nil {
		return 0, err
	}
	return max(0, s.written-int64(waiting)), nil
}

func (s *tcpSession) gone() <-chan struct{} { return s.ended }

func (s *tcpSession) reason() error { return s.why }

func (s *tcpSession) abort() { _ = s.conn.SetDeadline(time.Unix(1, 0)) }

func (s *tcpSession) close() error {
	err := s.conn.(interface{ CloseWrite() error }).CloseWrite()
	if cerr := s.conn.Close(); err == nil {
		err = cerr
	}
	<-s.ended
	return err
}
