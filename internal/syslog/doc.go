// Package syslog holds the words of the syslog protocols: the [Message],
// reading any dialect of it, cutting byte streams into frames, writing it, and
// making its bytes safe to store.
//
// The promise to the caller: no input is refused for its content, no input
// panics, and what a sender meant to say survives even where its form is
// defective; what was defective is told by [Flags]. Nothing here touches
// sockets, files or clocks: the time of receipt is passed in.
//
// Sources: RFC 5424, RFC 3164, RFC 6587, RFC 5425, RFC 5426.
package syslog
