package forwarder

import (
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

// protocol is how lines look on the wire and how the server's side of it is
// understood.
type protocol interface {
	// appendFrame appends one message to dst. Nothing is kept of it.
	appendFrame(dst []byte, pri uint8, at syslog.Timestamp, host, program string, sequence uint64, text []byte) []byte
	// frameLen is the length of the first frame in p, which holds it whole.
	frameLen(p []byte) int
	// open begins a session on a new connection and owns it from then on.
	open(conn *link, peerTimeout time.Duration) (session, error)
	// promise says what the protocol cannot promise; it is logged at the start.
	promise() string
}

// session is one connection to one server. All methods but gone are called from
// one goroutine.
type session interface {
	// write hands p to the connection and blocks while that is full.
	write(p []byte) error
	// confirmed is how many of the bytes written the server is known to have,
	// also after the connection broke.
	confirmed() (int64, error)
	// gone is closed when the peer has closed the connection, or it broke; reason
	// then tells which: io.EOF means that the peer will send nothing more, though
	// it may still read.
	gone() <-chan struct{}
	reason() error
	// abort makes write return with an error, now and from then on.
	abort()
	// close ends the connection, politely if all is confirmed.
	close() error
}

var protocols = map[string]protocol{
	"syslog": rfc5424{},
	"bsd":    bsd{},
	// The frames of RELP's messages are kept as those of syslog are.
	protocolRELP: rfc5424{},
}
