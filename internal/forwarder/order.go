package forwarder

// mayGo tells whether parcels of a lane may be sent as far as its path is
// concerned: not while an older file of that has something to be read or sent,
// which a rewinding may have brought about.
func (c *courier) mayGo(l *lane) bool {
	if l.first || len(c.orders) == 0 && c.held >= int64(c.p.cfg.Window) { // or nothing would ever go
		return true
	}
	if c.p.tailer.OlderUnread(l.source) {
		return false
	}
	for _, o := range c.p.tailer.Older(l.source) {
		if m := c.lanes[o.ID]; m != nil && m.sent < len(m.parcels) {
			return false
		}
	}
	l.first = true
	return true
}
