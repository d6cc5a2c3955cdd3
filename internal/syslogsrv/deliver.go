package syslogsrv

import (
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

// deliver hands over all messages in data and returns how much is done with.
func (c *conn) deliver(data []byte, end bool) (done int) {
	received := time.Now()
	msgs := c.work.msgs
	n := 0
	for {
		frame, advance, flags, ok := c.framer.Next(data[done:], end)
		done += advance
		if !ok {
			break
		}
		m := &msgs[n]
		c.parser.Parse(frame, received, m)
		m.Flags |= flags
		m.From = &c.peer.Peer
		if m.Empty() {
			c.srv.counts.empty.Add(1)
			continue
		}
		if n++; n == len(msgs) {
			c.submit(received, msgs)
			n = 0
		}
	}
	c.submit(received, msgs[:n])
	c.srv.counts.bytes[c.protocol].Add(uint64(done))
	c.peer.bytes.Add(uint64(done))
	c.countFrames()
	if c.framer.Err() != nil && !end {
		c.refuse(Unframeable, "")
	}
	return done
}

func (c *conn) submit(received time.Time, msgs []syslog.Message) {
	if len(msgs) == 0 {
		return
	}
	if err := c.srv.submit(received, msgs, c.protocol, nil); err != nil {
		c.end = err
	}
	c.peer.saw(received, len(msgs))
}

// submit hands messages to the Sink, for as long as that takes.
func (s *Server) submit(received time.Time, msgs []syslog.Message, p Protocol, committed func(error)) error {
	for i := range msgs {
		if f := msgs[i].Flags; f != 0 {
			s.counts.flag(f)
		}
	}
	if err := s.sink.Submit(s.stopping.hard, received, msgs, committed); err != nil {
		if committed == nil { // the sender does not have them any more
			s.counts.lost.Add(uint64(len(msgs)))
		}
		return err
	}
	s.counts.messages[p].Add(uint64(len(msgs)))
	return nil
}
