package delivery

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The commands, as they are offered in a RELP session, and the offer that says
// how many bytes of data a command may have.
const (
	CommandOpen  = "dalogopen"
	CommandBatch = "dalog"
	CommandEnd   = "dalogend"
	OfferMax     = "dalogmax"
)

// Commands are all of them: who has one has all.
func Commands() []string { return []string{CommandOpen, CommandBatch, CommandEnd} }

// The codes of answers.
const (
	CodeOK = 200
	// CodeMismatch: the command does not go on where the source stands, or the
	// session has no claim to the source. The data is a Refusal.
	CodeMismatch = 409
	// CodeLater: the server cannot take it at present.
	CodeLater = 421
	// CodeMalformed: the command is not what it should be: a mistake in one of
	// the two programs.
	CodeMalformed = 500
)

// Limits of what is on the wire.
const (
	// MaxBody is the most bytes of lines in a batch, packed or not, and MaxLines
	// how many of them there are: whatever they hold, what is stored of them fits
	// into one record of the store.
	MaxBody  = 512 << 10
	MaxLines = 4096
	// MaxData is the most bytes of data that a command has.
	MaxData = MaxBody + MaxHead
	// MaxClaims is how many sources one dalogopen names at most.
	MaxClaims = 1024
	// MaxPath and maxName bound the texts, in bytes.
	MaxPath = 1024
	maxName = 255
	// MaxAnswer is the most bytes of data of an answer.
	MaxAnswer = 64 << 10
)

// wireVersion is the first byte of each command.
const wireVersion = 1

// ErrMalformed says that data is not what a command or an answer should be.
var ErrMalformed = errors.New("malformed")

var le = binary.LittleEndian

// reader takes fields from data. After an error all it gives is zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.b, r.err = nil, fmt.Errorf("%w: %s", ErrMalformed, what)
	}
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail("too short")
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) u8() byte {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) u16() int {
	if p := r.take(2); p != nil {
		return int(le.Uint16(p))
	}
	return 0
}

func (r *reader) u32() uint32 {
	if p := r.take(4); p != nil {
		return le.Uint32(p)
	}
	return 0
}

// offset reads a number that is one of bytes in a file.
func (r *reader) offset() int64 {
	p := r.take(8)
	if p == nil {
		return 0
	}
	v := le.Uint64(p)
	if v >= 1<<62 {
		r.fail("offset too large")
		return 0
	}
	return int64(v)
}

func (r *reader) id() (id [16]byte) {
	copy(id[:], r.take(len(id)))
	return id
}

// text reads a text of at most limit bytes; it is a part of the data.
func (r *reader) text(limit int) []byte {
	n := r.u16()
	if n > limit {
		r.fail("text too long")
		return nil
	}
	return r.take(n)
}

func (r *reader) version() {
	if v := r.u8(); r.err == nil && v != wireVersion {
		r.fail(fmt.Sprintf("version %d, this program knows %d", v, wireVersion))
	}
}

// end checks that nothing is left.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail("too long")
	}
	return r.err
}

// appendText appends s, cut to limit bytes.
func appendText(dst []byte, s string, limit int) []byte {
	s = s[:min(len(s), limit)]
	return append(le.AppendUint16(dst, uint16(len(s))), s...)
}
