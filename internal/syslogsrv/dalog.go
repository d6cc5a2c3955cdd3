package syslogsrv

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/relp"
	"github.com/dalog-project/dalog/internal/syslog"
)

// dalogCounts are of dalog's own commands.
type dalogCounts struct {
	batches    atomic.Uint64 // taken
	plain      atomic.Uint64 // bytes of lines in them, unpacked
	skipped    atomic.Uint64 // bytes that senders left out on purpose
	gap        atomic.Uint64 // refused: does not go on where the source stands
	content    atomic.Uint64 // refused: other content before it
	unclaimed  atomic.Uint64 // refused: the claim is another session's
	ended      atomic.Uint64 // sources
	forgotten  atomic.Uint64 // sources that were idle
	refusedNew atomic.Uint64 // batches of new sources, because there are too many
	begun      atomic.Uint64 // sources claimed that were not known
	malformed  atomic.Uint64 // commands
	superseded atomic.Uint64 // sessions that sent after a newer one of their agent had begun
}

// unpacker is memory for one batch at a time.
type unpacker struct {
	buf    []byte
	marked []byte
	ends   []int64
	msgs   []syslog.Message
}

var unpackers = sync.Pool{New: func() any { return new(unpacker) }}

// dalogCommand deals with one of dalog's own commands.
func (c *conn) dalogCommand(received time.Time, command *relp.Command) {
	var err error
	switch command.Extension.Name {
	case delivery.CommandOpen:
		err = c.dalogOpen(command)
	case delivery.CommandBatch:
		err = c.dalogBatch(received, command)
	case delivery.CommandEnd:
		err = c.dalogEnd(command)
	}
	if err == nil {
		return
	}
	if errors.Is(err, delivery.ErrMalformed) {
		c.srv.counts.dalog.malformed.Add(1)
		c.reply(command.Seq, delivery.CodeMalformed, err.Error(), nil)
		c.refuse(RELPError, command.Extension.Name+": "+err.Error())
		return
	}
	c.relp.failed.Store(true)
	c.relp.acker.Abandon()
	c.end = err
}

// reply answers a command that is waited for.
func (c *conn) reply(seq uint64, code int, text string, data []byte) {
	if err := c.relp.acker.Answer(seq, code, text, data); err != nil {
		c.srv.log.Error("internal fault; please report it", "fault", err)
	}
}

func (c *conn) refuseBatch(seq uint64, reason delivery.Reason, committed int64) {
	n := &c.srv.counts.dalog
	switch reason {
	case delivery.Gap:
		n.gap.Add(1)
	case delivery.Content:
		n.content.Add(1)
	default:
		n.unclaimed.Add(1)
	}
	c.reply(seq, delivery.CodeMismatch, reason.String(), delivery.Refusal{Reason: reason, Committed: committed}.AppendTo(nil))
}

// sourcePeer is whose sources these are: of the name in the certificate, or of
// whoever knows the source's name, which is drawn at random and told to the
// server alone. An address does not count: that of a container changes.
func (c *conn) sourcePeer() string {
	if c.secure == nil {
		return ""
	}
	certs := c.secure.tls.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return ""
	}
	if names := certificateNames(certs[0]); len(names) > 0 {
		return names[0]
	}
	return ""
}

const unsettled = "what another session has sent is not committed yet"

