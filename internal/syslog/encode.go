package syslog

import (
	"bytes"
	"strconv"
)

// AppendRFC5424 appends a message of RFC 5424 without line end, in the form
// that syslog-ng's syslog() destination has: version 1, whole seconds with a
// numeric offset, no PID, no MSGID, and the element "meta" with the sequence
// number of the message (RFC 5424, section 7.3.1).
//
// Bytes that a header field cannot hold are replaced by "_", and a field too
// long for it is cut; text stands as it is. A Timestamp that is not valid
// becomes "-".
func AppendRFC5424(dst []byte, pri uint8, at Timestamp, host, program string, sequence uint64, text []byte) []byte {
	dst = appendHeader(dst, pri, at, host, program, sequence)
	return append(dst, text...)
}

func appendHeader(dst []byte, pri uint8, at Timestamp, host, program string, sequence uint64) []byte {
	dst = appendPri(dst, pri)
	dst = append(dst, '1', ' ')
	dst = at.appendRFC3339(dst, 0)
	dst = append(dst, ' ')
	dst = appendField(dst, host, 255)
	dst = append(dst, ' ')
	dst = appendField(dst, program, 48)
	dst = append(dst, ` - - [meta sequenceId="`...)
	dst = strconv.AppendUint(dst, sequence, 10)
	return append(dst, `"] `...)
}

// AppendOctetRFC5424 appends what AppendRFC5424 does and a LF, as one frame of
// RFC 6587, section 3.4.1: the count includes the LF.
func AppendOctetRFC5424(dst []byte, pri uint8, at Timestamp, host, program string, sequence uint64, text []byte) []byte {
	const room = "00000000000000000000 "
	start := len(dst)
	dst = append(dst, room...)
	dst = appendHeader(dst, pri, at, host, program, sequence)
	header := dst[start+len(room):]
	count := strconv.AppendUint(dst[:start], uint64(len(header)+len(text)+1), 10)
	dst = append(append(count, ' '), header...) // moves the header to where the count ends
	dst = append(dst, text...)
	return append(dst, '\n')
}

// AppendBSD appends a message of RFC 3164 and a LF. at must be valid. LF and
// NUL in text would end the message at its receiver: they become \x0a and \x00.
func AppendBSD(dst []byte, pri uint8, at Timestamp, host, program string, text []byte) []byte {
	dst = appendPri(dst, pri)
	dst = at.appendBSD(dst)
	dst = append(dst, ' ')
	dst = appendField(dst, host, 255)
	dst = append(dst, ' ')
	dst = appendField(dst, program, 255)
	dst = append(dst, ':', ' ')
	if bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, 0) < 0 {
		return append(append(dst, text...), '\n')
	}
	for _, c := range text {
		switch c {
		case '\n':
			dst = append(dst, `\x0a`...)
		case 0:
			dst = append(dst, `\x00`...)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '\n')
}

func appendPri(dst []byte, pri uint8) []byte {
	dst = append(dst, '<')
	dst = strconv.AppendUint(dst, uint64(pri), 10)
	return append(dst, '>')
}

// appendField appends a header field: printable ASCII without blanks, "-" for
// none (RFC 5424, section 6).
func appendField(dst []byte, s string, limit int) []byte {
	if s == "" {
		return append(dst, '-')
	}
	s = s[:min(len(s), limit)]
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// Field is s as a header field of at most limit bytes holds it; nil for none.
func Field(s string, limit int) []byte {
	if s == "" || s == "-" {
		return nil
	}
	return appendField(nil, s, limit)
}

// appendRFC3339 appends t in its own zone as "2026-11-23T08:27:00-05:00" with
// the given number of digits of the second's fraction, 0 to 9, and "-" where t
// is not valid. The offset is always numeric.
func (t Timestamp) appendRFC3339(dst []byte, digits int) []byte {
	if !t.Valid {
		return append(dst, '-')
	}
	local := t.Sec + int64(t.Offset)
	days := floorDiv(local, secondsPerDay)
	second := int(local - days*secondsPerDay)
	year, month, day := civilFromDays(days)
	dst = append2(append2(dst, int(year/100)), int(year%100))
	dst = append2(append(dst, '-'), int(month))
	dst = append2(append(dst, '-'), int(day))
	dst = appendClock(append(dst, 'T'), second)
	if digits > 0 {
		dst = append(dst, '.')
		for scale := int32(100_000_000); digits > 0; digits-- {
			dst = append(dst, '0'+byte(t.Nsec/scale%10))
			scale /= 10
		}
	}
	offset := int(t.Offset) / 60
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = append2(append(dst, sign), offset/60)
	return append2(append(dst, ':'), offset%60)
}

// appendBSD appends t in its own zone as "Nov 23 08:27:00", the day padded
// with a blank (RFC 3164, section 4.1.2).
func (t Timestamp) appendBSD(dst []byte) []byte {
	local := t.Sec + int64(t.Offset)
	days := floorDiv(local, secondsPerDay)
	second := int(local - days*secondsPerDay)
	_, month, day := civilFromDays(days)
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	dst = append(dst, months[3*(month-1):3*month]...)
	dst = append(dst, ' ')
	if day < 10 {
		dst = append(dst, ' ', '0'+byte(day))
	} else {
		dst = append2(dst, int(day))
	}
	return appendClock(append(dst, ' '), second)
}

func appendClock(dst []byte, second int) []byte {
	dst = append2(dst, second/3600)
	dst = append2(append(dst, ':'), second/60%60)
	return append2(append(dst, ':'), second%60)
}

// append2 appends two digits.
func append2(dst []byte, n int) []byte {
	return append(dst, '0'+byte(n/10%10), '0'+byte(n%10))
}
