package tail

import (
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

// A file that has just grown is looked at again after fastLook, and then at
// ever longer intervals up to Config.Poll. Looks happen at multiples of fastLook,
// or of idleGrid where they are rare, so that many are done at once.
const (
	fastLook = 10 * time.Millisecond
	idleGrid = 5 * fastLook
)

// look looks at an open file: has it grown, shrunk, got another name, or is it
// done?
func (t *Tailer) look(s *Source, now time.Time) {
	t.mu.Lock()
	read := s.offset() // before the look: what is read after it may not be in its size
	t.mu.Unlock()
	st, err := lookFile(s.file)
	if t.looked != nil {
		t.looked(s)
	}
	if err != nil {
		t.tellTrouble(s, err)
		s.nextLook = now.Add(t.cfg.Scan)
		return
	}
	if s.pack != nil { // the file itself does not matter
		st.links, st.ctime, st.mtime = s.links, s.ctime, s.mtime
	}
	shrunk := st.size < s.size
	if st.size != s.size {
		s.grownAt, s.wait = now, 0
		s.place.due = earlier(s.place.due, now.Add(t.cfg.Poll))
	}
	if st.links != s.links || st.ctime != s.ctime && st.ctime != st.mtime {
		s.place.due = now // a change other than of the content: of the name, perhaps
	}
	rewritten := st.size == s.size && st.mtime != s.mtime
	s.mtime, s.ctime, s.links = st.mtime, st.ctime, st.links
	s.peak = max(s.peak, st.size)

	t.mu.Lock()
	limit := t.cfg.Poll
	if s.hinted && !s.hintless {
		limit = max(limit, t.cfg.Scan) // it will be told of
	}
	s.wait = min(max(2*s.wait, fastLook), limit)
	s.nextLook = t.onGrid(now.Add(s.wait), s.wait)
	s.size = st.size
	if s.size > s.behindAt && s.confirmed.Offset >= s.behindAt {
		s.behindAt, s.behind = s.size, now
	}
	for s.older != nil && s.older.ended {
		s.older = s.older.older
	}
	if s.active && (shrunk || st.size < read) {
		s.broken = true
	}
	if s.readErr != nil {
		err, s.readErr = s.readErr, nil
	}
	renew := s.broken && !s.busy
	clothe := s.bare && s.active && st.size > 0 && !renew
	part := s.partial && s.active && !s.broken && !s.busy && s.offset() >= s.size
	if !s.held {
		s.holdUntil = time.Time{}
	} else if s.holdUntil.IsZero() || s.holdFrom != s.offset() {
		s.holdFrom, s.holdUntil = s.offset(), now.Add(holdFor)
	} else {
		s.holdOver = !now.Before(s.holdUntil)
	}
	if err != nil || st.size > s.seen || rewritten || s.holdOver {
		t.offer(s)
	}
	if s.held && !s.holdOver {
		s.nextLook = earlier(s.nextLook, s.holdUntil)
	}
	idle := s.live == 0 && !now.Before(later(s.rotatedAt, s.grownAt).Add(t.cfg.RotateWait))
	done := false
	if idle && s.active && !s.broken && s.gate == nil && !s.busy && !s.queued && s.eof {
		switch {
		case s.offset() < s.size:
			s.flush = true
			t.offer(s)
		case s.confirmed.Offset >= s.offset():
			done = true
		}
	}
	hint := s.live > 0 && s.wait >= t.cfg.Poll && !s.hinted && t.hints != nil && now.Sub(s.grownAt) > t.hintAfter
	s.hinted = s.hinted || hint && t.hints.want(s)
	t.mu.Unlock()

	if err != nil {
		t.tellTrouble(s, err)
		s.nextLook = now.Add(t.cfg.Scan)
	} else {
		s.trouble = false
	}
	if clothe {
		t.clothe(s)
	}
	switch {
	case renew && s.forkAt > 0:
		t.fork(s)
	case renew:
		t.renew(s)
	case part:
		t.nextPart(s)
	case done:
		t.finish(s)
	}
}

// onGrid moves a time of looking, wait ahead, to where others are. It keeps to
// the monotonic clock.
func (t *Tailer) onGrid(at time.Time, wait time.Duration) time.Time {
	if t.began.IsZero() {
		t.began = at
	}
	since := at.Sub(t.began)
	if wait >= 2*idleGrid {
		return t.began.Add(since.Truncate(idleGrid))
	}
	return t.began.Add(since.Truncate(fastLook) + fastLook)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (t *Tailer) tellTrouble(s *Source, err error) {
	if !s.trouble {
		s.trouble = true
		t.cfg.Notify(Event{Kind: ReadFailed, Path: s.Path, Name: s.name, Source: s.ID, Offset: t.offsetOf(s), Err: err})
	}
}

// finish closes a rotated file that has been read and confirmed to its end.
func (t *Tailer) finish(s *Source) {
	if s.mtime > t.marks[s.Path+awayMark] {
		t.mark(s.Path+awayMark, s.mtime)
	}
	offset := t.offsetOf(s)
	ident, packed := t.packs.take(s)
	t.end(s)
	s.close()
	done := Known{ID: s.ID, File: s.ident, Path: s.Path, Position: s.position(), First: s.first, Size: s.size, Done: true, Packed: s.pack != nil}
	if packed {
		t.doneCopy(ident)
	}
	if s.deleted() {
		t.drop(s.ID)
	} else {
		t.remember(done)
	}
	t.cfg.Notify(Event{Kind: FileClosed, Path: s.Path, Name: s.name, Source: s.ID, Offset: offset})
}

// remember keeps a source whose file is not open.
func (t *Tailer) remember(k Known) {
	t.known.add(&k)
	t.change.Add = append(t.change.Add, k)
}

// end takes s out of everything but t.sources, which step cleans up.
func (t *Tailer) end(s *Source) {
	t.packs.take(s)
	t.unpin(s)
	if t.open[s.key] == s {
		delete(t.open, s.key)
	}
	if s.place.last == s {
		s.place.last = s.older
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s.ended = true
	t.openGates(s)
}

// drop takes a source out of the memory.
func (t *Tailer) drop(id delivery.SourceID) {
	t.change.Add = slices.DeleteFunc(t.change.Add, func(k Known) bool { return k.ID == id })
	t.change.Drop = append(t.change.Drop, id)
}

// forget drops a source whose file is not found. Its file will not come back as a
// missed one: the mark of its path moves past its birth.
func (t *Tailer) forget(id delivery.SourceID, p *place, birth int64) {
	t.drop(id)
	if p != nil && birth > p.mark {
		p.mark = birth
		t.mark(p.path, birth)
	}
}
