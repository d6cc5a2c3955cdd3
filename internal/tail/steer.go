package tail

import (
	"errors"
	"io"

	"github.com/dalog-project/dalog/internal/delivery"
)

// Errors of Rewind.
var (
	// ErrContent says that the file does not hold what was there.
	ErrContent = errors.New("the file has other content")
	// ErrEnded says that the source is closed, or that what is left of it in a
	// compressed file begins farther on.
	ErrEnded = errors.New("the source is closed")
)

// Park lets Next pass over s until it is let go. It is for the goroutine that
// calls Next, as are the other methods of this file.
func (t *Tailer) Park(s *Source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.parked = true
}

// LetGo ends Park.
func (t *Tailer) LetGo(s *Source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.parked = false
	t.offer(s)
}

// Following lists the sources that are open and may be read.
func (t *Tailer) Following() []*Source {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*Source
	for _, s := range t.sources {
		if s.active && !s.ended && !s.broken {
			list = append(list, s)
		}
	}
	return list
}

// Begun counts the sources that may be read since New. It tells when Following has
// more than before; Ready receives then, too.
func (t *Tailer) Begun() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.begun
}

// Rewind makes Next go on with s at offset, before or behind where it stands. The
// bytes before that must have the anchor, unless it is nil; otherwise the error
// is ErrContent and s stays where it is.
func (t *Tailer) Rewind(s *Source, offset int64, anchor *uint32) (delivery.Position, error) {
	t.mu.Lock()
	if s.ended || s.broken || s.busy || offset < s.from {
		t.mu.Unlock()
		return delivery.Position{}, ErrEnded
	}
	s.busy = true
	t.mu.Unlock()
	c, err := delivery.CursorAt(s.file, offset)
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.release(s)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return delivery.Position{}, ErrContent
	case err != nil:
		return delivery.Position{}, err
	}
	position := c.Position()
	if anchor != nil && position.Tail != *anchor {
		return delivery.Position{}, ErrContent
	}
	s.cursor, s.seen, s.eof, s.again = c, offset, false, true
	s.allowed = 0 // that was for what is read again now
	return position, nil
}

// Fits tells whether the bytes of s before offset have the anchor.
func (t *Tailer) Fits(s *Source, offset int64, anchor uint32) bool {
	t.mu.Lock()
	if s.ended || s.broken || s.busy {
		t.mu.Unlock()
		return false
	}
	s.busy = true
	t.mu.Unlock()
	c, err := delivery.CursorAt(s.file, offset)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release(s)
	return err == nil && c.Position().Tail == anchor
}

// Fork ends s, whose name turned out to be in use for other content, and begins
// another source in the same file, at offset.
func (t *Tailer) Fork(s *Source, offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.ended {
		return
	}
	s.forkAt, s.broken = offset+1, true
	t.rouse()
}

// fork does what Fork asked for. Where the file is no longer what it was, a new
// epoch begins.
func (t *Tailer) fork(s *Source) {
	cursor, err := delivery.CursorAt(s.file, s.forkAt-1)
	if err != nil {
		s.forkAt = 0
		t.renew(s)
		return
	}
	next := &Source{
		ID: delivery.NewSourceID(), Path: s.Path, Pattern: s.Pattern,
		place: s.place, name: s.name, suffix: s.suffix, sighted: s.sighted, key: s.key, ident: s.ident, age: s.age, live: s.live, rotatedAt: s.rotatedAt,
		size: s.size, peak: s.size, mtime: s.mtime, ctime: s.ctime, links: s.links,
		file: s.file, pack: s.pack, from: s.from, partial: s.partial, cursor: cursor, confirmed: cursor.Position(),
	}
	for _, q := range t.places {
		if q.cur == s {
			q.cur = next
		}
	}
	t.add(next)
	t.enter(next, t.newer(s))
	t.end(s) // now that next is where others must wait for it
	t.drop(s.ID)
	t.cfg.Notify(Event{Kind: FileForked, Path: s.Path, Name: s.name, Source: next.ID, Offset: s.forkAt - 1})
}

// Cut tells whether the chunk ends within a line, which goes on in the next one.
func (c *Chunk) Cut() bool { return c.cut }
