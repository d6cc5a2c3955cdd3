package syslog

import "bytes"

// parse5424 reads a message of RFC 5424, section 6, b being what stands behind
// the priority. It answers false, m being as before, where b is none:
// that is where it does not begin with a version, a blank, and a time or "-".
func (p *Parser) parse5424(b []byte, afterPri bool, received int64, m *Message) bool {
	version, b, ok := readVersion(b)
	if !ok {
		return false
	}
	head := *m
	m.Version = version

	switch {
	case len(b) >= 2 && b[0] == '-' && b[1] == ' ' && afterPri:
		b = b[2:]
	case len(b) >= 5 && b[4] == '-' && isDigit(b[0]) && isDigit(b[1]) && isDigit(b[2]) && isDigit(b[3]):
		b = p.column5424Time(b, received, m)
	default:
		*m = head
		return false
	}

	m.Host, b = column(b, m)
	m.Program, b = column(b, m)
	m.PID, b = column(b, m)
	m.MsgID, b = column(b, m)
	incomplete := m.Flags&ShortHeader != 0
	if n, none := sdLen(b); n > 0 {
		if !none {
			m.SD = b[:n]
		}
		b = b[n:]
		if len(b) > 0 {
			b = b[1:]
		}
	} else {
		m.Flags |= ShortHeader
	}
	m.Text = b

	// The less the beginning says, the more the rest must: text may begin with
	// a number and a dash, too.
	noTime := !m.Time.Valid && m.Flags&BadTime == 0
	badTime := !m.Time.Valid && !noTime
	switch {
	case noTime && incomplete,
		badTime && (version != 1 || !afterPri),
		version != 1 && m.Flags&ShortHeader != 0:
		*m = head
		return false
	}
	return true
}

// readVersion reads 1 to 3 digits and the blank behind them.
func readVersion(b []byte) (version uint16, rest []byte, ok bool) {
	for i := 0; i < len(b) && i <= 3; i++ {
		switch c := b[i]; {
		case isDigit(c):
			version = version*10 + uint16(c-'0')
		case c == ' ' && i > 0 && b[0] != '0':
			return version, b[i+1:], true
		default:
			return 0, b, false
		}
	}
	return 0, b, false
}

// column5424Time reads the time at the start of b. One that cannot be read is
// passed over up to the next blank.
func (p *Parser) column5424Time(b []byte, received int64, m *Message) []byte {
	t, n, leap := p.isoTime(b, true, received)
	if n == 0 || n < len(b) && b[n] != ' ' {
		m.Flags |= BadTime
		_, rest := column(b, m)
		return rest
	}
	setTime(m, t, leap)
	if n == len(b) {
		m.Flags |= ShortHeader
		return nil
	}
	return b[n+1:]
}

// column takes the text up to the next blank, "-" being none, and the blank.
func column(b []byte, m *Message) (field, rest []byte) {
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		m.Flags |= ShortHeader
		i = len(b)
	} else {
		rest = b[i+1:]
	}
	field = b[:i]
	if len(field) == 1 && field[0] == '-' {
		return nil, rest
	}
	if len(field) > maxField {
		field = field[:maxField]
		m.Flags |= Truncated
	}
	return field, rest
}

// sdLen is the length of the structured data at the start of b (RFC 5424,
// section 6.3), which a blank or the end must follow; 0 where there is none.
// none tells the nil value.
func sdLen(b []byte) (n int, none bool) {
	if len(b) == 0 {
		return 0, false
	}
	if b[0] == '-' {
		if len(b) == 1 || b[1] == ' ' {
			return 1, true
		}
		return 0, false
	}
	i := 0
	for i < len(b) && b[i] == '[' {
		n := sdElement(b[i:])
		if n == 0 {
			return 0, false
		}
		i += n
	}
	if i < len(b) && b[i] != ' ' {
		return 0, false
	}
	return i, false
}

// sdElement is the length of the element at the start of b, 0 where there is
// none. Inside a value a backslash escapes '"', '\' and ']' only, and a bare
// ']' is taken as it stands.
func sdElement(b []byte) int {
	i := sdName(b, 1)
	if i == 1 {
		return 0
	}
	for i < len(b) {
		if b[i] == ']' {
			return i + 1
		}
		if b[i] != ' ' {
			return 0
		}
		for i < len(b) && b[i] == ' ' {
			i++
		}
		if i < len(b) && b[i] == ']' {
			return i + 1
		}
		start := i
		i = sdName(b, i)
		if i == start || i+1 >= len(b) || b[i] != '=' || b[i+1] != '"' {
			return 0
		}
		i += 2
		for i < len(b) && b[i] != '"' {
			if b[i] == '\\' && i+1 < len(b) && (b[i+1] == '"' || b[i+1] == '\\' || b[i+1] == ']') {
				i++
			}
			i++
		}
		i++
	}
	return 0
}

// sdName is the end of the name that starts at b[i].
func sdName(b []byte, i int) int {
	for i < len(b) {
		switch c := b[i]; {
		case c <= ' ', c == '=', c == ']', c == '"', c == 0x7f:
			return i
		}
		i++
	}
	return i
}
