package relp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// answers is the goroutine of a [Client] that takes in answers.
type answers struct {
	c        *Client
	cutter   cutter
	oldest   uint32 // as the Client's, which follows
	any      bool   // an answer came since that was last told
	closed   bool   // "close" is answered
	rejected error  // the first message that the server did not take
}

// readError is what is wrong with the connection.
type readError struct{ error }

func (e readError) Unwrap() error { return e.error }

// read takes in answers until the session has ended.
func (c *Client) read() {
	a := answers{c: c, oldest: 1}
	err := a.receive()
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: connection closed", ErrServerClosed)
	}
	if errors.Is(err, ErrServerClosed) && a.closed && a.oldest > c.written.Load() {
		err = ErrClosed
	}
	c.mu.Lock()
	var lost readError
	if errors.As(err, &lost) && c.cause != nil {
		err = c.cause
	}
	c.err = err
	c.mu.Unlock()
	_ = c.conn.Close() // nothing is left to be read or written
	close(c.done)
}

func (a *answers) receive() error {
	limit := a.c.cfg.MaxAnswer + 4<<10
	buf := make([]byte, 16<<10)
	held := 0
	for {
		n, readErr := a.c.conn.Read(buf[held:])
		rest, err := a.workOff(buf[:held+n])
		a.tell()
		if a.rejected != nil {
			return a.rejected
		}
		if err != nil {
			return err
		}
		if readErr != nil {
			return readError{fmt.Errorf("relp: read: %w", readErr)}
		}
		held = copy(buf, rest)
		if held == len(buf) {
			grown := make([]byte, min(2*held, limit))
			copy(grown, buf)
			buf = grown
		}
	}
}

// workOff deals with all frames in buf and returns what is left of it. A
// message that was not taken does not keep it from what comes behind.
func (a *answers) workOff(buf []byte) (rest []byte, err error) {
	for {
		var h header
		whole, err := h.parse(buf)
		if err != nil || !whole {
			return buf, err
		}
		if h.size > a.c.cfg.MaxAnswer {
			return nil, fmt.Errorf("%w: %s with %d bytes, the limit is %d", ErrTooLarge, h.command, h.size, a.c.cfg.MaxAnswer)
		}
		data, rest, whole, err := a.cutter.cut(buf, &h, h.size)
		if err != nil || !whole {
			return rest, err
		}
		buf = rest
		if err := a.frame(&h, data); err != nil {
			return nil, err
		}
	}
}

// frame deals with one frame. Of hints, only the end means anything.
func (a *answers) frame(h *header, data []byte) error {
	switch {
	case h.txnr == 0 && string(h.command) == "serverclose":
		return ErrServerClosed
	case h.txnr == 0:
		return nil
	case string(h.command) != "rsp":
		return fmt.Errorf("%w: the server sent the command %s", ErrAnswer, h.command)
	}
	written := a.c.written.Load()
	slot := a.c.slot(h.txnr)
	if h.txnr < a.oldest || h.txnr > written || a.c.slots[slot] == none {
		return fmt.Errorf("%w: to %d, which does not wait for one", ErrAnswer, h.txnr)
	}
	answer, ok := parseAnswer(h.txnr, data)
	what := a.c.slots[slot]
	if !ok && what != closing {
		return fmt.Errorf("%w: to %d: %.60q", ErrAnswer, h.txnr, data)
	}
	if what == message && answer.Code != 200 {
		if a.rejected == nil {
			a.rejected = fmt.Errorf("%w: %d %.200s", ErrRejected, answer.Code, answer.Text)
		}
		return nil
	}
	a.c.slots[slot] = none
	a.any = true
	for a.oldest <= written && a.c.slots[a.c.slot(a.oldest)] == none {
		a.oldest++
	}
	switch what {
	case opening:
		return a.welcome(answer)
	case closing:
		a.closed = true
	default:
		a.c.cfg.Answered(answer)
	}
	return nil
}

// tell tells the goroutine that sends how far the server has come.
func (a *answers) tell() {
	if !a.any {
		return
	}
	a.any = false
	a.c.since.Store(time.Now().UnixNano())
	a.c.oldest.Store(a.oldest)
	select {
	case a.c.room <- struct{}{}:
	default:
	}
}

func (a *answers) welcome(answer Answer) error {
	if answer.Code != 200 {
		return fmt.Errorf("%w: %d %.200s", ErrRefused, answer.Code, answer.Text)
	}
	offers, err := parseOffers(answer.Data)
	if err != nil {
		return err
	}
	a.c.peer = offers
	close(a.c.opened)
	return nil
}

// parseAnswer reads the data of a "rsp".
func parseAnswer(txnr uint32, data []byte) (a Answer, ok bool) {
	code, digits := number(data)
	if digits != 3 || len(data) == digits || data[digits] != ' ' {
		return Answer{}, false
	}
	text, rest, _ := bytes.Cut(data[digits+1:], []byte("\n"))
	return Answer{Txnr: txnr, Code: code, Text: text, Data: rest}, true
}
