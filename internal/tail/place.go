package tail

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
)

// check looks where a followed path leads and, when that or its folder has
// changed, finds the files that belong to it.
//
// The path is opened first and the folder read afterwards, so that a rotation
// in between shows the opened file under its rotated name and hides none.
func (t *Tailer) check(p *place, now time.Time) {
	p.wait = min(max(2*p.wait, fastLook), t.cfg.Scan)
	p.due = onGrid(now.Add(p.wait), p.wait)

	at, err := lookAt(p.path)
	if err != nil && !missing(err) {
		t.tellUnusable(p, err)
		return
	}
	before := p.cur
	exists := err == nil
	same := exists && before != nil && before.key == at.key
	unchanged := same || !exists && before == nil && !p.listed.IsZero()
	if unchanged && p.unsettled == 0 && !t.folderChanged(p, now) {
		p.trouble = ""
		t.prune(p)
		return
	}
	var head *opened
	if exists && !same {
		head, err = openFile(p.path)
		switch {
		case err != nil && missing(err):
			exists = false
		case err != nil:
			t.tellUnusable(p, err)
			return
		default:
			at = head.look
		}
	}
	list := t.list(p.dir)
	if list.err != nil && !missing(list.err) {
		t.tellUnusable(p, list.err)
	} else {
		p.trouble = ""
	}
	again, err := lookAt(p.path)
	still := exists == (err == nil) && (!exists || at.key == again.key)

	t.settle(p, head, exists, same && still, list)
	p.listed, p.dirTime = now, list.mtime
	switch {
	case list.settled && still:
		p.unsettled = 0
	case p.cur != before || !still:
		p.unsettled = maxUnsettled
	case p.unsettled > 0:
		p.unsettled--
	}
	if !list.settled {
		p.dirTime = 0
	}
	if p.cur != before || !still {
		p.wait = fastLook
		p.due = now.Add(p.wait)
	}
}

// maxUnsettled is how many more looks a folder gets that kept changing while a
// rotated file might have hidden in it.
const maxUnsettled = 5

// folderChanged tells whether the folder must be read again: names have changed
// since, or it is long ago (a closed file may have grown).
func (t *Tailer) folderChanged(p *place, now time.Time) bool {
	if now.Sub(p.listed) >= 10*t.cfg.Scan {
		return true
	}
	mtime, ok := t.dirTimes[p.dir] // another place of the folder may have looked
	if !ok {
		if st, err := lookAt(p.dir); err == nil {
			mtime = st.mtime
		}
		t.dirTimes[p.dir] = mtime
	}
	return mtime == 0 || mtime != p.dirTime
}

func (t *Tailer) tellUnusable(p *place, err error) {
	if text := err.Error(); text != p.trouble {
		p.trouble = text
		t.cfg.Notify(Event{Kind: PathUnusable, Path: p.path, Err: err})
	}
}

// arrival is an open file that is about to become a source of a place.
type arrival struct {
	*opened
	name    string
	suffix  string // of the rotated name
	known   *Known // from an earlier run, or closed before
	rotated bool
}

