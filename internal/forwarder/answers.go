package forwarder

import (
	"fmt"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

// takeAnswers works off the answers that have arrived.
func (c *courier) takeAnswers() error {
	c.mu.Lock()
	answers := c.answers
	c.answers = nil
	c.mu.Unlock()
	for i := range answers {
		a := &answers[i]
		o, ok := c.orders[a.txnr]
		if !ok {
			continue // of a session before this one
		}
		delete(c.orders, a.txnr)
		if err := c.takeAnswer(&o, a); err != nil {
			return err
		}
	}
	return nil
}

func (c *courier) takeAnswer(o *order, a *reply) (err error) {
	switch {
	case o.open:
		err = c.opening(o, a)
	case o.parcel != nil:
		c.latency = (3*c.latency + time.Since(o.sent)) / 4
		err = c.delivered(o.parcel, a)
	case a.code == delivery.CodeLater:
		delete(c.ending, o.end)
		c.wait()
	case a.code == delivery.CodeOK || a.code == delivery.CodeMismatch:
		c.agent.ended(o.end)
		delete(c.lanes, o.end)
	default:
		err = fmt.Errorf("the server refused dalogend: %d %.100s", a.code, a.text)
	}
	return err
}

// opening is the answer to a claim.
func (c *courier) opening(o *order, a *reply) error {
	for _, l := range o.claims {
		l.flying--
		l.state = unclaimed
	}
	switch a.code {
	case delivery.CodeOK:
	case delivery.CodeLater:
		c.begun = -1 // all that is not claimed is asked for again
		c.wait()
		c.p.dialer.complain(fmt.Errorf("the server asks for patience: %s", a.text))
		return nil
	default:
		return fmt.Errorf("the server refused dalogopen: %d %.100s", a.code, a.text)
	}
	opened, err := delivery.ParseOpened(a.data)
	if err != nil {
		return fmt.Errorf("answer to dalogopen: %w", err)
	}
	if len(opened.Sources) != len(o.claims) {
		return fmt.Errorf("answer to dalogopen: %d sources, %d were asked for", len(opened.Sources), len(o.claims))
	}
	c.introduced(&opened)
	for i, l := range o.claims {
		if l.flying == 0 && c.lanes[l.source.ID] == l {
			c.stands(l, opened.Sources[i])
		}
	}
	return nil
}

// delivered is the answer to a parcel.
func (c *courier) delivered(p *parcel, a *reply) error {
	l := p.lane
	l.flying--
	switch {
	case a.code == delivery.CodeOK && l.refused:
		// Behind one that was refused none is taken.
		return fmt.Errorf("the server took a batch behind one that it had refused")
	case a.code == delivery.CodeOK:
		taken, err := delivery.ParseTaken(a.data)
		if err != nil {
			return fmt.Errorf("answer to dalog: %w", err)
		}
		if len(l.parcels) == 0 || l.parcels[0] != p || taken.Committed != p.end {
			return fmt.Errorf("the server confirmed %d, and the batch ended at %d", taken.Committed, p.end)
		}
		if !l.begun {
			l.begun = true
			c.agent.has(l.source.ID, p.start)
		}
		c.patient = 0
		c.confirm(l, 1, taken.Messages)
		return nil
	case a.code == delivery.CodeLater:
		c.wait()
		if time.Since(c.toldLater) > remindAfter {
			c.toldLater = time.Now()
			c.p.log.Warn("the server does not take a file now; its lines stay there, and are sent when it does", "path", l.source.Path, "server_says", a.text)
		}
	case a.code == delivery.CodeMismatch:
		refusal, err := delivery.ParseRefusal(a.data)
		if err != nil {
			return fmt.Errorf("answer to dalog: %w", err)
		}
		if !l.refused {
			c.p.log.Debug("batch refused", "path", l.source.Path, "reason", refusal.Reason, "committed", refusal.Committed)
			c.p.stats.refused.Add(1)
		}
	default:
		return fmt.Errorf("the server refused a batch: %d %.100s", a.code, a.text)
	}
	l.refused = true
	if l.flying == 0 {
		c.again(l)
	}
	return nil
}

// again asks the server anew where a source stands, and sends from there.
func (c *courier) again(l *lane) {
	if l.asked++; l.asked > 1 {
		c.wait()
	}
	l.state, l.refused, l.sent = unclaimed, false, 0
	c.unsent = slices.DeleteFunc(c.unsent, func(p *parcel) bool { return p.lane == l })
	c.unsent = append(c.unsent, l.parcels...)
	c.sortUnsent()
}

// confirm takes the first n parcels out of a lane: the server has them.
func (c *courier) confirm(l *lane, n, messages int) {
	for _, p := range l.parcels[:n] {
		l.done, l.doneAnchor = p.end, p.after
		c.raw -= p.end - p.start
		c.held -= int64(len(p.body))
		c.p.stats.delivered.Add(uint64(p.lines))
		if p.position.Offset > 0 {
			c.p.registry.confirm(l.source.ID, p.position)
			c.p.tailer.Confirm(l.source, p.position)
		}
		c.give(p)
	}
	l.parcels = append(l.parcels[:0:0], l.parcels[n:]...)
	l.sent = max(0, l.sent-n)
	c.p.stats.messages.Add(uint64(messages))
	c.p.stats.unconfirmed.Store(c.raw)
	if n > 0 {
		l.asked = 0
	}
	if n > 0 && c.p.dialer.fruitless > 0 {
		c.p.dialer.fruitless = 0
		c.p.log.Info("delivering again")
	}
	c.letGo(l)
}
