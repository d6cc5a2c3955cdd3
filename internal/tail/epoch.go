package tail

import (
	"bytes"
	"os"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

// renew ends the epoch of a source whose content before the offset has gone, and
// begins the next one in the same file. What was not read yet is read from a
// copy beside the file, if there is one: a rotated name, made after the file,
// with the same content up to the offset. Copies made after that one are epochs
// that came and went unseen.
func (t *Tailer) renew(s *Source) {
	p := s.place
	position := s.position()
	found, _, complete := t.siblings(p, t.list(p.dir), nil, true)
	match, packs, err := t.copyPacked(s, found, position)
	for i, a := range found {
		if !a.packed && a.known == nil && a.birth >= s.ident.Birth && s.isCopy(a) {
			match = i
		}
	}
	if s.emptied.IsZero() {
		s.emptied = t.now
	}
	if (err != nil || match < 0 && !complete) && t.now.Sub(s.emptied) < t.cfg.RotateWait {
		for _, a := range found {
			a.file.Close()
		}
		s.nextLook = t.now.Add(packRetry)
		return
	}
	if match >= 0 && found[match].away {
		t.keepsOld(p, found[match].name)
	}
	short := -1
	if match < 0 {
		short = s.shortCopy(found, packs)
	}
	var missed []*arrival
	for i, a := range found {
		if i == short {
			t.passOver(p, a, packs[i])
			continue
		}
		if a.packed && packs[i] != nil {
			a.hold(packs[i])
		}
		switch {
		case i == match:
		case a.packed && (a.pack == nil || packs[i].match != nil || packs[i].isBeside(found) || t.opened(p, packs[i]) != nil):
			a.drop()
		case a.away && !p.keepsOld(a.name):
			a.drop()
		case a.known == nil && a.madeAt() > p.mark && (!a.packed || a.look.mtime > p.mark) && (match < 0 && i > short && s.anchor().Offset > 0 || match >= 0 && i > match):
			missed = append(missed, a)
		default:
			a.drop()
		}
	}

	file, key, ident := s.file, s.key, s.ident
	unread := max(0, s.peak-position.Offset)
	if match >= 0 {
		unread = 0
	}
	t.cfg.Notify(Event{Kind: FileTruncated, Path: s.Path, Name: s.name, Source: s.ID, Offset: position.Offset, Unread: unread})

	next := &Source{
		ID: delivery.NewSourceID(), Path: s.Path, Pattern: s.Pattern,
		place: p, name: s.name, key: key, ident: ident, age: s.age + 1, live: s.live, rotatedAt: s.rotatedAt,
		size: s.size, peak: s.size, mtime: s.mtime, ctime: s.ctime, links: s.links,
		file: file, cursor: &delivery.Cursor{},
	}
	next.first = first(file, s.size)
	next.bare = next.first.Offset == 0
	next.eof = next.bare
	for _, q := range t.places {
		if q.cur == s {
			q.cur = next
		}
	}
	if match >= 0 {
		t.moveTo(s, found[match])
	} else {
		t.end(s)
		t.change.Drop = append(t.change.Drop, s.ID)
	}
	for _, a := range missed {
		t.adopt(p, a)
		next.age = max(next.age, a.birth+1)
	}
	t.add(next)
	t.enter(next)
}

// shortCopy finds the copy of what s held that has less than was read of s: lines
// that are written between copying and emptying are only in the file. It is the
// oldest one that begins alike; -1 for none.
func (s *Source) shortCopy(found []*arrival, packs []*unpacked) int {
	if s.first.Offset == 0 {
		return -1
	}
	offset := s.offset()
	return slices.IndexFunc(found, func(a *arrival) bool {
		if a.known != nil || a.madeAt() < s.ident.Birth {
			return false
		}
		if a.packed {
			u := packs[slices.Index(found, a)]
			return u != nil && u.size < offset && u.size >= s.first.Offset && delivery.Anchor(u.head[:s.first.Offset]) == s.first.Head
		}
		return a.look.size < offset && holds(a.file, s.first)
	})
}

// passOver leaves a file alone of which nothing is to be read.
func (t *Tailer) passOver(p *place, a *arrival, u *unpacked) {
	if !a.packed {
		t.oldNews(p, a)
		return
	}
	t.donePacked(p, nil, a, u.size)
	u.drop()
	a.file.Close()
}

// isCopy tells whether a holds what s held before its content was replaced. If
// nothing of that was read there are no anchors, and the size must do.
func (s *Source) isCopy(a *arrival) bool {
	anchor := s.anchor()
	if anchor.Offset == 0 {
		return s.peak > 0 && a.look.size >= s.peak
	}
	return holds(a.file, anchor)
}

// holds tells whether the content of f is the one that position was taken from.
func holds(f *os.File, position delivery.Position) bool {
	c, err := delivery.CursorAt(f, position.Offset)
	return err == nil && c.Position() == position
}

// verdict is what a file beside a path is that appeared under a rotated name
// while the path kept its file.
type verdict int

const (
	copied    verdict = iota // a copy of the file as it is, or of its beginning
	foreign                  // something else
	undecided                // the file's content was replaced: renew will tell
)

// judge compares the file a beside a path with the path's file, of which all
// before position was read.
func judge(a *arrival, f *os.File, position delivery.Position) verdict {
	switch {
	case !holds(f, position):
		return undecided
	case isPrefix(a.file, a.look.size, f):
		return copied
	}
	return foreign
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
	delete(t.open, s.key)
	cursor, err := delivery.CursorAt(copied.file, s.offset())
	t.mu.Lock()
	s.file, s.key, s.ident, s.name = copied.file, copied.look.key, copied.ident, copied.name
	s.from = copied.from
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
