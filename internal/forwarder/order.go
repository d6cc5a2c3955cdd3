package forwarder

// mayGo tells whether parcels of a lane may be sent: not before those of older
// files of the same path, so that lines are stored in the order in which they
// were written. Behind is the paths of parcels that could not be sent, which were
// read before those of the lane.
func (c *courier) mayGo(l *lane, behind map[string]bool) bool {
	if l.first || len(c.orders) == 0 && c.held >= int64(c.p.cfg.Window) { // or nothing would ever go
		return true
	}
	l.first = !behind[l.source.Path] && !c.p.tailer.OlderUnread(l.source)
	return l.first
}