// dalogOpen answers where the sources stand that the session is to send.
func (c *conn) dalogOpen(command *relp.Command) error {
	open, err := delivery.ParseOpen(command.Data)
	if err != nil {
		return err
	}
	r, s := c.relp, c.srv
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	later := func(why string) error {
		c.reply(command.Seq, delivery.CodeLater, why, nil)
		return nil
	}
	var answer delivery.Opened
	var ready bool
	if answer.Store, ready = s.ledger.ID(); !ready {
		return later("the store is not recovered yet")
	}
	if r.agent == nil {
		a := &agent{
			key: agentKey{c.sourcePeer(), open.Agent}, nonce: open.Nonce, host: open.Host, peer: c.peer,
			fence: r.acker.Abandon, claims: map[delivery.SourceID]*claim{},
		}
		r.agent = a
		var settled bool
		if answer.Replaced, settled = s.claims.enter(a, timer.C); !settled {
			return later(unsettled)
		}
	} else if r.agent.key.id != open.Agent || r.agent.nonce != open.Nonce {
		return errors.Join(delivery.ErrMalformed, errors.New("another agent or nonce than before"))
	}
	if len(r.agent.claims)+len(open.Claims) > maxSessionClaims {
		return errors.Join(delivery.ErrMalformed, errors.New("too many sources"))
	}
	if s.claims.full(len(open.Claims), s.rules.Load().sources) {
		return later("too many sources are claimed")
	}
	for i := range open.Claims {
		id := open.Claims[i].ID
		cl, settled := s.claims.claim(r.agent, c.sourceKey(id), open.Claims[i].Path, timer.C)
		r.agent.claims[id] = cl
		if !settled {
			return later(unsettled)
		}
		at, known := s.ledger.Position(cl.key)
		known = known && at.Offset > 0
		if !known {
			s.counts.dalog.begun.Add(1)
		}
		cl.next, cl.anchor = at.Offset, at.Anchor
		answer.Sources = append(answer.Sources, delivery.Committed{ID: id, Known: known, Offset: at.Offset, Anchor: at.Anchor})
	}
	c.reply(command.Seq, delivery.CodeOK, "OK", answer.AppendTo(nil))
	return nil
}

// sourceKey is the key of a source of this session. One that was begun without
// a certificate stays what it is when the sender gets one.
func (c *conn) sourceKey(id delivery.SourceID) delivery.SourceKey {
	key := delivery.SourceKey{Peer: c.relp.agent.key.peer, ID: id}
	if key.Peer == "" {
		return key
	}
	if p, ok := c.srv.ledger.Position(key); ok && p.Offset > 0 {
		return key
	}
	open := delivery.SourceKey{ID: id}
	if p, ok := c.srv.ledger.Position(open); ok && p.Offset > 0 {
		return open
	}
	return key
}

// dalogBatch hands over a batch. It is answered when it is committed.
func (c *conn) dalogBatch(received time.Time, command *relp.Command) error {
	var b delivery.Batch
	if err := b.Parse(command.Data); err != nil {
		return err
	}
	r := c.relp
	if r.agent == nil {
		c.refuseBatch(command.Seq, delivery.Unclaimed, 0)
		return nil
	}
	if !r.agent.begin() { // before the claim is looked at: who takes it waits for what has begun
		c.srv.counts.dalog.superseded.Add(1)
		c.refuseBatch(command.Seq, delivery.Unclaimed, 0)
		return nil
	}
	taken := false
	defer func() {
		if !taken {
			r.agent.done()
		}
	}()
	cl := r.agent.claims[b.Source]
	switch {
	case cl == nil || cl.lost.Load():
		c.refuseBatch(command.Seq, delivery.Unclaimed, 0)
		return nil
	case b.Start != cl.next:
		c.refuseBatch(command.Seq, delivery.Gap, cl.next)
		return nil
	case b.Start > 0 && b.Before != cl.anchor:
		c.refuseBatch(command.Seq, delivery.Content, cl.next)
		return nil
	}
	if cl.next == 0 && c.srv.full(cl.path, r.agent.host) {
		c.reply(command.Seq, delivery.CodeLater, "the server has as many files as it may have, and takes no new one: its --max-sources", nil)
		return nil
	}
	u := unpackers.Get().(*unpacker)
	defer unpackers.Put(u)
	if err := u.unpack(&b); err != nil {
		return err
	}
	for i := range u.msgs {
		u.msgs[i].From = &c.peer.Peer
	}
	seq, end, messages := command.Seq, b.End(), len(u.msgs)
	err := c.srv.submitRange(received, delivery.Range{
		Key: cl.key, Start: b.Start, Skip: b.Skip, Before: b.Before, Ends: u.ends, End: end, After: b.After,
	}, u.msgs, func(err error) {
		defer r.agent.done()
		switch {
		case err != nil:
			r.failed.Store(true)
			r.acker.Abandon()
		case !r.failed.Load():
			c.reply(seq, delivery.CodeOK, "OK", delivery.Taken{Committed: end, Messages: messages}.AppendTo(nil))
		}
	})
	var mismatch *delivery.PositionError
	switch {
	case errors.As(err, &mismatch): // the source moved beside this session, which claims rule out
		reason := delivery.Gap
		if mismatch.Content {
			reason = delivery.Content
		}
		c.refuseBatch(seq, reason, mismatch.Committed)
		return nil
	case err != nil:
		return err
	}
	taken = true
	cl.next, cl.anchor = end, b.After
	c.peer.saw(received, messages)
	n := &c.srv.counts.dalog
	n.batches.Add(1)
	n.plain.Add(uint64(b.Size))
	n.skipped.Add(uint64(b.Skip))
	return nil
}

