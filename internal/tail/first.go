package tail

import (
	"os"

	"github.com/dalog-project/dalog/internal/delivery"
)

// first is the position behind the first bytes of a file, as many as there are
// of the first delivery.AnchorSize: by it a file is known of which nothing is
// confirmed yet. It is the zero position where it cannot be had.
func first(f *os.File, size int64) delivery.Position {
	c, err := delivery.CursorAt(f, min(size, delivery.AnchorSize))
	if err != nil {
		return delivery.Position{}
	}
	return c.Position()
}

// anchor is the position by which the content of k is known.
func (k *Known) anchor() delivery.Position {
	if k.Position.Offset == 0 {
		return k.First
	}
	return k.Position
}

// anchor is the position by which the content of s is known. Tailer.mu must be
// held where s may be read meanwhile.
func (s *Source) anchor() delivery.Position {
	if p := s.position(); p.Offset > 0 {
		return p
	}
	return s.first
}

// clothe makes the first bytes of s durable, which was empty so far. It may not
// be read before that: what the server then has of it could not be recognised
// after a crash.
func (t *Tailer) clothe(s *Source) {
	position := first(s.file, s.size)
	t.mu.Lock()
	s.first, s.bare, s.active = position, false, false
	t.mu.Unlock()
	s.clothed = t.now
	t.add(s)
	t.fresh = append(t.fresh, s)
}
