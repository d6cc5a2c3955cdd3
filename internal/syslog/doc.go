// Package syslog holds the words of the syslog protocols: the [Message],
// reading any dialect of it, cutting byte streams into frames, telling
// protocols by their first bytes, writing messages, and making their bytes
// safe to store.
//
// The promise to the caller: no input is refused for its content, no input
// panics, and what a sender meant to say survives even where its form is
// defective; what was defective is told by [Flags]. Work and memory are
// bounded by the size of the input, and reading allocates nothing. Nothing
// here touches sockets, files or clocks: the time of receipt is passed in.
//
// # What is read
//
// Behind the priority, a version, a blank and a time (or "-" and a whole
// header) make a message of RFC 5424. Its columns end at single blanks;
// structured data that is none is text.
//
// All else is RFC 3164 as it is sent: a time in one of its forms (without a
// year, with one in three places, with a zone's name or offset, in ISO form,
// as seconds since 1970), Cisco's sequence numbers and clock marks before it,
// then a host, a tag and text. A word is a host where a time stands before it
// and it does not have the form of a tag; a word is a tag where it ends in a
// colon or in brackets, and holds a letter. Without a time, a host is read only
// before a tag with a PID; without a time and a priority, a tag only with a
// PID. What is neither is text, and nothing of it is dropped.
//
// A year that is missing is the latest of last year, this year and next year
// that puts the time not more than a day after its receipt; for a leap day it
// is the latest leap year. A zone that is missing is the [Parser]'s.
//
// Sources: RFC 5424, RFC 3164, RFC 6587, RFC 5425, RFC 5426, and haproxy.org's
// proxy-protocol.txt. The cases under testdata are the detailed specification.
package syslog
