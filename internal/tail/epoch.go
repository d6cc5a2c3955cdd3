package tail

import (
	"bytes"
	"os"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

// renew ends the epoch of a source whose content before the offset has gone, and
// begins the next one in the same file. What was not read yet is read from a copy
// beside the file, if there is one. Files beside it that are neither copies nor
// known are epochs that came and went unseen.
//
// As long as names change, or compressed files are looked through, that waits: the
// copy, or such a file, may not show.
func (t *Tailer) renew(s *Source) {
	p := s.place
	position := s.position()
	found, _, complete := t.siblings(p, t.list(p.dir), nil, true)
	pending := t.compare(s, found)
	complete = complete && t.quiet(p) // all the while
	best := bestCopy(found)
	if s.emptied.IsZero() {
		s.emptied = t.now
	}
	if (pending || !complete) && t.now.Sub(s.emptied) < t.patience(s, found, best) {
		for _, a := range found {
			a.drop()
			a.content.drop()
		}
		s.nextLook = t.now.Add(packRetry)
		return
	}
	file, key, ident := s.file, s.key, s.ident
	unread := max(0, s.peak-position.Offset)
	if best >= 0 {
		unread = 0
	}
	t.cfg.Notify(Event{Kind: FileTruncated, Path: s.Path, Name: s.name, Source: s.ID, Offset: position.Offset, Unread: unread})

	next := &Source{
		ID: delivery.NewSourceID(), Path: s.Path, Pattern: s.Pattern,
		place: p, name: s.name, key: key, ident: ident, age: s.age, live: s.live, rotatedAt: s.rotatedAt,
		size: s.size, peak: s.size, mtime: s.mtime, ctime: s.ctime, links: s.links,
		file: file, cursor: &delivery.Cursor{},
	}
	next.first = first(file, s.size)
	next.bare = next.first.Offset == 0
	next.eof = next.bare
	newer := t.newer(s)
	missed := t.sortOut(s, next, found, best)
	for _, q := range t.places {
		if q.cur == s {
			q.cur = next
		}
	}
	next.suffix, next.sighted, s.sighted = s.suffix, s.sighted, time.Time{}
	for _, a := range missed {
		a.birth, a.newer = max(a.birth, next.age), newer
		if newer != nil {
			a.birth = min(a.birth, newer.age)
		}
		next.age = a.birth
		t.adopt(p, a)
	}
	t.add(next)
	t.enter(next, newer)
	if best >= 0 {
		t.moveTo(s, found[best])
	} else { // now that those are in their places which others must wait for
		t.end(s)
		t.drop(s.ID)
	}
}

// patience is how long renew waits: without a copy, or with one that has less than
// was seen, as long as a file may take to be written.
func (t *Tailer) patience(s *Source, found []*arrival, best int) time.Duration {
	switch {
	case best < 0 || found[best].size() < s.peak:
		return t.cfg.RotateWait
	case s.seen == 0: // at the start there may be much to look through
		return packStart
	}
	return packWait
}

// sortOut decides about the files beside one that was emptied and goes on as next.
// It gives those that are to be read from the beginning.
func (t *Tailer) sortOut(s, next *Source, found []*arrival, best int) (missed []*arrival) {
	p := s.place
	for _, a := range found {
		if a.content != nil && a.content.size > 0 && a.content.size == s.size && a.content.isIn(s.file) {
			t.isPacked(s, a.suffix)
		}
	}
	for i, a := range found {
		switch {
		case i == best:
			if a.packed {
				a.hold(a.content)
			}
			if a.away {
				t.keepsOld(p, a.name)
			}
			if a.known != nil {
				t.known.remove(a.known)
				t.drop(a.known.ID)
			}
		case a.known != nil && (a.known.Of != s.ID || a.fit == unlike && a.look.size <= s.offset()):
			a.drop()
		case a.packed && a.content == nil:
			a.drop()
		case a.packed && a.fit == whole:
			a.content.drop()
			a.file.Close()
			t.copyOf(p, a, s)
		case a.packed && a.fit == part:
			a.content.drop()
			a.file.Close()
			t.donePacked(p, nil, a, a.content.size)
		case a.fit != unlike:
			t.leave(p, a, s.ID)
		case a.packed && (a.content.match != nil || a.content.isBeside(found) || t.opened(p, a.content) != nil), // settlePacked deals with it
			!a.packed && a.look.size == 0, // perhaps about to be written
			a.away && !p.keepsOld(a.name),
			a.madeAt() <= p.mark, a.packed && a.look.mtime <= p.mark:
			a.content.drop()
			a.drop()
		case a.known == nil && t.isNewer(a, s): // it came after the file was rotated: settle takes it
			if p.undecided[a.ident] = t.now; a.packed {
				t.packs.ours[a.ident] = true
			}
			p.pending, p.due = true, t.now
			a.content.drop()
			a.drop()
		case !a.packed && isPrefix(a.file, a.look.size, next.file):
			t.leave(p, a, next.ID)
		default:
			if a.known != nil { // it began as a copy would have
				t.known.remove(a.known)
				t.drop(a.known.ID)
				a.known = nil
			}
			if a.packed {
				a.hold(a.content)
			}
			missed = append(missed, a)
		}
	}
	return missed
}

// isNewer tells whether a came after the file of s or a newer one, by their rotated names.
func (t *Tailer) isNewer(a *arrival, s *Source) bool {
	for o := s.place.last; o != nil; o = o.older {
		if o.sighted.Equal(t.now) && olderSuffix(o.suffix, a.suffix) {
			return true
		}
		if o == s {
			break
		}
	}
	return false
}

// holds tells whether the content of f is the one that position was taken from.
func holds(f *os.File, position delivery.Position) bool {
	c, err := delivery.CursorAt(f, position.Offset)
	return err == nil && c.Position() == position
}

// isPrefix tells whether f begins with the content of copied, as far as the
// beginning and the end of that show.
func isPrefix(copied *os.File, size int64, f *os.File) bool {
	n := min(size, sampleSize)
	return equalAt(copied, f, 0, n) && equalAt(copied, f, size-n, n)
}

func equalAt(a, b *os.File, offset, n int64) bool {
	p := make([]byte, n)
	if _, err := a.ReadAt(p, offset); err != nil && n > 0 {
		return false
	}
	return bytesAt(b, p, offset)
}

// bytesAt tells whether p is what f has at offset.
func bytesAt(f *os.File, p []byte, offset int64) bool {
	q := make([]byte, len(p))
	if _, err := f.ReadAt(q, offset); err != nil && len(q) > 0 {
		return false
	}
	return bytes.Equal(p, q)
}

// moveTo lets s go on in a copy of its file.
func (t *Tailer) moveTo(s *Source, copied *arrival) {
	cursor, err := delivery.CursorAt(copied.file, s.offset())
	t.mu.Lock()
	s.file, s.key, s.ident, s.name = copied.file, copied.look.key, copied.ident, copied.name
	s.from = copied.from
	if copied.named() {
		s.suffix, s.sighted = copied.suffix, t.now
	}
	s.size, s.mtime, s.ctime, s.links = copied.look.size, copied.look.mtime, copied.look.ctime, copied.look.links
	s.live, s.rotatedAt, s.nextLook = 0, t.now, t.now
	if s.pack, s.partial = copied.pack, copied.partial; s.pack != nil {
		s.rotatedAt = time.Time{}
	}
	if err == nil {
		s.cursor, s.broken = cursor, false
	}
	s.seen, s.eof = 0, false
	s.emptied = time.Time{}
	t.mu.Unlock()
	t.open[s.key] = s
	k := Known{ID: s.ID, File: s.ident, Path: s.Path, Position: s.confirmed, First: s.first, Size: s.size, Packed: s.pack != nil}
	t.change.Add = append(t.change.Add, k)
	t.fresh = append(t.fresh, s)
	t.cfg.Notify(Event{Kind: CopyFound, Path: s.Path, Name: s.name, Source: s.ID, Offset: s.offset()})
}
