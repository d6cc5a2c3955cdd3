package tail

import (
	"os"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
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
	undecided := p.undecided
	p.undecided = map[vfs.Identity]time.Time{}
	// hidden tells whether a may have been at the path without being seen there.
	hidden := func(a *arrival) bool {
		since, ok := undecided[a.ident]
		if !ok {
			since = t.now
		}
		ok = ok || p.unsettled > 0 || !same
		if ok {
			p.undecided[a.ident] = since
		}
		return ok
	}
	for _, a := range v.siblings {
		switch {
		case a.packed:
		case a.known != nil && a.known.Of != delivery.SourceID{}:
			if t.settleKept(p, v, a) {
				a.copied = v.exists
				take(a)
			}
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
		case same:
			ours, unsure := t.settleSame(p, a, arrivals, hidden(a))
			if pending = pending || unsure; ours {
				a.copied = true // before the path's file was there, whatever its times say
				take(a)
			}
		case v.head != nil && v.head.ident.Birth != 0 && a.ident.Birth > v.head.ident.Birth:
			// A renamed file is older than the new one: this is a copy, or was at the
			// path in between. The next look will tell.
			hidden(a)
			pending = true
			a.file.Close()
		default:
			take(a)
		}
	}
	arrivals = append(arrivals, packed...)
	orderPacked(arrivals) // the path's file is among them
	for _, a := range arrivals {
		if a.named() {
			t.orderByName(p, a)
		}
	}
	arrivals = append(arrivals, t.fromPins(v)...)
	if p.first {
		t.mark(p.path, p.mark)
	}
	t.missing(p, v, pending)
	slices.SortStableFunc(arrivals, byAge)
	for _, a := range arrivals {
		t.adopt(p, a)
	}
	p.first = false
}

// orderByName gives a file that is new beside the path a time of birth that fits its
// name, as far as the times of what is open leave that open: they may be the same, and
// compressed files have none that count.
func (t *Tailer) orderByName(p *place, a *arrival) {
	for o := p.last; o != nil; o = o.older {
		if !o.sighted.Equal(t.now) || !a.packed && max(a.birth-o.age, o.age-a.birth) > int64(t.tick) {
			continue
		}
		switch {
		case olderSuffix(a.suffix, o.suffix):
			a.birth = min(a.birth, o.age)
		case olderSuffix(o.suffix, a.suffix):
			a.birth = max(a.birth, o.age)
			return
		}
	}
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
	if pending || !v.complete || !v.consistent || len(v.lost) > 0 && !t.quiet(p) { // one may be between two names
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
		case k.Packed && k.Done, k.Of != delivery.SourceID{}:
			t.known.remove(k)
			t.drop(k.ID)
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
				t.emptied(s)
				return true
			}
		}
	}
	return slices.ContainsFunc(siblings, func(b *arrival) bool {
		return b.known != nil && emptied(b.file, b.known.anchor())
	})
}

// current gives the file that the path leads to, how far it was read, and its
// source; arrivals are the new ones, the path's first.
func (t *Tailer) current(p *place, arrivals []*arrival) (*os.File, delivery.Position, delivery.SourceID) {
	if p.cur == nil {
		return arrivals[0].file, arrivals[0].known.anchor(), arrivals[0].known.ID
	}
	return p.cur.file, t.anchorOf(p.cur), p.cur.ID
}

// anchorOf is the position by which the content of s is known, the zero one for
// no source.
func (t *Tailer) anchorOf(s *Source) delivery.Position {
	if s == nil {
		return delivery.Position{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return s.anchor()
}
