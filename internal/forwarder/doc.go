// Package forwarder delivers the lines of followed files to a log server.
//
// The promise to the caller: no line is skipped, and to dalogd none is delivered
// twice. The files are the buffer while the server is away, and memory stays
// bounded.
//
// # What is known of the server
//
// With the protocol "relp", dalogd tells at every connection how far it has each
// file, and commits that together with the lines (courier). Another RELP server
// acknowledges message by message, and may get the last ones twice when a
// connection ends. Syslog over TCP has no acknowledgements: a line counts as
// delivered when the peer's TCP has acknowledged its bytes. What the peer's
// kernel took and its process never read (because it was killed) is lost with
// this protocol; no sender can know of it.
//
// # State
//
// The registry in the state folder holds, per source, the position up to which
// all is delivered. It is written once a second and at the end: after kill -9
// or loss of power, what was delivered since the last writing is sent again,
// except to dalogd, which says that it has it. The agent file holds what dalogd
// knows this forwarder by.
package forwarder