// unpack makes the messages of a batch. They are parts of its data, and of u.
func (u *unpacker) unpack(b *delivery.Batch) error {
	var lines []byte
	var err error
	if lines, u.buf, err = b.Unpack(u.buf); err != nil {
		return err
	}
	if len(lines) >= delivery.AnchorSize && delivery.Anchor(lines) != b.After {
		return errors.Join(delivery.ErrMalformed, errors.New("the anchor is not that of the lines"))
	}
	u.msgs, u.ends, u.marked = u.msgs[:0], u.ends[:0], u.marked[:0]
	at := syslog.Timestamp{Sec: b.Sec, Nsec: b.Nsec, Offset: b.Zone, Valid: true}
	l := delivery.Lines{
		Data: lines, MaxLine: b.MaxLine, Continues: b.Continues, Cut: b.Cut, KeepBlank: b.KeepBlank, Marked: u.marked,
	}
	offset := b.Start + b.Skip
	limit := delivery.MaxLines + b.Size/b.MaxLine
	for {
		text, size, ok := l.Next()
		if !ok {
			u.marked = l.Marked
			return nil
		}
		if len(u.msgs) >= limit {
			return errors.Join(delivery.ErrMalformed, errors.New("too many lines"))
		}
		offset += int64(size)
		m := syslog.Message{
			Pri: b.Priority, Version: 1, Time: at, Host: b.Host, Program: b.Program, Text: syslog.Text(text),
		}
		if !utf8.Valid(m.Text) {
			m.Flags |= syslog.NotUTF8
		}
		u.msgs = append(u.msgs, m)
		u.ends = append(u.ends, offset)
	}
}

// dalogEnd forgets a source of which there will be no more.
func (c *conn) dalogEnd(command *relp.Command) error {
	id, err := delivery.ParseEnd(command.Data)
	if err != nil {
		return err
	}
	r := c.relp
	seq := command.Seq
	if r.agent == nil || !r.agent.begin() {
		c.refuseBatch(seq, delivery.Unclaimed, 0)
		return nil
	}
	cl := r.agent.claims[id]
	if cl == nil { // its file was gone before this session began
		timer := time.NewTimer(settleTime)
		defer timer.Stop()
		var settled bool
		if cl, settled = c.srv.claims.claim(r.agent, c.sourceKey(id), "", timer.C); !settled {
			r.agent.done()
			c.reply(seq, delivery.CodeLater, unsettled, nil)
			return nil
		}
	}
	if cl.lost.Load() {
		r.agent.done()
		c.refuseBatch(seq, delivery.Unclaimed, 0)
		return nil
	}
	delete(r.agent.claims, id)
	err = c.srv.ledger.Forget(c.srv.stopping.hard, cl.key, func(err error) {
		defer r.agent.done()
		switch {
		case err != nil:
			r.failed.Store(true)
			r.acker.Abandon()
		default:
			c.srv.claims.forget(cl) // not before: who claims it anew waits for this one
			if !r.failed.Load() {
				c.reply(seq, delivery.CodeOK, "OK", nil)
			}
		}
	})
	if err != nil {
		r.agent.done()
		return err
	}
	c.srv.counts.dalog.ended.Add(1)
	return nil
}

// submitRange hands a batch's messages to the Ledger, for as long as that takes.
func (s *Server) submitRange(received time.Time, r delivery.Range, msgs []syslog.Message, committed func(error)) error {
	if err := s.ledger.SubmitRange(s.stopping.hard, received, r, msgs, committed); err != nil {
		return err
	}
	for i := range msgs {
		if f := msgs[i].Flags; f != 0 {
			s.counts.flag(f)
		}
	}
	s.counts.messages[RELP].Add(uint64(len(msgs)))
	return nil
}

// leaveClaims gives up what the session had claimed.
func (c *conn) leaveClaims() {
	if c.relp.agent == nil {
		return
	}
	c.srv.claims.leave(c.relp.agent, func(key delivery.SourceKey) bool {
		at, ok := c.srv.ledger.Position(key)
		return ok && at.Offset > 0
	})
}
