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
	s.due = 0
	for _, w := range s.waiting {
		w.gate = nil
		t.offer(w)
	}
	s.waiting = nil
}

// before gives an older file of the same path that must be read to its end before s,
// which was just read, hands on what it holds; nil for none. Whatever such files hold
// now may have been written before that was. Where s has waited already, only those
// count that it has waited for: what was written to others since came later.
// Tailer.mu must be held.
func (t *Tailer) before(s *Source, waited bool) (before *Source) {
	if !waited {
		t.asked++
		s.asked = t.asked
	}
	for o := s.older; o != nil; o = o.older {
		if !waited && o.due == 0 && o.holdsMore() {
			o.due, o.eof = s.asked, false
			t.offer(o)
		}
		if before == nil && o.due > 0 && o.due <= s.asked {
			before = o
		}
	}
	return before
}

// waitFor makes s, which was just read without result, wait until before has
// been read to its end. Tailer.mu must be held.
func (t *Tailer) waitFor(s, before *Source) {
	s.gate = before
	before.waiting = append(before.waiting, s)
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
		if o.holdsMore() {
			return o
		}
	}
	return nil
}

// holdsMore tells whether s has something that was not read, as far as can be
// told. Tailer.mu must be held.
func (s *Source) holdsMore() bool {
	switch {
	case s.ended, s.readErr != nil:
		return false
	case s.broken, s.partial, s.parked, !s.active && !s.bare:
		return true
	}
	st, err := lookFile(s.file)
	return err == nil && (st.size > s.seen || st.size < s.offset())
}
