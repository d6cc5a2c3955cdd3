package syslog

import "bytes"

// Protocol is what a stream speaks, by its first bytes.
type Protocol uint8

const (
	Undecided Protocol = iota
	TLS                // a ClientHello; inside it, sniff again
	TLSLate            // a TLS record that begins nothing, such as an alert: to be refused
	RELP               // "1 open"
	RELPLate           // a RELP command that is not the first one: answer serverclose
	Octet              // syslog that begins with an octet-counted frame
	Line               // syslog that begins with a line; anything that is nothing else
	HTTP               // a request line: to be refused
	ProxyV1            // a PROXY protocol header, to be read by ParseProxy; behind it, sniff again
	ProxyV2
)

func (p Protocol) String() string {
	switch p {
	case TLS:
		return "tls"
	case TLSLate:
		return "tls out of sequence"
	case RELP:
		return "relp"
	case RELPLate:
		return "relp out of sequence"
	case Octet:
		return "octet"
	case Line:
		return "line"
	case HTTP:
		return "http"
	case ProxyV1:
		return "proxy v1"
	case ProxyV2:
		return "proxy v2"
	}
	return "undecided"
}

// sniffSize is the largest number of bytes that Sniff needs to decide.
const sniffSize = 2048

// Sniff tells the protocol of a stream by its first bytes, which are all those
// that came up to now; 2,048 are always enough. final says that no more will
// be waited for. Where decided is false, more bytes may change the answer.
// How the bytes were cut into reads does not matter.
func Sniff(first []byte, final bool) (p Protocol, decided bool) {
	if len(first) == 0 {
		return Undecided, final
	}
	first = first[:min(len(first), sniffSize)]
	switch c := first[0]; {
	case c >= 0x14 && c <= 0x17:
		p = sniffTLS(first)
	case c == '\r':
		p = sniffPrefix(first, proxyV2Signature, ProxyV2)
	case isDigit(c):
		p = sniffDigits(first, final)
	case c >= 'A' && c <= 'Z':
		p = sniffUpper(first)
	default:
		p = Line
	}
	if p == Undecided && (final || len(first) == sniffSize) {
		p = Line
	}
	return p, p != Undecided
}

// sniffTLS knows a record (RFC 8446, section 5.1) of a legacy version up to 3.4,
// and of those of the type handshake the one that holds a ClientHello.
func sniffTLS(b []byte) Protocol {
	const handshake, clientHello = 0x16, 1
	switch {
	case len(b) > 1 && b[1] != 3, len(b) > 2 && b[2] > 4:
		return Line
	case len(b) > 2 && b[0] != handshake, len(b) > 5 && b[5] != clientHello:
		return TLSLate
	case len(b) < 6:
		return Undecided
	}
	return TLS
}

func sniffPrefix(b []byte, signature string, p Protocol) Protocol {
	n := min(len(b), len(signature))
	switch {
	case string(b[:n]) != signature[:n]:
		return Line
	case n < len(signature):
		return Undecided
	}
	return p
}

// sniffDigits tells an octet count and RELP's transaction number from text.
func sniffDigits(b []byte, final bool) Protocol {
	if p := sniffRELP(b); p != Line {
		return p
	}
	switch _, _, v := readCount(b, false, final); v {
	case isCount:
		return Octet
	case undecided:
		return Undecided
	}
	return Line
}

// sniffRELP knows a transaction number, a command, and the first digit of a
// length. A session begins with number 1 and "open".
func sniffRELP(b []byte) Protocol {
	const maxTxnr = 9
	n, txnr := 0, 0
	for n < len(b) && n <= maxTxnr && isDigit(b[n]) {
		txnr = txnr*10 + int(b[n]-'0')
		n++
	}
	switch {
	case n > maxTxnr:
		return Line
	case n == len(b):
		return Undecided
	case b[n] != ' ':
		return Line
	}
	b = b[n+1:]
	for _, command := range relpCommands {
		p := RELPLate
		if txnr == 1 && command == "open " {
			p = RELP
		}
		switch p := sniffPrefix(b, command, p); {
		case p == Line:
			continue
		case p == Undecided, len(b) == len(command):
			return Undecided
		case isDigit(b[len(command)]):
			return p
		}
		return Line
	}
	return Line
}

var relpCommands = [...]string{"open ", "syslog ", "close ", "rsp ", "serverclose ", "starttls ", "abort "}

// sniffUpper tells HTTP requests and PROXY headers from text. Both are lines;
// so waiting for their end delays no line of text.
func sniffUpper(b []byte) Protocol {
	for _, s := range proxyV1Starts {
		if p := sniffPrefix(b, s, ProxyV1); p != Line {
			return p
		}
	}
	method := 0
	for method < len(b) && method < 8 && b[method] >= 'A' && b[method] <= 'Z' {
		method++
	}
	if method == len(b) {
		return Undecided
	}
	if method < 3 || b[method] != ' ' {
		return Line
	}
	end := bytes.IndexAny(b, "\n\x00")
	if end < 0 {
		return Undecided
	}
	line := bytes.TrimSuffix(b[:end], []byte("\r"))
	version := bytes.LastIndexByte(line, ' ')
	if v := line[version+1:]; version > method && len(v) >= 6 && bytes.HasPrefix(v, []byte("HTTP/")) && isDigit(v[5]) {
		return HTTP
	}
	return Line
}
