package syslog

import (
	"net/netip"
	"time"
)

// Message is one syslog message. The byte slices point into the input it was
// parsed from and are valid as long as that is.
type Message struct {
	// Pri is facility*8 + severity, 0 to 191 (RFC 5424, section 6.2.1). A
	// missing or impossible priority is 13, with a flag: never 0, which would
	// be an emergency.
	Pri   uint8
	Flags Flags
	// Version is the digit after the priority in RFC 5424; 0 for other forms.
	Version uint16

	// Time is the sender's; zero where the message has none that is usable.
	Time Timestamp

	// Host is as the sender claims it; empty where it claims none.
	Host    []byte
	Program []byte // APP-NAME or tag, without PID
	PID     []byte // PROCID or what stands in brackets behind the tag
	MsgID   []byte // RFC 5424 only
	SD      []byte // structured data as it stood on the wire, with brackets
	Text    []byte // without BOM and trailing line ends

	// Plain tells that the stored line can take the message as it is: Host, Program
	// and PID hold no byte but '!' to '~', Text none but ' ' to '~'. Of a message
	// that does not say so nothing is known.
	Plain bool

	// Sequence is the number Cisco devices write before the time, as digits.
	Sequence []byte

	// From is who sent it, set by the receiver, never by the parser.
	From *Peer
}

// Peer is the far end that messages came from. It is immutable once set.
type Peer struct {
	Addr netip.Addr // invalid for a local socket
	// Name is what stands for the host where a message claims none: the
	// address as text, or the machine's host name for a local socket.
	Name string
}

// Empty tells a message that holds nothing but a priority (RFC 3164 text of
// length zero, such as "<13>"): it is to be counted, not stored.
func (m *Message) Empty() bool {
	return len(m.Text) == 0 && m.Version == 0 && !m.Time.Valid && m.Flags&BadTime == 0 &&
		len(m.Host) == 0 && len(m.Program) == 0 && len(m.Sequence) == 0
}

// Severity is 0 (emergency) to 7 (debug).
func (m *Message) Severity() uint8 { return m.Pri & 7 }

// Facility is 0 (kernel) to 23 (local7).
func (m *Message) Facility() uint8 { return m.Pri >> 3 }

// Timestamp is a point of time together with the zone it was written in, in
// numbers, so that reading and writing it allocates nothing.
type Timestamp struct {
	Sec    int64 // since 1970-01-01 UTC
	Nsec   int32
	Offset int32 // seconds east of UTC
	Valid  bool  // false: the message had no usable time
}

// At is t in its own zone.
func At(t time.Time) Timestamp {
	_, offset := t.Zone()
	return Timestamp{Sec: t.Unix(), Nsec: int32(t.Nanosecond()), Offset: int32(offset), Valid: true}
}

// Time is t as the standard library has it, in a fixed zone of t's offset.
func (t Timestamp) Time() time.Time {
	return time.Unix(t.Sec, int64(t.Nsec)).In(time.FixedZone("", int(t.Offset)))
}

// Flags tell what was defective in a message or its frame.
type Flags uint16

const (
	NoPri         Flags = 1 << iota // no priority: 13 assumed
	BadPri                          // a priority that cannot be: 13 assumed, all of it kept as text
	BadTime                         // a time that cannot be: Time is not valid; or a second 60: Time is the second after it
	ShortHeader                     // RFC 5424 header with columns missing, or structured data that is none
	Truncated                       // longer than the limit, or cut off: the head is kept
	Unterminated                    // the stream ended before the frame did
	FramingError                    // the frame's count was wrong; resynchronised
	NotUTF8                         // the text holds bytes that are no UTF-8
	ClockUnsynced                   // the sender says that its clock is not synchronised (Cisco's "*")
)
