package syslog

// Datagram is the message in a datagram (RFC 5426, section 3.1: one each),
// without what stands around it: line ends and NULs, blanks and BOMs in front,
// and an octet count that tells its exact length. It is empty where there is
// no message.
func Datagram(raw []byte) []byte {
	b := skipLead(raw)
	if count, head, v := readDigits(b); v == isCount {
		if rest := b[head:]; count == len(rest) || count == len(trimEnd(rest)) {
			b = rest
		}
	}
	return trimEnd(b)
}
