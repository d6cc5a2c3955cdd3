package logstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"time"
)

// A Text is all that is left of a log file as one sequence of bytes: its closed
// parts, compressed or not, and the active file, as they stood when it was
// opened. Offsets are absolute: counted from the first byte that was ever
// written under the name. It holds few descriptors however many parts there
// are; parts that expire meanwhile are missing from then on.
//
// It may be used from several goroutines.
type Text struct {
	Name string

	store    *Store
	sections []section // by offset; there may be gaps between them
	active   *Snapshot

	mu   sync.Mutex // protects what follows
	open []*openSection
}

// A section is a part or the active file, as far as it belongs to a Text.
type section struct {
	start, end int64
	part       logPart // zero for a file that is open already
	snap       *Snapshot
}

// An openSection is a section that can be read.
type openSection struct {
	index int // which section
	snap  *Snapshot
	users int
}

// spareParts is how many parts a Text keeps open that nobody reads.
const spareParts = 2

// ErrNotText says that a file is compressed or otherwise has no lines.
var ErrNotText = errors.New("it is not text and has no lines: get it whole")

// An EvictedError says that bytes are not there any more.
type EvictedError struct {
	Name       string
	From       int64 // what was asked for
	Start, End int64 // what is left
}

func (e *EvictedError) Error() string {
	return fmt.Sprintf("%s does not reach back to offset %d any more: it has bytes %d to %d", e.Name, e.From, e.Start, e.End)
}

// OpenText opens a log file with all its parts; a part by its own name, as List
// gives it, alone. errors.Is(err, fs.ErrNotExist) holds for every name that
// OpenFile does not have, ErrNotText for files without lines. The caller closes
// it, when no call on it is under way.
func (s *Store) OpenText(name string) (*Text, error) {
	if notText[path.Ext(name)] {
		snap, err := s.OpenFile(name)
		if err != nil {
			return nil, err
		}
		snap.Close()
		return nil, ErrNotText
	}
	t := &Text{Name: name, store: s}
	s.parts.turn.RLock()
	defer s.parts.turn.RUnlock()
	snap, err := s.openFile(name)
	l := s.parts.files[name]
	switch {
	case err == nil:
		t.active = snap
	case !errors.Is(err, fs.ErrNotExist) || l == nil || !readable(name):
		return nil, err
	}
	// A part that is asked for by its own name stands for itself.
	if l != nil {
		for _, p := range l.parts {
			if !p.broken && p.size > 0 {
				t.add(section{start: p.offset, end: p.end(), part: p})
			}
		}
	}
	if t.active != nil {
		t.add(section{start: snap.Start, end: snap.Start + snap.Size, snap: snap})
	} else if n := len(t.sections); n == 0 || t.sections[n-1].end < l.next() {
		t.add(section{start: l.next(), end: l.next()})
	}
	return t, nil
}

// add appends a section. What others wrote to the one before it after it was
// closed has no offsets of its own, and is left out.
func (t *Text) add(p section) {
	if n := len(t.sections); n > 0 && t.sections[n-1].end > p.start {
		t.sections[n-1].end = p.start
	}
	t.sections = append(t.sections, p)
}

// Start is the offset of the first byte that is left.
func (t *Text) Start() int64 { return t.sections[0].start }

// End is the offset behind the last byte.
func (t *Text) End() int64 { return t.sections[len(t.sections)-1].end }

// ActiveStart is the offset at which the active file begins.
func (t *Text) ActiveStart() int64 {
	if t.active == nil {
		return t.End()
	}
	return t.active.Start
}

// Reach is the stretch of text around or behind off without a gap in it: from
// off, or the next offset that is there, to the gap or the end.
func (t *Text) Reach(off int64) (from, to int64) {
	i := t.find(off)
	if i == len(t.sections) {
		return t.End(), t.End()
	}
	from = max(off, t.sections[i].start)
	for i+1 < len(t.sections) && t.sections[i+1].start == t.sections[i].end {
		i++
	}
	return from, t.sections[i].end
}

