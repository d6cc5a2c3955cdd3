package syslog

import "bytes"

// ciscoHead reads what Cisco devices write before their mnemonic: up to two
// sequence numbers or, on NX-OS, a lone colon; the host that the message began
// at; and the time with a mark for the state of the clock:
//
//	412: 413: sw9: *Mar 17 04:05:06.250 CET: %LINK-3-UPDOWN: text
//	: 2026 Mar 17 04:05:06 CET: %ETHPORT-5-IF_UP: text
//
// Where that leads neither to a time nor to a mnemonic, it is no such header.
// Without a number or a colon in front it must lead to a mnemonic.
func (p *Parser) ciscoHead(s []byte, received int64, m *Message) (rest []byte, f form) {
	sequence, b := ciscoNumber(s)
	_, b = ciscoNumber(b)
	numbered := sequence != nil
	if bytes.HasPrefix(b, colonBlank) {
		b, numbered = b[len(colonBlank):], true
	}
	if len(b) == 0 {
		return s, undated
	}
	if numbered || b[0] == '*' || b[0] == '.' {
		if n := p.ciscoTime(b, received, m); n > 0 {
			m.Sequence = sequence
			return b[n:], hostless
		}
	}
	if numbered && b[0] == '%' {
		m.Sequence = sequence
		return b, hostless
	}
	host := ciscoHost(b)
	if host == nil {
		return s, undated
	}
	b = b[len(host)+len(colonBlank):]
	before := *m
	n := p.ciscoTime(b, received, m)
	if n == 0 || !numbered && !isMnemonic(b[n:]) {
		*m = before
		return s, undated
	}
	m.Sequence, m.Host = sequence, host
	return b[n:], hostless
}

var colonBlank = []byte(": ")

// ciscoHost reads a word that a colon and a blank follow, behind which there
// is more; nil: there is none.
func ciscoHost(b []byte) []byte {
	colon := wordEnd(b) - 1
	if colon < 1 || colon > maxField || colon+2 >= len(b) || b[colon] != ':' || bytes.IndexByte(b[:colon], ':') >= 0 {
		return nil
	}
	return b[:colon]
}

// isUptime tells whether b begins with the time since the start of a Cisco
// device, such as "2w3d: " or "1d02h: ", and a mnemonic. It is no time of day,
// and no program.
func isUptime(b []byte) bool {
	host := ciscoHost(b)
	if host == nil || !isDigit(host[0]) || !isMnemonic(b[len(host)+len(colonBlank):]) {
		return false
	}
	for _, c := range host {
		if !isDigit(c) && c != 'y' && c != 'w' && c != 'd' && c != 'h' {
			return false
		}
	}
	return true
}

// isMnemonic tells whether b begins like "%LINK-3-UPDOWN": a facility in
// capitals and a severity.
func isMnemonic(b []byte) bool {
	if len(b) == 0 || b[0] != '%' {
		return false
	}
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '-' && i > 1 && i+2 < len(b) && isDigit(b[i+1]) && b[i+2] == '-':
			return true
		case c != '-' && c != '_' && !isDigit(c) && (c < 'A' || c > 'Z'):
			return false
		}
	}
	return false
}

// ciscoTime reads a time with the mark before it: "*" is a clock that was
// never set, "." one that lost its source.
func (p *Parser) ciscoTime(b []byte, received int64, m *Message) int {
	mark := 0
	if len(b) > 0 && (b[0] == '*' || b[0] == '.') {
		mark = 1
	}
	n := p.bsdTime(b[mark:], received, m)
	if n == 0 {
		return 0
	}
	if mark > 0 && b[0] == '*' {
		m.Flags |= ClockUnsynced
	}
	return mark + n
}

// ciscoNumber reads digits, a colon and a blank.
func ciscoNumber(b []byte) (number, rest []byte) {
	n := 0
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	if n == 0 || n > 19 || n+1 >= len(b) || b[n] != ':' || b[n+1] != ' ' {
		return nil, b
	}
	return b[:n], b[n+2:]
}
