package forwarder

import (
	"errors"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/tail"
)

// claimAll introduces the forwarder and claims what is followed: the server may
// have less of a file than was confirmed, though nothing is new in that.
func (c *courier) claimAll() error {
	lanes := []*lane{}
	c.begun = c.p.tailer.Begun()
	for _, s := range c.p.tailer.Following() {
		lanes = append(lanes, c.laneOf(s))
	}
	for _, l := range c.lanes {
		if len(l.parcels) > 0 && !slices.Contains(lanes, l) {
			lanes = append(lanes, l)
		}
	}
	return c.claim(lanes, true)
}

// claimNew claims the sources that are not claimed yet: those of parcels, and those
// that have begun, or were found again, since the last time.
func (c *courier) claimNew() error {
	var lanes []*lane
	if begun := c.p.tailer.Begun(); begun != c.begun {
		c.begun = begun
		for _, s := range c.p.tailer.Following() {
			if l := c.laneOf(s); l.state == unclaimed && l.flying == 0 {
				l.state = claiming
				lanes = append(lanes, l)
			}
		}
	}
	for _, p := range c.unsent {
		if l := p.lane; p.body != nil && l.state == unclaimed && l.flying == 0 {
			l.state = claiming
			lanes = append(lanes, l)
		}
	}
	return c.claim(lanes, false)
}

// claim asks where sources stand. First is the session's first question, which is
// asked in any case.
func (c *courier) claim(lanes []*lane, first bool) error {
	for first || len(lanes) > 0 {
		open := delivery.Open{Agent: c.agent.name(), Nonce: c.nonce, Host: c.p.cfg.Hostname}
		if !first && c.client.Free() < laneLimit {
			for _, l := range lanes {
				l.state = unclaimed
			}
			c.begun = -1 // for the next time
			return nil
		}
		for _, l := range lanes {
			open.Claims = append(open.Claims, delivery.Claim{ID: l.source.ID, Path: l.source.Path})
		}
		n := delivery.Fitting(open.Claims)
		open.Claims = open.Claims[:n]
		txnr, err := c.client.Send(delivery.CommandOpen, open.AppendTo(nil))
		if err != nil {
			return err
		}
		for _, l := range lanes[:n] {
			l.state = claiming
			l.flying++
		}
		c.orders[txnr] = order{open: true, claims: slices.Clone(lanes[:n])}
		lanes, first = lanes[n:], false
	}
	return c.client.Flush()
}

// introduced takes in what the server says of itself.
func (c *courier) introduced(opened *delivery.Opened) {
	if !c.met {
		c.met = true
		if c.same = c.agent.meet(opened.Store, time.Now()); !c.same {
			c.p.log.Debug("the server's store is another one than before; positions stay as they are here")
		}
	}
	if opened.Replaced != [16]byte{} && c.opened && !slices.Contains(c.nonces[:], opened.Replaced) {
		c.p.log.Warn("another dalogfwd uses the same state folder's content, as when a machine was cloned; going on under a name of its own")
		c.p.stats.clones.Add(1)
		c.agent.renew()
	}
	if !c.opened || !slices.Contains(c.nonces[:], c.nonce) {
		copy(c.nonces[1:], c.nonces[:])
		c.nonces[0] = c.nonce
	}
	c.opened = true
}

// stands takes in where a source stands at the server, and makes what is to be
// sent begin there.
func (c *courier) stands(l *lane, at delivery.Committed) {
	l.state, l.refused = claimed, false
	l.at, l.anchor, l.begun = at.Offset, at.Anchor, at.Known
	id := l.source.ID
	confirmed := c.p.registry.offset(id)
	if !at.Known {
		l.at, l.anchor = 0, 0
		if from, ok := c.agent.from(id); ok && c.same && confirmed > from {
			if c.agent.forgot(id) {
				c.p.log.Info("the server has forgotten the file, of which nothing came for long; going on where it was confirmed",
					"path", l.source.Path, "offset", confirmed)
				return
			}
			c.goBack(l, from, nil, confirmed)
		}
		return // the server has nothing of it: what was confirmed is elsewhere
	}
	c.agent.has(id, 0)
	if i, ok := l.boundary(at.Offset, at.Anchor); ok {
		c.confirm(l, i, 0)
		return
	}
	if i, ok := l.within(at.Offset); ok && c.trim(l.parcels[i], at.Offset, at.Anchor) {
		c.confirm(l, i, 0)
		return
	}
	if at.Offset < confirmed && !c.same {
		// What is between went to another server.
		if c.p.tailer.Fits(l.source, at.Offset, at.Anchor) {
			return
		}
		c.fork(l, confirmed)
		return
	}
	c.goBack(l, at.Offset, &at.Anchor, confirmed)
}

