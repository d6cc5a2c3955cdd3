package syslogsrv

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/dalog-project/dalog/internal/relp"
	"github.com/dalog-project/dalog/internal/syslog"
)

const (
	// ackPatience is how long a client that sends no more is kept for its
	// acknowledgements: librelp gives a session up after as long.
	ackPatience = 90 * time.Second
	// lingerTime is how long a client may take to close its side.
	lingerTime = 2 * time.Second
)

// relpSession is RELP on a conn: each message is acknowledged when the Sink has
// committed it, and never refused, since clients lose what is refused. Its
// fields are for the goroutine that reads, unless they say otherwise.
type relpSession struct {
	*relp.Session
	acker     *relp.Acker
	answered  chan struct{} // closed when the acker has nothing more to write
	answerErr error         // of the acker; set before answered is closed
	failed    atomic.Bool   // the Sink did not commit something: nothing behind it may be acknowledged
	agent     *agent        // of dalog's own commands; nil before the first

	empty, discarded uint64 // as far as they are in the server's counts
}

// startRELP begins a session, unless the other side was told already that
// nothing more is wanted.
func (c *conn) startRELP() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		c.end = errDrained
		return
	}
	session := c.srv.relp.NewSession()
	r := &relpSession{Session: session, acker: session.Acker(), answered: make(chan struct{})}
	if c.secure != nil {
		c.secure.gather = true
	}
	c.relp = r
	go func() {
		r.answerErr = r.acker.Run(answerWriter{c})
		close(r.answered)
		c.arm() // ends reading
	}()
}

// isAnswered tells whether nothing more will be written, so that there is no
// use in reading on. r may be nil.
func (r *relpSession) isAnswered() bool {
	if r == nil {
		return false
	}
	select {
	case <-r.answered:
		return true
	default:
		return false
	}
}

// answerWriter writes to the connection, waiting for the peer to take it.
type answerWriter struct{ c *conn }

func (w answerWriter) SetWriteDeadline(t time.Time) error { return w.c.nc.SetWriteDeadline(t) }

func (w answerWriter) Write(p []byte) (int, error) {
	if w.c.secure == nil {
		return w.c.nc.Write(p)
	}
	n, err := w.c.secure.tls.Write(p)
	if err != nil {
		return n, err
	}
	return n, w.c.secure.flush()
}

// deliverRELP hands over all messages in data and returns what is left to be
// worked off when more has come.
func (c *conn) deliverRELP(data []byte) (rest []byte) {
	received := time.Now()
	size := len(data)
	msgs := c.work.msgs
	n := 0
	var last uint64
	for c.end == nil {
		command, more, ok := c.relp.Next(data)
		data = more
		if !ok {
			break
		}
		if command.Extension != nil {
			c.submitRELP(received, msgs[:n], last)
			n = 0
			if c.end == nil {
				c.dalogCommand(received, &command)
			}
			continue
		}
		m := &msgs[n]
		c.parser.Parse(syslog.Datagram(command.Data), received, m)
		if command.Size > len(command.Data) {
			m.Flags |= syslog.Truncated
			c.srv.counts.oversize.Add(1)
		}
		m.From = &c.peer.Peer
		if m.Empty() {
			c.srv.counts.empty.Add(1)
			c.relp.Skip()
			continue
		}
		last = command.Seq
		if n++; n == len(msgs) {
			c.submitRELP(received, msgs, last)
			n = 0
		}
	}
	c.submitRELP(received, msgs[:n], last)
	done := uint64(size - len(data))
	c.srv.counts.bytes[RELP].Add(done)
	c.peer.bytes.Add(done)
	c.countRELP()
	over, err := c.relp.Over()
	switch {
	case !over:
	case err != nil:
		c.refuse(RELPError, err.Error())
	case c.end == nil:
		c.end = io.EOF
	}
	return data
}

// submitRELP hands over messages of which last is the last. What the Sink does
// not take is not acknowledged, so the client still has it.
func (c *conn) submitRELP(received time.Time, msgs []syslog.Message, last uint64) {
	if len(msgs) == 0 || c.end != nil {
		return
	}
	r := c.relp
	err := c.srv.submit(received, msgs, RELP, func(err error) {
		switch {
		case err != nil:
			r.failed.Store(true)
			r.acker.Abandon()
		case !r.failed.Load():
			r.acker.Commit(last)
		}
	})
	if err != nil {
		r.failed.Store(true)
		r.acker.Abandon()
		c.end = err
		return
	}
	c.peer.saw(received, len(msgs))
}

func (c *conn) countRELP() {
	r, s := c.relp, &c.srv.counts
	if r.Empty != r.empty {
		s.empty.Add(r.Empty - r.empty)
		r.empty = r.Empty
	}
	if r.Discarded != r.discarded {
		s.discarded.Add(r.Discarded - r.discarded)
		r.discarded = r.Discarded
	}
}

// finishRELP acknowledges what the Sink commits of what it has taken, as long as
// there is somebody to tell and time, and takes leave. What was read and not
// handed over, the client sends again.
func (c *conn) finishRELP() {
	r := c.relp
	r.End()
	stop := context.AfterFunc(c.srv.stopping.hard, func() {
		r.acker.Abandon()
		select {
		case <-r.answered:
		case <-time.After(lingerTime):
			_ = c.nc.Close() // it does not take what is said
		}
	})
	patience := time.AfterFunc(ackPatience, r.acker.Abandon)
	<-r.answered
	patience.Stop()
	stop()
	err := r.answerErr
	if err == nil && c.secure != nil {
		err = c.secure.leave(time.Now().Add(lingerTime))
	}
	if err == nil {
		err = relp.Linger(c.nc, lingerTime)
	}
	c.srv.log.Debug("RELP session ended", "peer", c.peer.Name, "software", r.Offers().Software(), "cause", c.end, "err", err)
}

// abort ends the goroutine that answers, on a connection that is closed.
func (r *relpSession) abort() {
	r.acker.Abandon()
	<-r.answered
}
