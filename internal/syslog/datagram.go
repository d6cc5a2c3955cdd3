package syslog

import "bytes"

// Datagram is the message in a datagram (RFC 5426, section 3.1: one each),
// without what stands around it: line ends and NULs, blanks and BOMs in front,
// and an octet count that tells its exact length. It is empty where there is
// no message.
func Datagram(raw []byte) []byte {
	b := skipLead(raw)
	if len(b) > 0 && isDigit(b[0]) {
		count, digits := 0, 0
		for digits < len(b) && digits <= maxCountDigits && isDigit(b[digits]) {
			count = count*10 + int(b[digits]-'0')
			digits++
		}
		if digits <= maxCountDigits && digits < len(b) && b[digits] == ' ' {
			if rest := b[digits+1:]; count == len(rest) || count == len(trimEnd(rest)) {
				b = rest
			}
		}
	}
	return trimEnd(b)
}

// CutLine cuts text at its first line end, which is LF or CR LF and in neither
// part. more is false where line is the last one.
func CutLine(text []byte) (line, rest []byte, more bool) {
	i := bytes.IndexByte(text, '\n')
	if i < 0 {
		return text, nil, false
	}
	line, rest = text[:i], text[i+1:]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line, rest, true
}
