package tail

import (
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

// renew ends the epoch of a source whose content before the offset has gone, and
// begins the next one in the same file. What was not read yet is read from a
// copy beside the file, if there is one: a rotated name, made after the file,
// with the same content up to the offset. Copies made after that one are epochs
// that came and went unseen.
func (t *Tailer) renew(s *Source, now time.Time) {
	p := s.place
	position := s.position()
	var match *arrival
	var missed []*arrival
	for _, a := range t.siblings(p, t.list(p.dir)) {
		switch {
		case a.known != nil: // settle takes care of it
			a.file.Close()
			continue
		case match == nil && a.birth >= s.ident.Birth && holds(a, position):
			match = a
		case a.birth > p.mark && (match != nil || position.Offset > 0):
			missed = append(missed, a)
			continue
		default:
			a.file.Close()
		}
		if match == a {
			for _, m := range missed {
				m.file.Close() // older than the copy, and not ours
			}
			missed = nil
		}
	}

	file, key, ident := s.file, s.key, s.ident
	unread := max(0, s.peak-position.Offset)
	if match != nil {
		unread = 0
	}
	t.cfg.Notify(Event{Kind: FileTruncated, Path: s.Path, Name: s.name, Source: s.ID, Offset: position.Offset, Unread: unread})

	next := &Source{
		ID: delivery.NewSourceID(), Path: s.Path, Pattern: s.Pattern,
		place: p, name: s.name, key: key, ident: ident, live: s.live, rotatedAt: s.rotatedAt,
		size: s.size, peak: s.size, ctime: s.ctime, links: s.links,
		file: file, cursor: &delivery.Cursor{},
	}
	for _, q := range t.places {
		if q.cur == s {
			q.cur = next
		}
	}
	if match != nil {
		t.moveTo(s, match, now)
	} else {
		t.end(s)
		t.change.Drop = append(t.change.Drop, s.ID)
	}
	for _, a := range missed {
		t.adopt(p, a)
	}
	t.add(next)
	t.enter(next)
}

func holds(a *arrival, position delivery.Position) bool {
	c, err := delivery.CursorAt(a.file, position.Offset)
	return err == nil && c.Position() == position
}

// moveTo lets s go on in a copy of its file.
func (t *Tailer) moveTo(s *Source, copied *arrival, now time.Time) {
	delete(t.open, s.key)
	cursor, err := delivery.CursorAt(copied.file, s.offset())
	t.mu.Lock()
	s.file, s.key, s.ident, s.name = copied.file, copied.look.key, copied.ident, copied.name
	s.size, s.ctime, s.links = copied.look.size, copied.look.ctime, copied.look.links
	s.live, s.rotatedAt, s.nextLook = 0, now, now
	if err == nil {
		s.cursor, s.broken = cursor, false
	}
	s.seen, s.eof = 0, false
	t.mu.Unlock()
	t.open[s.key] = s
	k := Known{ID: s.ID, File: s.ident, Path: s.Path, Position: s.confirmed}
	t.change.Add = append(t.change.Add, k)
	t.fresh = append(t.fresh, s)
	t.cfg.Notify(Event{Kind: CopyFound, Path: s.Path, Name: s.name, Source: s.ID, Offset: s.offset()})
}
