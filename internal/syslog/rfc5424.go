package syslog

import "bytes"

// maxTime is the longest time column, in bytes, that is passed over where it
// cannot be read. RFC 5424 needs 32.
const maxTime = 64

// parse5424 reads a message of RFC 5424, section 6, b being what stands behind
// the priority. It answers false, with m as it was, where b is none: a version,
// a blank, and a time or "-" make one.
func (p *Parser) parse5424(b []byte, afterPri bool, received int64, m *Message) bool {
	flags := m.Flags
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	version, b, ok := readVersion(b)
	if !ok {
		return false
	}
	hasTime := b[0] != '-'
	switch {
	case !hasTime && len(b) > 1 && b[1] == ' ' && afterPri:
		b = b[2:]
	case hasTime && len(b) > 4 && b[4] == '-' && isDigit(b[0]) && isDigit(b[1]) && isDigit(b[2]) && isDigit(b[3]):
		b, ok = p.timeColumn(b, received, m)
	default:
		return false
	}
	m.Version = version
	m.Host, b = column(b, m)
	behindHost := b
	m.Program, b = column(b, m)
	m.PID, b = column(b, m)
	m.MsgID, b = column(b, m)
	incomplete := m.Flags&ShortHeader != 0
	if n := sdLen(b); n > 0 {
		if b[0] == '[' {
			m.SD = b[:n]
		}
		m.Text = b[min(n+1, len(b)):]
	} else {
		m.Flags |= ShortHeader
		m.Text = b
		if isTagAndText(m.Program, m.PID) {
			m.Program, m.PID, m.MsgID, m.Text = nil, nil, nil, behindHost
			readTag(behindHost, m)
		}
	}

	// The less the beginning says, the more the rest must: text may begin with
	// a number and a dash, too, and a column passed over must be no text.
	short := m.Flags&ShortHeader != 0
	switch {
	case !ok,
		!hasTime && incomplete,
		hasTime && !m.Time.Valid && (version != 1 || !afterPri || short),
		version != 1 && short:
		*m = Message{Pri: m.Pri, Flags: flags, From: m.From}
		return false
	}
	return true
}

// isTagAndText tells whether the columns behind the host, in a message without
// structured data, are the tag and text of RFC 3164 or mere words: the stored
// line has no room for a message id, and what stands there must not be lost.
func isTagAndText(program, pid []byte) bool {
	if n := len(program); n > 0 && program[n-1] == ':' {
		return true
	}
	for _, c := range pid {
		if !isDigit(c) {
			return true
		}
	}
	return false
}

// readVersion reads 1 to 3 digits and a blank, behind which there is more.
func readVersion(b []byte) (version uint16, rest []byte, ok bool) {
	for i := 0; i < len(b)-1 && i <= 3; i++ {
		switch c := b[i]; {
		case isDigit(c):
			version = version*10 + uint16(c-'0')
		case c == ' ' && i > 0 && b[0] != '0':
			return version, b[i+1:], true
		default:
			return 0, nil, false
		}
	}
	return 0, nil, false
}

// timeColumn reads the time at the start of b and the blank behind it. A time
// that cannot be read is passed over up to the next blank, unless that is too
// far away for it to have been a time.
func (p *Parser) timeColumn(b []byte, received int64, m *Message) (rest []byte, ok bool) {
	t, n, leap := p.isoTime(b, received)
	if n > 0 && (n == len(b) || b[n] == ' ') {
		setTime(m, t, leap)
	} else {
		m.Flags |= BadTime
		n = wordEnd(b)
	}
	if n == len(b) {
		m.Flags |= ShortHeader
	}
	return b[min(n+1, len(b)):], n <= maxTime
}

// column takes the text up to the next blank, "-" being none, and the blank.
func column(b []byte, m *Message) (field, rest []byte) {
	if len(b) > 1 && b[0] == '-' && b[1] == ' ' {
		return nil, b[2:]
	}
	i := blankWithin8(b)
	if i < 0 {
		i = bytes.IndexByte(b, ' ')
	}
	if i < 0 {
		m.Flags |= ShortHeader
		if string(b) == "-" {
			return nil, nil
		}
		i = len(b)
	} else {
		rest = b[i+1:]
	}
	if i > maxField {
		m.Flags |= Truncated
		i = maxField
	}
	return b[:i], rest
}

// sdLen is the length of the structured data at the start of b (RFC 5424,
// section 6.3), or of its nil value, which a blank or the end must follow;
// 0 where there is none.
func sdLen(b []byte) int {
	if len(b) > 0 && b[0] == '-' {
		if len(b) == 1 || b[1] == ' ' {
			return 1
		}
		return 0
	}
	n := 0
	for n < len(b) && b[n] == '[' {
		size := sdElement(b[n:])
		if size == 0 {
			return 0
		}
		n += size
	}
	if n < len(b) && b[n] != ' ' {
		return 0
	}
	return n
}

// sdElement is the length of the element at the start of b, 0 where there is
// none. Inside a value a backslash escapes '"', '\' and ']' only, and a bare
// ']' is taken as it stands.
func sdElement(b []byte) int {
	i := sdName(b, 1)
	if i == 1 {
		return 0
	}
	for {
		blank := i
		for i < len(b) && b[i] == ' ' {
			i++
		}
		if i == len(b) {
			return 0
		}
		if b[i] == ']' {
			return i + 1
		}
		name := i
		i = sdName(b, i)
		if name == blank || i == name || i+1 >= len(b) || b[i] != '=' || b[i+1] != '"' {
			return 0
		}
		i = sdValueEnd(b, i+2)
	}
}

// sdName is the end of the name that starts at b[i].
func sdName(b []byte, i int) int {
	for i < len(b) && classes[b[i]]&inSDName != 0 {
		i++
	}
	return i
}

// sdValueEnd is where b goes on behind the value that starts at b[i] and its
// closing quote; len(b) where that is missing.
func sdValueEnd(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			if i+1 < len(b) && (b[i+1] == '"' || b[i+1] == '\\' || b[i+1] == ']') {
				i++
			}
		}
		i++
	}
	return len(b)
}
