// Package syslogsrv receives syslog: listeners, framing by connection, limits,
// and one hand-over to the [Sink] for each read.
//
// The promise to the caller: no input stops it, costs more memory than its
// budgets, or delays other connections; whatever a sender meant to say reaches
// the Sink, in the order it was sent on that connection; what is refused is
// counted with its reason.
package syslogsrv
