package tail

// The ready list: sources to be read, each at most once, first come first
// served. All of it is guarded by Tailer.mu.
type readyList struct {
	first, last *Source
}

// offer puts s in the ready list, or leaves a note where that must wait.
// Tailer.mu must be held.
func (t *Tailer) offer(s *Source) {
	switch {
	case !s.active || s.bare || s.broken || s.ended || s.parked || s.gate != nil || s.queued:
		return
	case s.busy:
		s.again = true
		return
	}
	s.queued = true
	if t.ready.last == nil {
		t.ready.first = s
	} else {
		t.ready.last.next = s
	}
	t.ready.last = s
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// take takes the first source from the list and marks it busy; nil for none.
func (t *Tailer) take() *Source {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		s := t.ready.first
		if s == nil {
			return nil
		}
		if t.ready.first = s.next; t.ready.first == nil {
			t.ready.last = nil
		}
		s.next, s.queued = nil, false
		if s.broken || s.ended || s.parked || s.gate != nil {
			continue
		}
		s.busy = true
		return s
	}
}

// release ends what take began. Tailer.mu must be held.
func (t *Tailer) release(s *Source) {
	s.busy = false
	if s.eof && !s.again {
		t.openGates(s)
	}
	if s.again {
		s.again = false
		t.offer(s)
	}
}

// openGates lets the sources go on that waited for s to be read to its end.
// Tailer.mu must be held.
func (t *Tailer) openGates(s *Source) {
	for _, w := range s.waiting {
		w.gate = nil
		t.offer(w)
	}
	s.waiting = nil
}

// waitFor makes s, which was just read without result, wait until before has
// been read to its end. Tailer.mu must be held.
func (t *Tailer) waitFor(s, before *Source) {
	s.gate = before
	before.waiting = append(before.waiting, s)
	before.eof = false
	t.offer(before)
	s.eof, s.again = false, false
	t.release(s)
}

// OlderUnread tells whether an older file of the path of s holds more than was
// read of it.
func (t *Tailer) OlderUnread(s *Source) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return s.unread() != nil
}

// Older lists the older files of the path of s, the newest first, as far as they
// are still known.
func (t *Tailer) Older(s *Source) (list []*Source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for o := s.older; o != nil; o = o.older {
		list = append(list, o)
	}
	return list
}

// unread gives an older file of the same path that holds more than was read of
// it, or nil. Tailer.mu must be held.
func (s *Source) unread() *Source {
	for o := s.older; o != nil; o = o.older {
		switch {
		case o.ended, o.readErr != nil:
			continue
		case !o.active, o.broken, o.partial, o.parked:
			return o
		}
		if st, err := lookFile(o.file); err == nil && st.size > o.seen {
			return o
		}
	}
	return nil
}
