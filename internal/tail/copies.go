package tail

import (
	"strings"

	"github.com/dalog-project/dalog/internal/delivery"
)

// fit is what a rotated file has of what a source held before its file was
// emptied.
type fit int

const (
	unlike fit = iota // nothing: it is something else
	part              // its beginning, all of which was read
	whole             // all that was read, and perhaps more
)

// compare tells what the files beside s, which was emptied, have of it. Pending
// says that some cannot be told yet.
func (t *Tailer) compare(s *Source, found []*arrival) (pending bool) {
	for _, a := range found {
		switch {
		case !a.packed && (a.known == nil || a.known.Of == s.ID) && a.birth >= s.ident.Birth:
			a.fit = s.fits(a)
		case !a.packed || a.known != nil || a.isBeing():
		case a.look.mtime < max(s.ident.Birth, s.place.mark): // written to before s was followed
		default:
			pending = t.comparePacked(s, a) || pending
		}
	}
	return pending
}

// isBeing tells whether the compressed file a is being made: what it is made from is
// still beside it.
func (a *arrival) isBeing() bool {
	_, err := lookAt(strings.TrimSuffix(a.name, packing(a.name)))
	return err == nil
}

// fits compares a file with what s held.
func (s *Source) fits(a *arrival) fit {
	anchor, offset := s.anchor(), s.offset()
	switch {
	case a.look.size == 0: // whatever it is, that will be written
	case anchor.Offset == 0: // nothing is known of the content: the size must do
		if s.peak > 0 && a.look.size >= s.peak {
			return whole
		}
	case holds(a.file, anchor):
		return whole
	case a.look.size >= offset:
	case s.cursor != nil && offset <= delivery.AnchorSize: // all of it is here
		if bytesAt(a.file, s.cursor.Last()[:a.look.size], 0) {
			return part
		}
	case s.first.Offset > 0 && holds(a.file, s.first):
		return part
	}
	return unlike
}

// comparePacked does the same for a compressed file. Pending says that it is to be
// asked again.
func (t *Tailer) comparePacked(s *Source, a *arrival) (pending bool) {
	delete(t.packs.of, a.ident)
	t.mu.Lock()
	position, anchor := s.position(), s.anchor()
	t.mu.Unlock()
	targets := t.packTargets(s.place)
	for i := range targets {
		if targets[i].source == s {
			targets[i].position, targets[i].anchor, targets[i].wanted = position, anchor, true
		}
	}
	u, err := t.unpackFor(s.place, a, targets)
	if err != nil {
		return pendingErr(err)
	}
	match := u.match
	switch {
	case match != nil && match.source == s && (match.position != position || u.file == nil):
		u.drop() // it was looked through for another reason
		return true
	case match != nil && match.source == s,
		match == nil && anchor.Offset == 0 && s.peak > 0 && u.size >= s.peak:
		a.fit = whole
	case match != nil && match.copy && match.known.Of == s.ID,
		match == nil && u.size < s.offset() && s.first.Offset > 0 && u.size >= s.first.Offset && delivery.Anchor(u.head[:s.first.Offset]) == s.first.Head:
		a.fit = part
	case match != nil: // settlePacked deals with it
		u.drop()
		return false
	}
	a.content = u
	return false
}

// bestCopy gives the copy that has most, or -1. Of compressed ones and others, it
// prefers the others.
func bestCopy(found []*arrival) int {
	best := -1
	for i, a := range found {
		if a.fit == whole && (best < 0 || a.size() > found[best].size() || a.size() == found[best].size() && found[best].packed) {
			best = i
		}
	}
	return best
}

// size is that of the content.
func (a *arrival) size() int64 {
	if a.content != nil {
		return a.content.size
	}
	return a.look.size
}

// leave remembers that nothing of the rotated file a is to be read: it is a copy
// of the source of, complete or not, or has nothing to do with its path. By what
// is in it at present its compressed form will be known.
func (t *Tailer) leave(p *place, a *arrival, of delivery.SourceID) {
	k := Known{ID: delivery.NewSourceID(), File: a.ident, Path: p.path, Size: a.look.size, Of: of, First: first(a.file, a.look.size)}
	if a.known != nil {
		k.ID = a.known.ID
	}
	if c, err := delivery.CursorAt(a.file, a.look.size); err == nil {
		k.Position = c.Position()
	}
	t.remember(k)
	a.file.Close()
}

// settleSame decides about a rotated file that appeared while the path kept its
// file, which is file and was read up to position as the source id. It cannot have
// been at the path since the last look, unless hidden is set: then it may have been
// there without showing. Take says that it is to be read, pending that it cannot
// be told yet.
func (t *Tailer) settleSame(p *place, a *arrival, arrivals []*arrival, hidden bool) (take, pending bool) {
	file, position, id := t.current(p, arrivals)
	alike := a.look.size > 0 && isPrefix(a.file, a.look.size, file)
	switch {
	case position.Offset > 0 && !holds(file, position): // after isPrefix: it may be emptied at any time
		t.emptied(p.cur)
	case a.look.size == 0: // perhaps a copy that is about to be written
		take = hidden && t.now.Sub(p.undecided[a.ident]) >= t.cfg.RotateWait
		pending = hidden && !take
	case alike && position.Offset == 0: // as soon as something is known of the path's file
		pending = true
	case alike:
		t.leave(p, a, id)
		return false, false
	case hidden:
		take = true
	case t.bareLately(p, position): // a copy of what was in the path's file before that was emptied, all of it unread
		take = true
	default:
		t.leave(p, a, delivery.NewSourceID())
		return false, false
	}
	if !take {
		a.file.Close()
	}
	return take, pending
}

// settleKept decides about a file that leave was called for. If its source goes on
// there, take is true.
func (t *Tailer) settleKept(p *place, v *view, a *arrival) (take bool) {
	for _, s := range t.sources {
		if s.ID == a.known.Of && !s.ended {
			if a.look.size != a.known.Size {
				t.leave(p, a, s.ID)
			} else {
				a.file.Close()
			}
			return false
		}
	}
	switch k := t.knownOf(p, a.known); {
	case k == nil:
		done := *a.known
		done.Done = true
		t.remember(done)
	case holds(a.file, k.anchor()) && v.found(k):
		t.known.remove(a.known)
		t.drop(a.known.ID)
		a.known = k
		return true
	}
	a.file.Close()
	return false
}

// emptied has the content of the file of s found to be gone, if nobody has noticed.
func (t *Tailer) emptied(s *Source) {
	if s != nil {
		t.mu.Lock()
		s.broken = s.broken || s.active
		t.mu.Unlock()
		s.nextLook = t.now
	}
}

// bareLately tells whether the path's file, of which is known what is before
// position, had nothing in it when its folder was last looked at.
func (t *Tailer) bareLately(p *place, position delivery.Position) bool {
	return position.Offset == 0 || p.cur != nil && !p.cur.clothed.Before(p.listed)
}
