package relp

import (
	"fmt"
	"strings"
)

// maxUnread is how much of answers other than to messages may wait to be
// written before the next command is taken, and maxUnanswered how many.
const (
	maxUnread     = 1 << 20 // bytes
	maxUnanswered = 4096
)

// Command is one that the user of a [Session] has to deal with: a message, or
// one of the Extensions.
type Command struct {
	// Seq counts the commands of the session from 1 on, "open" being the first.
	Seq uint64
	// Extension is nil for a message.
	Extension *Extension
	// Data is a part of the buffer: valid until that is overwritten.
	Data []byte
	// Size is how long the client says the data is; more than len(Data) for a
	// message that was cut to MaxMessage.
	Size int
}

// Session is the server's side of one session, fed with what is read from the
// connection. It belongs to the goroutine that reads; how the bytes were cut
// into reads does not matter. "open", "close", empty messages and whatever ends
// the session are dealt with inside.
//
// Every command is answered once, in order: messages with 200 by
// [Acker.Commit], extensions with anything by [Acker.Answer].
type Session struct {
	// Empty counts the messages without a byte. They are answered, and not
	// given out.
	Empty uint64
	// Discarded counts the bytes of messages beyond MaxMessage.
	Discarded uint64

	server *Server
	cutter cutter
	acker  Acker

	peer    Offers
	welcome []byte // the answer to "open"; nil before it
	due     uint32 // the next transaction number
	seq     uint64 // of the last command
	given   uint64 // the last message that must be committed before it is answered
	former  uint64 // given before the last message
	over    bool
	err     error
}

// Acker answers what the session receives.
func (s *Session) Acker() *Acker { return &s.acker }

// Offers are the client's; none before "open".
func (s *Session) Offers() Offers { return s.peer }

// Over tells whether no more input will be worked off, and why: nil after
// "close" or End.
func (s *Session) Over() (over bool, err error) { return s.over, s.err }

// Next works off the start of buf, which holds the bytes of the connection that
// are not worked off yet, up to and with the next command for the caller. rest
// is what is left of buf then. Without ok there is no such command: rest must
// be in front of the bytes read next, in a bigger buffer (up to BufferSize) if
// it fills all of it; unless the session is over.
func (s *Session) Next(buf []byte) (c Command, rest []byte, ok bool) {
	for !s.over {
		var h header
		whole, err := h.parse(buf)
		if err != nil {
			s.end(err)
			break
		}
		if !whole {
			s.publish()
			return Command{}, buf, false
		}
		what, err := s.admit(&h)
		if err != nil {
			s.end(err)
			break
		}
		var data []byte
		data, rest, whole, err = s.cutter.cut(buf, &h, what.keep)
		if err != nil {
			s.end(err)
			break
		}
		if !whole {
			s.publish()
			return Command{}, rest, false
		}
		buf = rest
		if h.txnr != 0 {
			s.seq++
			s.due = following(s.due)
		}
		switch what.kind {
		case message:
			if h.size == 0 {
				s.Empty++
				continue
			}
			s.Discarded += uint64(h.size - what.keep)
			s.former, s.given = s.given, s.seq
			return Command{Seq: s.seq, Data: data, Size: h.size}, rest, true
		case extension:
			s.acker.expect(s.seq, s.given)
			return Command{Seq: s.seq, Extension: what.extension, Data: data, Size: h.size}, rest, true
		case opening:
			s.open(data)
		case closing:
			s.answer(nil)
			s.end(nil)
		}
	}
	return Command{}, nil, false
}

// Skip says that the message that Next has just given out will not be stored:
// it is answered when all before it are committed. To be called before Next is
// called again.
func (s *Session) Skip() { s.given = s.former }

// End says that no more input will be worked off, because the client has
// closed its side or the server stops. What was given out can still be
// answered; then the Acker is done.
func (s *Session) End() {
	if !s.over {
		s.end(nil)
	}
}

func (s *Session) end(err error) {
	s.over, s.err = true, err
	s.acker.end(s.seq, s.given)
}

func (s *Session) publish() { s.acker.publish(s.seq, s.given) }

// following is the transaction number after n: 1 after the largest.
func following(n uint32) uint32 {
	if n == maxTxnr {
		return 1
	}
	return n + 1
}

// kind is what a command is to a session.
type kind uint8

const (
	none kind = iota // a hint; in a client, an empty slot
	opening
	message
	extension
	closing
)

// admission is how to treat a command.
type admission struct {
	kind      kind
	keep      int // bytes of data
	extension *Extension
}

// admit decides by its header whether a command may come at this point. It
// leaves the session as it is, so that it can be asked again when more of the
// command has arrived.
func (s *Session) admit(h *header) (admission, error) {
	if h.txnr != s.due {
		if h.txnr != 0 {
			return admission{}, fmt.Errorf("%w: %d where %d was due", ErrSequence, h.txnr, s.due)
		}
		if string(h.command) != "serverclose" || h.size > maxOffersSize {
			return admission{}, fmt.Errorf("%w: the hint %s of a client", ErrCommand, h.command)
		}
		return admission{}, nil
	}
	a := admission{keep: h.size}
	limit := maxOffersSize
	switch string(h.command) {
	case "syslog":
		if s.welcome == nil {
			return a, fmt.Errorf("%w: syslog before open", ErrCommand)
		}
		a.kind, limit = message, s.server.cfg.MaxFrame
		a.keep = min(h.size, s.server.cfg.MaxMessage)
	case "open":
		a.kind = opening
	case "close":
		a.kind = closing
	default:
		a.extension = s.agreed(h.command)
		if a.extension == nil {
			return a, fmt.Errorf("%w: %s", ErrCommand, h.command)
		}
		a.kind, limit = extension, a.extension.Max
	}
	if h.size > limit {
		return a, fmt.Errorf("%w: %s with %d bytes, the limit is %d", ErrTooLarge, h.command, h.size, limit)
	}
	if a.kind != message && s.acker.crowded() {
		return a, ErrUnread
	}
	return a, nil
}

// agreed finds the extension of that name, if the client has offered it.
func (s *Session) agreed(name []byte) *Extension {
	for i := range s.server.cfg.Extensions {
		if e := &s.server.cfg.Extensions[i]; e.Name == string(name) && s.peer.has(e.Name) {
			return e
		}
	}
	return nil
}

// open answers "open": again and again the same, since clients exist that
// send an old one once more after reconnecting.
func (s *Session) open(data []byte) {
	if s.welcome == nil {
		peer, err := parseOffers(data)
		if err != nil {
			s.answer([]byte("500 " + strings.TrimPrefix(err.Error(), "relp: ")))
			s.end(err)
			return
		}
		s.peer = peer
		s.welcome = s.server.welcome(nil, peer)
	}
	s.answer(s.welcome)
}

// answer answers the last command; data is kept.
func (s *Session) answer(data []byte) {
	s.acker.expect(s.seq, s.given)
	s.acker.settle(s.seq, data)
	s.acker.signal()
}
