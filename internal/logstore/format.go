package logstore

import (
	"bytes"
	"fmt"
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

// LineFormat is the shape of a stored line. In both, the wall clock is the
// sender's, and an event of several lines is stored as adjacent lines, each
// with the same header.
type LineFormat int

const (
	LineISO LineFormat = iota // 2026-11-23T08:27:00.123456-05:00 web1 celery[77]: text
	LineBSD                   // Nov 23 08:27:00 web1 celery[77]: text
)

// ParseLineFormat reads "iso" or "bsd".
func ParseLineFormat(s string) (LineFormat, error) {
	switch s {
	case "iso":
		return LineISO, nil
	case "bsd":
		return LineBSD, nil
	}
	return 0, fmt.Errorf("line format %q: want iso or bsd", s)
}

// HostColumn says which host a stored line names.
type HostColumn int

const (
	HostClaimed HostColumn = iota // the one the sender claims; the peer where it claims none
	HostPeer                      // the address that the message came from
	HostBoth                      // peer/claimed; the peer alone where the sender claims none or the same
)

// ParseHostColumn reads "claimed", "peer" or "both".
func ParseHostColumn(s string) (HostColumn, error) {
	switch s {
	case "claimed":
		return HostClaimed, nil
	case "peer":
		return HostPeer, nil
	case "both":
		return HostBoth, nil
	}
	return 0, fmt.Errorf("host column %q: want claimed, peer or both", s)
}

// truncatedMark ends the stored line of a message that is not whole.
const truncatedMark = " [dalog: truncated]"

// A formatter writes stored lines. It remembers the last second it wrote, so
// it belongs to one goroutine at a time.
type formatter struct {
	layout LineFormat
	host   HostColumn

	// seconds are those seen last. There are several, since the messages of many
	// files, sorted by file, and those of many hosts come to the same ones again.
	seconds [8]second
}

// second is the time of second sec in the zone offset, as far as it does not depend on
// the fraction: stamp is all of it for LineBSD, the part before the fraction for
// LineISO, whose part after it is zone.
type second struct {
	stamp  []byte
	zone   [6]byte
	sec    int64
	offset int32
}

// appendMessage appends the stored lines of m, which arrived at received, each
// with its line end, and returns how many they are.
func (f *formatter) appendMessage(dst []byte, m *syslog.Message, received syslog.Timestamp) ([]byte, int) {
	start := len(dst)
	dst = f.appendHeader(dst, m, received)
	text := m.Text
	lines := 1
	if m.Plain && len(text) > 0 {
		dst = append(dst, text...)
		if m.Flags&syslog.Truncated != 0 {
			dst = append(dst, truncatedMark...)
		}
		return append(dst, '\n'), lines
	}
	if len(text) == 0 && f.layout == LineISO {
		dst = appendWithoutText(dst, m)
	}
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		header := len(dst) - start
		for ; i >= 0; i = bytes.IndexByte(text, '\n') {
			dst = syslog.AppendSafe(dst, bytes.TrimSuffix(text[:i], []byte{'\r'}))
			dst = append(dst, '\n')
			dst = append(dst, dst[start:start+header]...)
			text = text[i+1:]
			lines++
		}
	}
	dst = syslog.AppendSafe(dst, text)
	if m.Flags&syslog.Truncated != 0 {
		dst = append(dst, truncatedMark...)
	}
	return append(dst, '\n'), lines
}

// appendWithoutText appends what a message says that has no text: some senders
// put all of it into MSGID and structured data. Counters of the transport alone
// (RFC 5424, section 7.3) say nothing.
func appendWithoutText(dst []byte, m *syslog.Message) []byte {
	said := len(m.MsgID) > 0
	if said {
		dst = syslog.AppendSafe(dst, m.MsgID)
	}
	if len(m.SD) == 0 || bytes.HasPrefix(m.SD, []byte("[meta ")) {
		return dst
	}
	if said {
		dst = append(dst, ' ')
	}
	return syslog.AppendSafe(dst, m.SD)
}