// find is the section that has the byte at off, or the first one behind it, or
// the number of sections.
func (t *Text) find(off int64) int {
	low, high := 0, len(t.sections)
	for low < high {
		if mid := (low + high) / 2; t.sections[mid].end <= off {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// ReadAt implements [io.ReaderAt] with absolute offsets. It reads on over the
// ends of sections; bytes that are not there are an *EvictedError.
func (t *Text) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		i := t.find(off)
		if i == len(t.sections) {
			return n, io.EOF
		}
		if off < t.sections[i].start {
			return n, t.evicted(off)
		}
		k, err := t.readSection(i, p[n:], off)
		n, off = n+k, off+int64(k)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (t *Text) evicted(off int64) error {
	return &EvictedError{Name: t.Name, From: off, Start: t.Start(), End: t.End()}
}

// readSection reads within section i, at least one byte.
func (t *Text) readSection(i int, p []byte, off int64) (int, error) {
	o, err := t.acquire(i)
	if err != nil {
		return 0, err
	}
	defer t.release(o)
	pc := t.sections[i]
	if rest := pc.end - off; int64(len(p)) > rest {
		p = p[:rest]
	}
	n, err := o.snap.ReadAt(p, off-pc.start)
	if n == len(p) {
		return n, nil
	}
	if err == io.EOF {
		err = fmt.Errorf("%s was cut short meanwhile: %w", t.Name, io.ErrUnexpectedEOF)
	}
	return n, err
}

// acquire opens section i. Each call is followed by one of release.
func (t *Text) acquire(i int) (*openSection, error) {
	pc := &t.sections[i]
	if pc.snap != nil {
		return &openSection{index: -1, snap: pc.snap}, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.open {
		if o.index == i {
			o.users++
			return o, nil
		}
	}
	snap, err := t.store.reopenPart(t.Name, pc.part)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, t.evicted(pc.start)
	}
	if err != nil {
		return nil, err
	}
	o := &openSection{index: i, snap: snap, users: 1}
	t.open = append(t.open, o)
	return o, nil
}

func (t *Text) release(o *openSection) {
	if o.index < 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	o.users--
	idle := 0
	for i := len(t.open) - 1; i >= 0; i-- {
		if x := t.open[i]; x.users == 0 {
			if idle++; idle > spareParts {
				x.snap.Close()
				t.open = append(t.open[:i], t.open[i+1:]...)
			}
		}
	}
}

// Close closes what is open.
func (t *Text) Close() error {
	var errs []error
	for _, o := range t.open {
		errs = append(errs, o.snap.Close())
	}
	t.open = nil
	if t.active != nil {
		errs = append(errs, t.active.Close())
	}
	return errors.Join(errs...)
}

// LastLines is the offset at which the last n lines begin, as
// Snapshot.LastLines has it; it goes back over sections, and stops at a gap.
func (t *Text) LastLines(n int) (int64, error) {
	at := t.End()
	for i := len(t.sections) - 1; i >= 0 && n > 0; i-- {
		pc := t.sections[i]
		if pc.end < at {
			break // a gap
		}
		if pc.start == pc.end {
			continue
		}
		o, err := t.acquire(i)
		if err != nil {
			return at, err
		}
		off, have, err := lastLines(o.snap, pc.end-pc.start, n)
		t.release(o)
		if err != nil {
			return at, err
		}
		at, n = pc.start+off, n-have
	}
	return at, nil
}

// Active is the active file, which Close closes; nil where there is none.
func (t *Text) Active() *Snapshot { return t.active }

// ModTime is when the last line was written, as far as that is known.
func (t *Text) ModTime() time.Time {
	if t.active != nil {
		return t.active.ModTime
	}
	return t.sections[len(t.sections)-1].part.modified
}

// ETag is a strong entity tag of the whole text.
func (t *Text) ETag() string {
	if t.active == nil {
		return fmt.Sprintf(`"text-%x-%x-%x"`, t.Start(), t.End(), t.ModTime().UnixNano())
	}
	if t.Start() == t.active.Start {
		return t.active.ETag()
	}
	return fmt.Sprintf(`"%x-%s`, t.Start(), t.active.ETag()[1:])
}
