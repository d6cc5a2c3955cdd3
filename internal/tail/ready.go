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
	case !s.active || s.broken || s.ended || s.gate != nil || s.queued:
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
		if s.broken || s.ended || s.gate != nil {
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

// offerInOrder offers s after the older files of its path: they are read to
// their end first, for what is in s may have been written after what is still
// unread in them. Tailer.mu must be held.
func (t *Tailer) offerInOrder(s *Source) {
	if s.gate != nil {
		return
	}
	if before := s.older; before != nil && !before.ended {
		s.gate = before
		before.waiting = append(before.waiting, s)
		before.eof = false
		t.offerInOrder(before)
		return
	}
	t.offer(s)
}