// appendHeader appends all that stands before the text.
func (f *formatter) appendHeader(dst []byte, m *syslog.Message, received syslog.Timestamp) []byte {
	at := m.Time
	if !at.Valid || m.Flags&syslog.ClockUnsynced != 0 {
		at = received
	}
	dst = f.appendTime(dst, at)
	if m.Plain && f.host == HostClaimed && len(m.Host) > 0 && len(m.Program) > 0 {
		return appendPlainColumns(dst, m)
	}
	dst = append(dst, ' ')
	dst = f.appendHost(dst, m)
	dst = append(dst, ' ')
	if len(m.Program) == 0 {
		return dst
	}
	dst = appendColumn(dst, m.Program)
	if len(m.PID) > 0 {
		dst = append(dst, '[')
		dst = appendColumn(dst, m.PID)
		dst = append(dst, ']')
	}
	return append(dst, ':', ' ')
}

// appendPlainColumns appends the columns behind the time of a message that is plain
// and has them.
func appendPlainColumns(dst []byte, m *syslog.Message) []byte {
	dst = append(dst, ' ')
	dst = append(dst, m.Host...)
	dst = append(dst, ' ')
	dst = append(dst, m.Program...)
	if len(m.PID) > 0 {
		dst = append(dst, '[')
		dst = append(dst, m.PID...)
		dst = append(dst, ']')
	}
	return append(dst, ':', ' ')
}

func (f *formatter) appendHost(dst []byte, m *syslog.Message) []byte {
	var peer string
	if m.From != nil {
		peer = m.From.Name
	}
	switch {
	case f.host == HostPeer && peer != "", len(m.Host) == 0:
		dst = appendColumn(dst, peer)
	case f.host == HostBoth && peer != "" && peer != string(m.Host):
		dst = appendColumn(dst, peer)
		dst = append(dst, '/')
		dst = appendColumn(dst, m.Host)
	default:
		dst = appendColumn(dst, m.Host)
	}
	return dst
}

// appendTime appends t as the layout has it.
func (f *formatter) appendTime(dst []byte, t syslog.Timestamp) []byte {
	s := &f.seconds[uint64(t.Sec)%uint64(len(f.seconds))]
	if t.Sec != s.sec || t.Offset != s.offset || len(s.stamp) == 0 {
		s.set(f.layout, t)
	}
	dst = append(dst, s.stamp...)
	if f.layout == LineBSD {
		return dst
	}
	us := uint32(t.Nsec) / 1000
	a, b, c := us/10000%100, us/100%100, us%100
	dst = append(dst, '.',
		digits[2*a], digits[2*a+1], digits[2*b], digits[2*b+1], digits[2*c], digits[2*c+1])
	return append(dst, s.zone[:]...)
}

// set works out what depends on the second and the zone of t.
func (s *second) set(layout LineFormat, t syslog.Timestamp) {
	s.sec, s.offset = t.Sec, t.Offset
	minutes := t.Offset / 60
	clock := time.Unix(t.Sec+int64(minutes)*60, 0).UTC()
	if layout == LineBSD {
		s.stamp = clock.AppendFormat(s.stamp[:0], time.Stamp)
		return
	}
	s.stamp = clock.AppendFormat(s.stamp[:0], "2006-01-02T15:04:05")
	s.zone[0] = '+'
	if minutes < 0 {
		s.zone[0], minutes = '-', -minutes
	}
	h, m := minutes/60%100, minutes%60
	copy(s.zone[1:], []byte{digits[2*h], digits[2*h+1], ':', digits[2*m], digits[2*m+1]})
}

// appendColumn appends one column of the header: safe bytes without blanks, so
// that columns can be told apart, or '-' where there is nothing.
func appendColumn[T string | []byte](dst []byte, s T) []byte {
	if len(s) == 0 {
		return append(dst, '-')
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' {
			return appendOddColumn(dst, []byte(s))
		}
	}
	return append(dst, s...)
}

func appendOddColumn(dst, s []byte) []byte {
	for len(s) > 0 {
		i := bytes.IndexFunc(s, func(r rune) bool { return r <= ' ' })
		if i < 0 {
			return syslog.AppendSafe(dst, s)
		}
		dst = syslog.AppendSafe(dst, s[:i])
		dst = append(dst, '\\', 'x', hex[s[i]>>4], hex[s[i]&15])
		s = s[i+1:]
	}
	return dst
}

const hex = "0123456789abcdef"

// digits holds 00 to 99.
const digits = "00010203040506070809" +
	"10111213141516171819" +
	"20212223242526272829" +
	"30313233343536373839" +
	"40414243444546474849" +
	"50515253545556575859" +
	"60616263646566676869" +
	"70717273747576777879" +
	"80818283848586878889" +
	"90919293949596979899"
