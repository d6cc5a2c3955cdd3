package forwarder

import (
	"errors"
	"strings"
	"sync"

	"github.com/dalog-project/dalog/internal/relp"
)

// maxTransactions is when a RELP session is renewed: librelp fails when its
// numbers reach ten digits.
const maxTransactions = 900_000_000

// librelpFrame is the longest message for servers built on librelp, in bytes: by
// default rsyslog acknowledges one of more than 8096 and drops its end.
const librelpFrame = 8000

var errRenumber = errors.New("the session's transaction numbers are used up; a new one begins")

// relpFrames sends messages one by one to a server that speaks RELP and not
// dalog's own commands. Each is acknowledged by itself: what was sent is
// confirmed up to the first message that is not.
type relpFrames struct {
	client *relp.Client

	mu    sync.Mutex
	first uint32 // transaction number of the first of waiting
	wait  []waiting
	known int64 // bytes up to there
}

// waiting is a message that was sent.
type waiting struct {
	size  int // of its frame in the window
	acked bool
}

// answered takes in the answer to one message; it is called by the goroutine
// that reads.
func (s *relpFrames) answered(a relp.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := a.Txnr - s.first
	if uint64(i) >= uint64(len(s.wait)) {
		return
	}
	s.wait[i].acked = true
	n := 0
	for n < len(s.wait) && s.wait[n].acked {
		s.known += int64(s.wait[n].size)
		n++
	}
	s.wait = s.wait[n:]
	s.first += uint32(n)
}

// write sends the octet-counted frames of p, each of which ends in LF.
func (s *relpFrames) write(p []byte) error {
	for len(p) > 0 {
		n := rfc5424{}.frameLen(p)
		if s.client.Sent() >= maxTransactions {
			return errRenumber
		}
		// Noted before it is sent: the answer may be quick.
		s.mu.Lock()
		if len(s.wait) == 0 {
			s.first = s.client.Sent() + 1
		}
		s.wait = append(s.wait, waiting{size: n})
		s.mu.Unlock()
		if _, err := s.client.Send("syslog", message(p[:n])); err != nil {
			return s.explain(err)
		}
		p = p[n:]
	}
	return s.explain(s.client.Flush())
}

// message is what is in an octet-counted frame, without its LF.
func message(frame []byte) []byte {
	i := 0
	for frame[i] != ' ' {
		i++
	}
	return frame[i+1 : len(frame)-1]
}

func (s *relpFrames) confirmed() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known, nil
}

func (s *relpFrames) gone() <-chan struct{} { return s.client.Done() }

func (s *relpFrames) reason() error { return s.explain(s.client.Err()) }

func (s *relpFrames) explain(err error) error {
	if errors.Is(err, relp.ErrServerClosed) {
		return errPeerClosed
	}
	return err
}

func (s *relpFrames) abort() { s.client.Abort() }

func (s *relpFrames) close() error { return s.client.Close() }

// frameLimit is the longest frame for a server that calls itself software.
func frameLimit(software string) int {
	if strings.HasPrefix(software, "librelp") {
		return librelpFrame
	}
	return maxFrame
}