// settle takes up what check found: head is the file at the path if it is not
// already the place's source, same says that the path leads where it led at the
// last look.
func (t *Tailer) settle(p *place, head *opened, exists, same bool, list *dirList) {
	var arrivals []*arrival
	take := func(a *arrival) { arrivals = append(arrivals, a) }

	before := p.cur
	if head != nil {
		if s := t.open[head.look.key]; s != nil { // moved back, or a second name of the file
			head.file.Close()
			t.lead(p, s)
		} else {
			known := t.lookup(head.ident)
			same = before == nil && known != nil && known.Path == p.path && !known.Done
			take(&arrival{opened: head, name: p.path, known: known})
		}
	}

	siblings := t.siblings(p, list, head)
	if !exists {
		t.lead(p, nil)
	}
	// The head's content may have been replaced while nobody looked; the files
	// beside it then hold what was in it.
	replaced := len(arrivals) > 0 && same && !holds(arrivals[0].file, arrivals[0].known.Position)
	for _, a := range siblings {
		switch {
		case a.known != nil && a.known.Done && a.look.size <= a.known.Position.Offset:
			a.file.Close()
		case a.known != nil:
			take(a)
		case a.birth <= p.mark, replaced: // renew finds those of replaced
			a.file.Close()
		case p.first:
			t.ignore(p, a)
		case t.leftBehind(p, a, siblings):
			a.file.Close() // renew finds it
		case same: // it cannot have been at the path since the last look
			hidden := p.unsettled > 0 // or it was there and did not show
			file, position := t.current(p, arrivals)
			switch judge(a, file, position) {
			case copied:
				if hidden && a.look.size == 0 {
					take(a)
				} else {
					t.ignore(p, a)
				}
			case foreign:
				if hidden || position.Offset == 0 { // or the path's file was emptied, all of it unread
					take(a)
				} else {
					t.ignore(p, a)
				}
			case undecided:
				a.file.Close()
			}
		default:
			take(a)
		}
	}
	if p.first {
		t.mark(p.path, p.mark)
	}
	slices.SortStableFunc(arrivals, func(a, b *arrival) int {
		if c := cmp.Compare(a.birth, b.birth); c != 0 {
			return c
		}
		switch {
		case olderSuffix(a.suffix, b.suffix):
			return -1
		case olderSuffix(b.suffix, a.suffix):
			return 1
		}
		return 0
	})
	for _, a := range arrivals {
		s := t.adopt(p, a)
		if before != nil && same { // what was found late is older than what is read now
			t.putBefore(s, before)
		}
	}
	p.first = false
}

// ignore leaves a rotated file alone for good.
func (t *Tailer) ignore(p *place, a *arrival) {
	p.mark = a.birth
	t.mark(p.path, a.birth)
	a.file.Close()
}

// leftBehind tells whether a holds what another file of the place held before
// that was emptied: an open one, or one known from an earlier run.
func (t *Tailer) leftBehind(p *place, a *arrival, siblings []*arrival) bool {
	emptied := func(f *os.File, position delivery.Position) bool {
		return position.Offset > 0 && holds(a.file, position) && !holds(f, position)
	}
	for _, s := range t.sources {
		if s.place == p && !s.ended {
			t.mu.Lock()
			file, position := s.file, s.position()
			t.mu.Unlock()
			if emptied(file, position) {
				return true
			}
		}
	}
	return slices.ContainsFunc(siblings, func(b *arrival) bool {
		return b.known != nil && emptied(b.file, b.known.Position)
	})
}

