package syslog

import "bytes"

// parse3164 reads what is not RFC 5424: RFC 3164 as it is really sent, Cisco's
// forms of it, and free text. b is what stands behind the priority.
func (p *Parser) parse3164(b []byte, afterPri bool, received int64, m *Message) {
	s := b
	for len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	m.Text = b
	rest, form := p.headTime(s, afterPri, received, m)
	switch form {
	case undated:
		readTagUndated(s, afterPri, m)
	case dated:
		readHostAndTag(rest, m)
	case hostless:
		m.Text = rest
		readTag(rest, m)
	case doubtful:
		// The date may be part of the text: only a tag with a PID makes it a
		// header.
		readHostAndTag(rest, m)
		if m.PID == nil {
			*m = Message{Pri: m.Pri, Flags: m.Flags &^ BadTime, Text: b, From: m.From}
		}
	}
}

// form is how a message begins.
type form int

const (
	undated  form = iota // with no time
	dated                // with a time, which a host may follow
	hostless             // with a Cisco header, which no host follows
	doubtful             // with a date and time as files have them
)

// headTime reads the time at the start of s in any of its forms, and what
// Cisco writes before it. rest is what follows, without the blank.
func (p *Parser) headTime(s []byte, afterPri bool, received int64, m *Message) (rest []byte, f form) {
	switch {
	case len(s) == 0:
		return s, undated
	case len(s) > 4 && s[4] == '-' && isDigit(s[0]):
		return p.isoHead(s, received, m)
	case isDigit(s[0]) || isLetter(s[0]):
		if n := p.bsdTime(s, received, m); n > 0 {
			return s[n:], dated
		}
		if t, n := epochTime(s); n > 0 && afterPri {
			m.Time = t
			return s[n:], dated
		}
	}
	return p.ciscoHead(s, received, m)
}

func (p *Parser) isoHead(s []byte, received int64, m *Message) (rest []byte, f form) {
	t, n, leap := p.isoTime(s, received)
	if n == 0 {
		return s, undated
	}
	end := timeEnd(s, n)
	if end == 0 {
		return s, undated
	}
	setTime(m, t, leap)
	if s[10] == ' ' {
		return s[end:], doubtful
	}
	return s[end:], dated
}

func setTime(m *Message, t Timestamp, leap bool) {
	m.Time = t
	if !t.Valid || leap {
		m.Flags |= BadTime
	}
}

// timeEnd says where the text behind a time goes on that ends at s[n]: it must
// be followed by a blank, a colon and a blank, or nothing. 0: it is not.
func timeEnd(s []byte, n int) int {
	if n < len(s) && s[n] == ':' {
		n++
	}
	if n == len(s) {
		return n
	}
	if s[n] == ' ' {
		return n + 1
	}
	return 0
}

// readHostAndTag reads what follows a time.
func readHostAndTag(b []byte, m *Message) {
	m.Text = b
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	if bytes.HasPrefix(b, lastMessage) {
		return
	}
	if host := ciscoHost(b); host != nil && isMnemonic(b[len(host)+len(colonBlank):]) {
		m.Host = host
		b = b[len(host)+len(colonBlank):]
		m.Text = b
	} else if end := wordEnd(b); isHost(b[:end]) {
		if m.Host = b[:end]; string(m.Host) == "-" {
			m.Host = nil
		}
		b = b[min(end+1, len(b)):]
		m.Text = b
		if len(b) >= 3 && b[0] == ':' && b[1] == ' ' && b[2] == '%' {
			b = b[2:] // Cisco ASA: "host : %ASA-..."
		}
	}
	readTag(b, m)
}

var lastMessage = []byte("last message repeated")

// isHost tells whether a word that follows a time is a host: not where it has
// the form of a tag.
func isHost(word []byte) bool {
	if len(word) == 0 || len(word) > maxField || word[0] == '%' {
		return false
	}
	if word[len(word)-1] == ':' {
		return len(word) >= 2 && word[len(word)-2] == ':' && isIPv6(word)
	}
	if word[0] == '[' && word[len(word)-1] == ']' {
		return isIPv6(word[1 : len(word)-1])
	}
	return bytes.IndexByte(word, '[') < 0 || bytes.IndexByte(word, ']') < 0
}

// isIPv6 tells an address from a tag roughly: two colons at least, and nothing
// but what an address is made of.
func isIPv6(word []byte) bool {
	colons := 0
	for i, c := range word {
		switch {
		case c == ':':
			colons++
		case isDigit(c), c == '.', c|0x20 >= 'a' && c|0x20 <= 'f':
		case c == '%':
			return i > 0 && colons >= 2
		default:
			return false
		}
	}
	return colons >= 2
}
