package tail

import (
	"cmp"
	"os"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

// settle makes sources of what is new in a view of a place.
func (t *Tailer) settle(p *place, v *view) {
	before, same := p.cur, v.same
	var arrivals []*arrival
	take := func(a *arrival) { arrivals = append(arrivals, a) }
	switch {
	case v.head == nil:
	case t.open[v.head.look.key] != nil: // moved back, or a second name of the file
		v.head.file.Close()
		t.lead(p, t.open[v.head.look.key])
	default:
		known := t.known.lookup(v.head.ident)
		same = before == nil && known != nil && known.Path == p.path && !known.Done
		take(&arrival{opened: v.head, name: p.path, known: known})
	}
	if !v.exists {
		t.lead(p, nil)
	}
	// The head's content may have been replaced while nobody looked; the files
	// beside it then hold what was in it.
	replaced := len(arrivals) > 0 && same && !holds(arrivals[0].file, arrivals[0].known.anchor())
	packed, pending := t.settlePacked(p, v, replaced)
	for _, a := range v.siblings {
		switch {
		case a.packed:
		case a.known != nil && a.known.Done && a.look.size <= a.known.Position.Offset:
			a.file.Close()
		case a.known != nil:
			a.copied = v.exists
			take(a)
		case a.birth <= p.mark, replaced, a.away && !p.keepsOld(a.name): // renew finds those of replaced
			a.file.Close()
		case p.first:
			t.oldNews(p, a)
		case t.leftBehind(p, a, v.siblings):
			a.file.Close() // renew finds it
		case same: // it cannot have been at the path since the last look
			hidden := p.unsettled > 0 // unless it was there and did not show
			file, position := t.current(p, arrivals)
			switch judge(a, file, position) {
			case copied:
				if hidden && a.look.size == 0 {
					take(a)
				} else {
					t.ignore(p, a)
				}
			case foreign:
				switch {
				case hidden:
					take(a)
				case position.Offset == 0 || p.cur != nil && !p.cur.clothed.Before(p.listed): // the path's file was emptied, all of it unread
					a.copied = true
					take(a)
				default:
					t.ignore(p, a)
				}
			case undecided:
				a.file.Close()
			}
		default:
			take(a)
		}
	}
	arrivals = append(arrivals, packed...)
	if p.first {
		t.mark(p.path, p.mark)
	}
	t.missing(p, v, pending)
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
		t.adopt(p, a)
	}
	p.first = false
}

// ignore leaves a rotated file alone for good.
func (t *Tailer) ignore(p *place, a *arrival) {
	p.mark = a.birth
	t.mark(p.path, a.birth)
	a.file.Close()
}

// oldNews leaves a file alone that was there before its path was followed, and
// all that was written before it was.
func (t *Tailer) oldNews(p *place, a *arrival) {
	p.mark = max(p.mark, a.madeAt(), min(a.look.mtime, time.Now().UnixNano()))
	t.mark(p.path, p.mark)
	a.file.Close()
}

// missing deals with sources whose files were not found. Closed ones are
// forgotten. Others are given some time: their files may be on their way.
func (t *Tailer) missing(p *place, v *view, pending bool) {
	p.pending = pending
	if pending || !v.complete || !v.consistent {
		return
	}
	waits := p.lost
	p.lost = nil
	for _, k := range v.lost {
		since, ok := waits[k.ID]
		if !ok {
			since = t.now
		}
		switch {
		case k.Packed && (k.Done || k.Of != delivery.SourceID{}):
			t.known.remove(k)
			t.change.Drop = append(t.change.Drop, k.ID)
		case k.Done:
			t.known.remove(k)
			t.forget(k.ID, p, k.File.Birth)
		case t.now.Sub(since) >= t.cfg.RotateWait:
			t.lose(p, k)
		default:
			if p.lost == nil {
				p.lost = map[delivery.SourceID]time.Time{}
			}
			p.lost[k.ID] = since
		}
	}
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
			file, position := s.file, s.anchor()
			t.mu.Unlock()
			if emptied(file, position) {
				return true
			}
		}
	}
	return slices.ContainsFunc(siblings, func(b *arrival) bool {
		return b.known != nil && emptied(b.file, b.known.anchor())
	})
}

// current gives the file that the path leads to and how far it was read;
// arrivals are the new ones, the path's first.
func (t *Tailer) current(p *place, arrivals []*arrival) (*os.File, delivery.Position) {
	if p.cur == nil {
		return arrivals[0].file, arrivals[0].known.anchor()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return p.cur.file, p.cur.anchor()
}
