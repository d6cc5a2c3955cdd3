package tail

import (
	"errors"
	"slices"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
)

// copyOf remembers that the compressed file a has nothing but what the open
// source s has, too. Should this process end before s is done, what is left of s
// is read from there.
func (t *Tailer) copyOf(p *place, a *arrival, s *Source) {
	t.packs.of[a.ident] = s
	t.isPacked(s, a.suffix)
	t.remember(Known{ID: delivery.NewSourceID(), File: a.ident, Path: p.path, Packed: true, Of: s.ID})
}

// isPacked notes the suffix of the compressed form of s, unless its file has a name
// itself: a rotated one, or still that of the path.
func (t *Tailer) isPacked(s *Source, suffix string) {
	if s.sighted.Equal(t.now) {
		return
	}
	if st, err := lookAt(s.place.path); err == nil && st.key == s.key {
		suffix = ""
	}
	s.suffix, s.sighted = suffix, t.now
}

// doneCopy says that nothing of a compressed file will be needed.
func (t *Tailer) doneCopy(file vfs.Identity) {
	if k := t.known.lookup(file); k != nil {
		done := *k
		done.Done, done.Of = true, delivery.SourceID{}
		t.remember(done)
	}
}

// knownOf gives the source that a compressed file is a copy of, if that is not
// open; nil for none.
func (t *Tailer) knownOf(p *place, packed *Known) *Known {
	of := t.known.of(p.path)
	i := slices.IndexFunc(of, func(k *Known) bool { return k.ID == packed.Of })
	if i < 0 {
		return nil
	}
	return of[i]
}

// settleCopy decides about a compressed file that was a copy of a source. It
// gives false if a is an unknown file from now on.
func (t *Tailer) settleCopy(p *place, v *view, a *arrival, take *[]*arrival, pending *bool) bool {
	for _, s := range t.sources {
		if s.ID == a.known.Of && !s.ended {
			t.packs.of[a.ident] = s
			a.file.Close()
			return true
		}
	}
	k := t.knownOf(p, a.known)
	if k == nil {
		t.doneCopy(a.ident)
		a.file.Close()
		return true
	}
	u, err := t.unpackFor(p, a, []packTarget{targetOf(k)})
	switch {
	case err != nil:
		*pending = *pending || !errors.Is(err, errSpoilt)
	case u.match == nil && k.Position.Offset > u.size:
		t.doneCopy(a.ident) // it ends before what is confirmed
	case u.match == nil && k.anchor().Offset > 0:
		u.drop()
		t.known.remove(a.known)
		t.drop(a.known.ID)
		t.packs.ours[a.ident], a.known = true, nil
		return false
	case !v.found(k):
		*pending = true // its own file is there: that is adopted first
	default:
		t.known.remove(a.known)
		t.drop(a.known.ID)
		if a.known = k; k.Position.Offset == u.size {
			t.donePacked(p, k, a, u.size)
			break
		}
		*take = append(*take, a.hold(u))
		return true
	}
	u.drop()
	a.file.Close()
	return true
}
