package tail

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

// adopt makes a source of a. If its file cannot be read that is told, and the
// next look tries again.
func (t *Tailer) adopt(p *place, a *arrival) {
	s := &Source{
		ID: delivery.NewSourceID(), Path: p.path, Pattern: p.pattern.index,
		place: p, name: a.name, key: a.look.key, ident: a.ident, age: a.birth,
		size: a.look.size, peak: a.look.size, mtime: a.look.mtime, ctime: a.look.ctime, links: a.look.links,
		file: a.file, cursor: &delivery.Cursor{}, pack: a.pack, from: a.from, partial: a.partial,
	}
	if a.named() {
		s.suffix, s.sighted = a.suffix, t.now
	}
	if a.copied && p.cur != nil {
		s.age = min(s.age, p.cur.age)
		if s.age == p.cur.age && !a.named() && p.cur.place == p { // no name says so
			a.newer = p.cur
		}
	}
	event := Event{Kind: FileFound, Path: p.path, Name: a.name}
	var err error
	switch {
	case a.known != nil:
		event.Kind = FileResumed
		err = s.goOn(a.known)
	case p.first && t.cfg.FromEnd && !a.rotated:
		err = s.toEnd()
	case a.rotated:
		event.Kind = FileMissed
	}
	if err != nil {
		t.tellUnusable(p, err)
		s.close()
		return
	}
	if k := a.known; k != nil {
		t.known.remove(k)
		s.peak = max(s.peak, k.Size)
	}
	if s.offset() == 0 && s.first.Offset == 0 {
		s.first = first(s.file, s.size)
		s.bare = s.size == 0
		s.eof = s.bare
	}
	if k := a.known; k == nil || k.First != s.first || k.Done || k.File != a.ident || k.Path != p.path || k.Packed != a.packed {
		t.add(s)
	}
	event.Source, event.Offset = s.ID, s.offset()
	t.enter(s, a.newer)
	if a.rotated {
		s.rotatedAt = t.now
		if a.packed {
			delete(t.packs.ours, a.ident)
			s.rotatedAt = time.Time{} // nobody writes there any more
		}
	} else {
		t.lead(p, s)
	}
	t.cfg.Notify(event)
}

// goOn takes up where k stands. If the content is not the one that was read
// then, s is broken.
func (s *Source) goOn(k *Known) error {
	s.ID, s.resume, s.confirmed, s.first = k.ID, k.Position, k.Position, k.First
	c, err := delivery.CursorAt(s.file, k.Position.Offset)
	switch {
	case err == nil && c.Position() == k.Position && holds(s.file, k.anchor()):
		s.cursor = c
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF):
		s.cursor, s.broken = nil, true
	default:
		return err
	}
	return nil
}

// toEnd begins behind the last whole line.
func (s *Source) toEnd() error {
	offset, err := lastLineEnd(s.file, s.size)
	if err != nil {
		return err
	}
	c, err := delivery.CursorAt(s.file, offset)
	if err != nil {
		return err
	}
	s.cursor, s.confirmed = c, c.Position()
	return nil
}

// add remembers s as it stands.
func (t *Tailer) add(s *Source) {
	t.change.Add = append(t.change.Add, Known{
		ID: s.ID, File: s.ident, Path: s.Path, Position: s.position(), First: s.first, Size: s.peak, Packed: s.pack != nil,
	})
}

// enter puts a new source among the others of its place: right before newer or,
// without that, by age. It can be read once it is durable.
func (t *Tailer) enter(s, newer *Source) {
	t.open[s.key] = s
	t.fresh = append(t.fresh, s)
	p := s.place
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sources = append(t.sources, s)
	if newer == nil {
		after := func(o *Source) bool {
			return o.age > s.age || o.age == s.age && o.sighted.Equal(t.now) && olderSuffix(s.suffix, o.suffix)
		}
		for o := p.last; o != nil && after(o); o = o.older {
			newer = o
		}
	}
	if newer == nil {
		s.older, p.last = p.last, s
	} else {
		s.older, newer.older = newer.older, s
		if !s.bare {
			s.due = 1 // those that wait already have not asked for it
		}
	}
}

// newer gives the source that comes after s; nil for none.
func (t *Tailer) newer(s *Source) (newer *Source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for o := s.place.last; o != nil && o != s; o = o.older {
		newer = o
	}
	return newer
}

// lead makes p lead to s, or to nothing.
func (t *Tailer) lead(p *place, s *Source) {
	old := p.cur
	if old == s {
		return
	}
	p.cur = s
	if old != nil {
		if old.live--; old.live == 0 && !old.ended {
			old.rotatedAt = t.now
			t.cfg.Notify(Event{Kind: FileRotated, Path: p.path, Name: old.name, Source: old.ID, Offset: t.offsetOf(old)})
		}
	}
	if s != nil {
		s.live++
		s.name = p.path
	}
}

// lastLineEnd gives the offset behind the last LF of the first size bytes.
func lastLineEnd(f *os.File, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		from := max(0, end-int64(len(buf)))
		n, err := f.ReadAt(buf[:end-from], from)
		if err != nil {
			return 0, err
		}
		for i := n - 1; i >= 0; i-- {
			if buf[i] == '\n' {
				return from + int64(i) + 1, nil
			}
		}
		end = from
	}
	return 0, nil
}
