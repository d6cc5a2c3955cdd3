// Package forwarder delivers the lines of followed files to a syslog server.
//
// The promise to the caller: no line is skipped. What the server is not known
// to have is sent again after a cut connection and after a restart, so a line
// may arrive twice, never not at all; the files are the buffer while the server
// is away, and memory stays bounded.
//
// # What is known of the server
//
// Syslog over TCP has no acknowledgements. A line counts as delivered when the
// peer's TCP has acknowledged its bytes. What the peer's kernel took and its
// process never read (because it was killed) is lost with this protocol; no
// sender can know of it.
//
// # State
//
// The registry in the state folder holds, per source, the position up to which
// all is delivered. It is written once a second and at the end: after kill -9
// or loss of power, what was delivered since the last writing is sent again.
package forwarder
