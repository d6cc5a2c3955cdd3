package httpindex

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	streamBuffer = 32 << 10
	// flushWithin is how long what was found waits for more.
	flushWithin = 100 * time.Millisecond
)

// A stream is the body of an answer whose length is not known before it ends.
// What is written goes out when there is a good deal of it, or after a moment,
// so that the first hits of a long search are seen at once. It belongs to one
// goroutine; close ends it.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController

	mu    sync.Mutex // protects what follows
	buf   []byte
	timer *time.Timer
	err   error // of sending: the client has gone
	ended bool
}

func newStream(w http.ResponseWriter) *stream {
	return &stream{w: w, control: http.NewResponseController(w), buf: make([]byte, 0, streamBuffer)}
}

// append lets add append to what is to be sent. An error means that there is
// nobody to send it to.
func (s *stream) append(add func(buf []byte) []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.buf = add(s.buf)
	if len(s.buf) >= streamBuffer {
		return s.send()
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(flushWithin, s.due)
	}
	return nil
}

func (s *stream) appendString(text string) error {
	return s.append(func(buf []byte) []byte { return append(buf, text...) })
}

// due sends what has waited.
func (s *stream) due() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = nil
	if s.err == nil && !s.ended {
		_ = s.flush() // the next append returns it
	}
}

// send writes the buffer, for which the client has answerTimeout. mu is held.
func (s *stream) send() error {
	if len(s.buf) == 0 {
		return s.err
	}
	setDeadline(s.control, answerTimeout)
	_, err := s.w.Write(s.buf)
	setDeadline(s.control, lookTimeout)
	if cap(s.buf) > 4*streamBuffer {
		s.buf = make([]byte, 0, streamBuffer)
	}
	s.buf = s.buf[:0]
	s.err = err
	return err
}

// flush sends the buffer to the client. mu is held.
func (s *stream) flush() error {
	if err := s.send(); err != nil {
		return err
	}
	setDeadline(s.control, answerTimeout)
	if err := s.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.err = err
	}
	setDeadline(s.control, lookTimeout)
	return s.err
}

// flushNow sends everything to the client. Until the next call there is no
// deadline.
func (s *stream) flushNow() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	err := s.flush()
	_ = s.control.SetWriteDeadline(time.Time{})
	return err
}

// failed is why nothing can be sent any more.
func (s *stream) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// abandon keeps what waits from being sent, unless close was called. It must
// come before the handler returns or panics: w is not to be used afterwards.
func (s *stream) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// close sends the rest.
func (s *stream) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.ended = true
	if s.err != nil {
		return s.err
	}
	err := s.send()
	setDeadline(s.control, answerTimeout) // for what the server has still to send
	return err
}
