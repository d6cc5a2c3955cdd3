package syslog

import (
	"bytes"
	"time"
	"unicode/utf8"
)

// defaultPri stands for a priority that is missing or cannot be: user.notice
// (RFC 3164, section 4.3.3).
const defaultPri = 13

// maxField is the longest header field that is kept, in bytes (the limit of
// HOSTNAME in RFC 5424, section 6).
const maxField = 255

// Parser reads one message at a time. It belongs to one goroutine: it keeps
// what it last learned about zones and dates. The zero value is ready.
type Parser struct {
	// Zone is that of senders whose times name none; nil means
	// [time.Local]. It must not change after the first call of Parse.
	Zone *time.Location

	zone zoneCache
	year yearCache
	date dateCache
}

// Parse reads raw, which is one message without its frame, into m. It sets
// every field but From, and m's byte slices point into raw afterwards. It
// allocates nothing, and there is no input that it refuses.
//
// received is the time of receipt: it decides the year of times that have
// none. A caller that cut raw from a stream adds the frame's flags to m.Flags.
func (p *Parser) Parse(raw []byte, received time.Time, m *Message) {
	*m = Message{Pri: defaultPri, From: m.From}
	if len(raw) == 0 || raw[0] != '<' {
		raw = skipLead(raw)
	}
	raw = trimEnd(raw)

	body, afterPri := readPri(raw, m)
	now := received.Unix()
	if !p.parse5424(body, afterPri, now, m) {
		p.parse3164(body, afterPri, now, m)
	}
	if m.Flags&BadPri != 0 {
		m.Text = raw
	}
	if printableLen(raw) == len(raw) {
		m.Plain = m.Version != 0 || !hasBlankColumn(m)
		return
	}
	m.Text = bytes.TrimPrefix(m.Text, bom)
	if !utf8.Valid(m.Text) {
		m.Flags |= NotUTF8
	}
}

// hasBlankColumn tells whether a column holds a blank, which those of RFC 5424
// cannot.
func hasBlankColumn(m *Message) bool {
	return bytes.IndexByte(m.Host, ' ') >= 0 || bytes.IndexByte(m.Program, ' ') >= 0 || bytes.IndexByte(m.PID, ' ') >= 0
}

// readPri takes "<PRI>" off raw. Where there is none that can be, m says so.
// found tells whether there was one at all: digits in angle brackets, of any
// value and number.
func readPri(raw []byte, m *Message) (body []byte, found bool) {
	if len(raw) == 0 || raw[0] != '<' {
		m.Flags |= NoPri
		return raw, false
	}
	n, i := 0, 1
	for i < len(raw) && isDigit(raw[i]) {
		if i <= 3 {
			n = n*10 + int(raw[i]-'0')
		}
		i++
	}
	if i == len(raw) || raw[i] != '>' {
		m.Flags |= BadPri
		return raw, false
	}
	if digits := i - 1; digits >= 1 && digits <= 3 && n <= 191 {
		m.Pri = uint8(n)
	} else {
		m.Flags |= BadPri
	}
	return raw[i+1:], true
}