// current gives the file that the path leads to and how far it was read;
// arrivals are the new ones, the path's first.
func (t *Tailer) current(p *place, arrivals []*arrival) (*os.File, delivery.Position) {
	if p.cur == nil {
		return arrivals[0].file, arrivals[0].known.Position
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return p.cur.file, p.cur.position()
}

// lookup finds what is known of a file that is not open.
func (t *Tailer) lookup(ident vfs.Identity) *Known {
	if k := t.known[ident]; k != nil {
		return k
	}
	for _, k := range t.known {
		if k.File.Same(ident) { // the kernel has learned to give handles since
			return k
		}
	}
	return nil
}

// siblings opens the rotated files of a place that are not open already, in the
// order of their birth, and forgets closed ones that are no longer there. head
// is the file at the path, if it is new.
func (t *Tailer) siblings(p *place, list *dirList, head *opened) (found []*arrival) {
	lost := map[delivery.SourceID]*Known{}
	for _, k := range t.known {
		if k.Path == p.path && (head == nil || k != t.lookup(head.ident)) {
			lost[k.ID] = k
		}
	}
	open := func(name string, any bool) (ok bool) {
		path := filepath.Join(p.dir, name)
		st, err := lookAt(path)
		if err != nil || st.mode&unix.S_IFMT != unix.S_IFREG {
			return err == nil || missing(err)
		}
		if s := t.open[st.key]; s != nil {
			s.name = path
			return true
		}
		o, err := openFile(path)
		if err != nil {
			return missing(err)
		}
		if s := t.open[o.look.key]; s != nil {
			o.file.Close()
			return true
		}
		suffix, _ := rotation(p.base, name)
		a := &arrival{opened: o, name: path, suffix: suffix, known: t.lookup(o.ident), rotated: true}
		if a.known != nil {
			delete(lost, a.known.ID)
		}
		if a.known != nil && a.known.Path != p.path || a.known == nil && (any || t.places[path] != nil) {
			o.file.Close() // the concern of another place, or no one's
			return true
		}
		found = append(found, a)
		return true
	}
	complete := list.err == nil
	rotated := list.rotated(p.base)
	for _, name := range rotated {
		complete = open(name, false) && complete
	}
	if p.cur == nil && slices.ContainsFunc(values(lost), func(k *Known) bool { return !k.Done }) {
		for _, name := range list.names { // renamed to something unusual
			if name != p.base && !slices.Contains(rotated, name) {
				open(name, true)
			}
		}
	}
	if complete {
		for _, k := range lost {
			if k.Done {
				delete(t.known, k.File)
				t.forget(k.ID, p, k.File.Birth)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b *arrival) int { return cmp.Compare(a.birth, b.birth) })
	return found
}

func values(m map[delivery.SourceID]*Known) (list []*Known) {
	for _, k := range m {
		list = append(list, k)
	}
	return list
}

// adopt makes a source of a.
func (t *Tailer) adopt(p *place, a *arrival) *Source {
	s := &Source{
		ID: delivery.NewSourceID(), Path: p.path, Pattern: p.pattern.index,
		place: p, name: a.name, key: a.look.key, ident: a.ident,
		size: a.look.size, peak: a.look.size, mtime: a.look.mtime, ctime: a.look.ctime, links: a.look.links,
		file: a.file, cursor: &delivery.Cursor{},
	}
	event := Event{Kind: FileFound, Path: p.path, Name: a.name}
	switch {
	case a.known != nil:
		event.Kind = FileResumed
		delete(t.known, a.known.File)
		s.ID, s.resume = a.known.ID, a.known.Position
		s.confirmed = s.resume
		c, err := delivery.CursorAt(a.file, s.resume.Offset)
		if err == nil && c.Position() == s.resume {
			s.cursor = c
		} else {
			s.cursor, s.broken = nil, true
		}
		if a.known.Done || a.known.File != a.ident || a.known.Path != p.path {
			t.add(s)
		}
	case p.first && t.cfg.FromEnd && !a.rotated:
		if offset, err := lastLineEnd(a.file, a.look.size); err == nil {
			if c, err := delivery.CursorAt(a.file, offset); err == nil {
				s.cursor, s.confirmed = c, c.Position()
			}
		}
		t.add(s)
	default:
		if a.rotated {
			event.Kind = FileMissed
		}
		t.add(s)
	}
	event.Source, event.Offset = s.ID, s.offset()
	t.enter(s)
	if a.rotated {
		s.rotatedAt = t.now
	} else {
		t.lead(p, s)
	}
	t.cfg.Notify(event)
	return s
}

// add remembers s as it stands.
func (t *Tailer) add(s *Source) {
	t.change.Add = append(t.change.Add, Known{ID: s.ID, File: s.ident, Path: s.Path, Position: s.position()})
}

// enter puts a new source behind the others of its place. It can be read once
// it is durable and those before it have been read.
func (t *Tailer) enter(s *Source) {
	p := s.place
	t.sources = append(t.sources, s)
	t.open[s.key] = s
	t.fresh = append(t.fresh, s)
	s.older = p.last
	p.last = s
}

// putBefore moves s, the newest source of its place, before another one.
func (t *Tailer) putBefore(s, other *Source) {
	t.mu.Lock()
	s.older, other.older = other.older, s
	t.offerInOrder(other)
	t.mu.Unlock()
	s.place.last = other
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
