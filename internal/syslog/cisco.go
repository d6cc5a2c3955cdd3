package syslog

import "bytes"

// ciscoHead reads what Cisco devices write before their mnemonic: up to two
// sequence numbers, the host that the message began at, and the time with a
// mark for the state of the clock:
//
//	412: 413: sw9: *Mar 17 04:05:06.250 CET: %LINK-3-UPDOWN: text
//
// Where that leads neither to a time nor to a mnemonic, it is no such header.
func (p *Parser) ciscoHead(s []byte, received int64, m *Message) (rest []byte, f form) {
	sequence, b := ciscoNumber(s)
	if sequence == nil && s[0] != '*' && s[0] != '.' {
		return s, undated
	}
	_, b = ciscoNumber(b)
	if n := p.ciscoTime(b, received, m); n > 0 {
		m.Sequence = sequence
		return b[n:], hostless
	}
	if sequence == nil {
		return s, undated
	}
	if len(b) > 0 && b[0] == '%' {
		m.Sequence = sequence
		return b, hostless
	}
	colon := bytes.IndexByte(b, ':')
	if colon < 1 || colon > maxField || colon > wordEnd(b) || colon+2 >= len(b) || b[colon+1] != ' ' {
		return s, undated
	}
	if n := p.ciscoTime(b[colon+2:], received, m); n > 0 {
		m.Sequence, m.Host = sequence, b[:colon]
		return b[colon+2+n:], hostless
	}
	return s, undated
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
