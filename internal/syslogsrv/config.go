package syslogsrv

import (
	"log/slog"
	"time"
)

// Config says what a Server listens on and what it allows itself to spend. The
// zero value of every field but Listen and Inherited means its default.
type Config struct {
	// Listen are the addresses to bind; all of them or none.
	Listen []Endpoint
	// Inherited are sockets that the service manager opened; see [Inherited].
	// The Server owns them from the call of [Listen] on.
	Inherited []Socket

	// TLS is the server's side of TLS. Without it a TLS hello is refused.
	TLS *Certificates

	Rules

	// MaxMessage is how many bytes of one message are kept; the rest of it is
	// skipped and the message flagged. Default: 1 MiB.
	MaxMessage int
	// MaxHandshakes bounds TLS handshakes under way; above, the oldest is
	// given up. Default: 500.
	MaxHandshakes int
	// BufferBytes bounds the memory for bytes read and not yet handed to the
	// Sink, all connections together; it is raised to four of the largest
	// messages where it is less. Default: 32 MiB.
	BufferBytes int

	// FirstByteTimeout is how long a connection may leave its protocol open
	// once its first byte is here; it is then taken as lines of text. A
	// connection that sent nothing waits for ever. Default: 10 s.
	FirstByteTimeout time.Duration
	// HandshakeTimeout bounds a TLS handshake from its first byte.
	// Default: 10 s.
	HandshakeTimeout time.Duration
	// DrainTimeout bounds how long Run goes on reading what peers had sent
	// when its context ended; handing that over to a slow Sink may take half
	// as long again. Default: 4 s.
	DrainTimeout time.Duration

	// UDPSockets is the number of sockets for each UDP address. Default:
	// GOMAXPROCS, at most 8.
	UDPSockets int
	// UDPBuffer is the receive buffer asked of the kernel for each of them,
	// in bytes. Default: 16 MiB.
	UDPBuffer int

	// Hints are what the operator can do about refusals, for the log.
	Hints map[Reason]string
	// Log takes events of connections, never contents of messages.
	// Default: slog.Default().
	Log *slog.Logger
}
