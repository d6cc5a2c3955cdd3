package tail

// onlyHeld tells whether s is there only because it is held open: its file has no
// name any more, and not all of it is confirmed. Tailer.mu must be held.
func (s *Source) onlyHeld() bool {
	return s.deleted() && s.live == 0 && s.pack == nil && s.confirmed.Offset < s.size && !s.ended
}

// limitHeld gives up the oldest deleted files when they take too much room.
func (t *Tailer) limitHeld() {
	t.mu.Lock()
	var held int64
	var files []*Source // oldest first
	for _, s := range t.sources {
		if s.onlyHeld() {
			held += s.size
			files = append(files, s)
		}
	}
	var over []*Source
	for _, s := range files {
		if held <= t.cfg.HoldDeleted {
			break
		}
		if !s.busy {
			s.ended = true // nobody may read it from now on
			over = append(over, s)
			held -= s.size
		}
	}
	t.mu.Unlock()
	for _, s := range over {
		t.end(s)
		s.close()
		t.forget(s.ID, s.place, s.ident.Birth)
		t.cfg.Notify(Event{
			Kind: FileGivenUp, Path: s.Path, Name: s.name, Source: s.ID, Offset: s.confirmed.Offset, Unread: s.size - s.confirmed.Offset,
		})
	}
}

// Held gives how many bytes of files that have no name any more are not confirmed,
// as it is at this moment: once they are closed nobody can open them again. It may
// be called at any time before Close.
func (t *Tailer) Held() (bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sources {
		if s.ended {
			continue
		}
		st, err := lookFile(s.file)
		if err != nil {
			continue
		}
		named := st.links > 0
		if s.pack != nil {
			packed, err := lookFile(s.pack)
			named = err != nil || packed.links > 0
		}
		if !named {
			bytes += max(0, st.size-s.confirmed.Offset)
		}
	}
	return bytes
}