// goBack reads a source from an offset on, where the server stands, or from
// farther on than this side knew to be confirmed.
func (c *courier) goBack(l *lane, offset int64, anchor *uint32, confirmed int64) {
	position, err := c.p.tailer.Rewind(l.source, offset, anchor)
	switch {
	case err == nil:
		if len(l.parcels) > 0 || offset != confirmed {
			c.readLater(l)
		}
		c.drop(l)
		if offset < confirmed {
			c.p.stats.rewound.Add(uint64(confirmed - offset))
			c.p.log.Warn("the server has less of the file than it had confirmed; sending it again",
				"path", l.source.Path, "from", offset, "confirmed", confirmed)
		}
		l.done, l.doneAnchor = offset, position.Tail
		c.p.registry.confirm(l.source.ID, position)
		c.p.tailer.Confirm(l.source, position)
	case errors.Is(err, tail.ErrContent):
		c.fork(l, confirmed)
	case errors.Is(err, tail.ErrEnded):
		// Only the parcels are left of it.
		if len(l.parcels) > 0 && l.parcels[0].start > l.at {
			c.p.stats.lostBytes.Add(uint64(l.parcels[0].start - l.at))
			c.p.log.Warn("the server has less of the file than it had confirmed, and the file is gone",
				"path", l.source.Path, "lost_bytes", l.parcels[0].start-l.at)
		}
		for len(l.parcels) > 0 && l.parcels[0].start < l.at {
			c.p.stats.lostBytes.Add(uint64(max(0, l.parcels[0].end-l.at)))
			c.confirm(l, 1, 0)
		}
	default:
		l.refused = true
		c.wait()
		c.p.log.Warn("cannot read; trying again", "path", l.source.Path, "error", err)
	}
}

// readLater has what was read of newer files of the same path read again, behind
// what is read again of l.
func (c *courier) readLater(l *lane) {
	for _, m := range c.lanes {
		if m == l || m.source.Path != l.source.Path {
			continue
		}
		m.first = false // that is to be found out again
		if m.sent > 0 || len(m.parcels) == 0 {
			continue
		}
		if _, err := c.p.tailer.Rewind(m.source, m.parcels[0].start, nil); err == nil {
			c.drop(m)
		}
	}
}

// fork gives up the name of a source that is in use for other content, and goes
// on under another one behind what is confirmed.
func (c *courier) fork(l *lane, confirmed int64) {
	c.p.log.Warn("the server has other content under the name of this file; going on under a new name",
		"path", l.source.Path, "offset", confirmed)
	c.p.stats.forks.Add(1)
	c.agent.disown(l.source.ID)
	c.drop(l)
	delete(c.lanes, l.source.ID)
	c.p.tailer.Fork(l.source, confirmed)
}

// drop forgets the parcels of a lane: they are read again.
func (c *courier) drop(l *lane) {
	if len(l.parcels) > 0 && l.again == nil {
		number := l.parcels[0].number
		l.again = &number
	}
	for _, p := range l.parcels {
		c.raw -= p.end - p.start
		c.held -= int64(len(p.body))
		c.give(p)
	}
	l.forget()
	c.letGo(l)
}

func (c *courier) letGo(l *lane) {
	if l.held && len(l.parcels) < laneLimit {
		l.held = false
		c.p.tailer.LetGo(l.source)
	}
}

// wait has nothing sent for a while, each time longer.
func (c *courier) wait() {
	c.patient = min(max(2*c.patient, 50*time.Millisecond), maxPatience)
	c.retryAt = time.Now().Add(c.patient)
}
