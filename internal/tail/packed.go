package tail

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
)

// Compressed files are looked through by goroutines of their own, one after the
// other: the scanner does not wait for them longer than packPatience.
const (
	packPatience = 5 * time.Millisecond
	packRetry    = 20 * time.Millisecond
	// packStart is how long the files of a path wait at the start for compressed
	// ones that are older, packWait how long they wait later.
	packStart = 10 * time.Second
	packWait  = time.Second
)

// packJob looks through one compressed file.
type packJob struct {
	look   look // of the file, when it began
	done   chan struct{}
	result *unpacked // once done is closed; nil after it was taken
	err    error
	told   bool      // err was
	retry  time.Time // where the reason was not the file
}

// packs is what is known of compressed files. It belongs to the scanner.
type packs struct {
	jobs map[vfs.Identity]*packJob
	turn chan struct{} // holds one while a job is at work
	// of are the open sources whose content a compressed file has, too.
	of map[vfs.Identity]*Source
	// ours are files that were first seen when the path had just changed: what
	// they hold may have been at the path.
	ours     map[vfs.Identity]bool
	patience time.Duration
}

func newPacks() packs {
	return packs{
		jobs: map[vfs.Identity]*packJob{}, turn: make(chan struct{}, 1),
		of: map[vfs.Identity]*Source{}, ours: map[vfs.Identity]bool{}, patience: packPatience,
	}
}

// take forgets the compressed file with the content of s, and gives it.
func (p *packs) take(s *Source) (file vfs.Identity, ok bool) {
	for ident, source := range p.of {
		if source == s {
			delete(p.of, ident)
			return ident, true
		}
	}
	return file, false
}

// errPending says that a compressed file is still looked through, or written:
// that is errPartly.
var (
	errPending = errors.New("still being looked through")
	errPartly  = fmt.Errorf("%w: not complete yet", errPending)
)

func pendingErr(err error) bool {
	return errors.Is(err, errPending) || !errors.Is(err, errSpoilt)
}

// unpackFor tells what the compressed file a holds. Where the error is
// errPending it is to be asked again.
func (t *Tailer) unpackFor(p *place, a *arrival, targets []packTarget) (*unpacked, error) {
	job := t.packs.jobs[a.ident]
	if job != nil && job.look != a.look {
		select {
		case <-job.done:
			job.drop()
			job = nil // written since
		default:
		}
	}
	if job == nil {
		fd, err := unix.FcntlInt(a.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, os.NewSyscallError("dup", err)
		}
		f := os.NewFile(uintptr(fd), a.name)
		job = &packJob{look: a.look, done: make(chan struct{})}
		t.packs.jobs[a.ident] = job
		go func() {
			defer close(job.done)
			defer f.Close()
			t.packs.turn <- struct{}{}
			defer func() { <-t.packs.turn }()
			job.result, job.err = unpack(f, a.name, targets, t.cfg.TempDir, t.cfg.UnpackLimit)
		}()
	}
	timer := time.NewTimer(t.packs.patience)
	defer timer.Stop()
	select {
	case <-job.done:
	case <-timer.C:
		return nil, errPending
	}
	switch {
	case job.err == nil:
		delete(t.packs.jobs, a.ident)
		return job.result, nil
	case errors.Is(job.err, errSpoilt):
		// It is being written, or of no use. Which, time tells.
		if time.Since(time.Unix(0, a.look.ctime)) < t.cfg.RotateWait {
			return nil, errPartly
		}
	case job.retry.IsZero():
		job.retry = t.now.Add(10 * t.cfg.Scan)
	case t.now.After(job.retry):
		delete(t.packs.jobs, a.ident)
	}
	if !job.told {
		job.told = true
		t.cfg.Notify(Event{Kind: PathUnusable, Path: p.path, Name: a.name, Err: job.err})
	}
	return nil, job.err
}

func (j *packJob) drop() {
	if j.result != nil && j.result.file != nil {
		j.result.file.Close()
	}
}

// drop gives up what a compressed file was unpacked to.
func (u *unpacked) drop() {
	if u != nil && u.file != nil {
		u.file.Close()
	}
}

// packTargets are the sources that a compressed file beside p may hold.
func (t *Tailer) packTargets(p *place) (targets []packTarget) {
	for _, s := range t.sources {
		if s.place == p && !s.ended {
			t.mu.Lock()
			file, position, anchor, keep := s.file, s.position(), s.anchor(), s.confirmed.Offset
			t.mu.Unlock()
			targets = append(targets, packTarget{source: s, position: position, anchor: anchor, keep: keep, wanted: !holds(file, anchor)})
		}
	}
	for _, k := range t.known.of(p.path) {
		if !k.Packed {
			targets = append(targets, targetOf(k))
		}
	}
	return targets
}

func targetOf(k *Known) packTarget {
	copied := k.Of != delivery.SourceID{}
	return packTarget{known: k, position: k.Position, anchor: k.anchor(), keep: k.Position.Offset, wanted: !copied, copy: copied}
}

// settlePacked decides about the compressed files in a view. It gives those that
// are to be read, and whether some are undecided. Sources that are found in one
// are taken out of v.lost.
func (t *Tailer) settlePacked(p *place, v *view, replaced bool) (take []*arrival, pending bool) {
	for _, a := range v.siblings {
		if !a.packed {
			continue
		}
		if !v.same || p.unsettled > 0 || t.bareLately(p, t.anchorOf(p.cur)) {
			t.packs.ours[a.ident] = true
		}
		if p.first && a.known == nil {
			t.oldNews(p, a)
			continue
		}
		if a.known != nil && a.known.Of != (delivery.SourceID{}) && t.settleCopy(p, v, a, &take, &pending) {
			continue
		}
		targets := t.packTargets(p)
		emptied := slices.ContainsFunc(targets, func(target packTarget) bool { return target.source != nil && target.wanted })
		if a.known != nil {
			targets = []packTarget{targetOf(a.known)}
		}
		u, err := t.unpackFor(p, a, targets)
		if err != nil {
			pending = pending || pendingErr(err)
			a.file.Close()
			continue
		}
		switch m := u.match; {
		case m == nil && a.known != nil && a.known.Position.Offset > 0:
			// Other content under the same identity: not ours any more.
			t.lose(p, a.known)
		case m != nil && m.copy: // of a copy that was left alone
			if !v.found(m.known) {
				pending = true // until that is gone
				break
			}
			t.donePacked(p, m.known, a, u.size)
		case m != nil && m.known != nil:
			if a.away {
				t.keepsOld(p, a.name)
			}
			switch {
			case m.known != a.known && !v.found(m.known): // its file is there, too: that is adopted first
				pending = true
			case m.position.Offset == u.size:
				t.donePacked(p, m.known, a, u.size)
			default:
				a.known = m.known
				take = append(take, a.hold(u))
				continue
			}
		case m != nil && m.wanted, emptied, replaced:
			pending = pending || !replaced // renew finds it
		case m != nil:
			t.copyOf(p, a, m.source)
		case u.isBeside(v.siblings):
			pending = true // until that one is open
		case t.opened(p, u) != nil:
			t.copyOf(p, a, t.opened(p, u))
		case a.away && !p.keepsOld(a.name):
		case t.packs.ours[a.ident] || a.known != nil || v.unread(a, u) != nil:
			if k := v.unread(a, u); a.known == nil && k != nil {
				a.known = k
				v.found(k)
			}
			take = append(take, a.hold(u))
			continue
		default:
			t.donePacked(p, nil, a, u.size)
		}
		u.drop()
		a.file.Close()
	}
	return take, pending
}

// hold makes the arrival one of what its file was unpacked to.
func (a *arrival) hold(u *unpacked) *arrival {
	a.pack, a.file = a.file, u.file
	a.look.size, a.from, a.partial = u.end, u.from, u.end < u.size
	return a
}

// found says that k, whose file was missing, is there after all. It gives false
// if it was not missing.
func (v *view) found(k *Known) bool {
	i := slices.Index(v.lost, k)
	if i >= 0 {
		v.lost = slices.Delete(v.lost, i, i+1)
	}
	return i >= 0
}

// unread gives a source of an earlier run of which nothing was read, whose file
// is gone and may have become a, or nil.
func (v *view) unread(a *arrival, u *unpacked) *Known {
	for _, k := range v.lost {
		if k.anchor().Offset == 0 && k.File.Birth <= a.look.mtime && k.Size <= u.size {
			return k
		}
	}
	return nil
}

// isBeside tells whether what was unpacked is in one of the other files, too: the
// one that is just being compressed.
func (u *unpacked) isBeside(files []*arrival) bool {
	return slices.ContainsFunc(files, func(a *arrival) bool {
		return !a.packed && a.look.size >= u.size && u.isIn(a.file)
	})
}

// isIn tells whether f begins with what was unpacked, as far as the beginning and the
// end of that show.
func (u *unpacked) isIn(f *os.File) bool {
	return bytesAt(f, u.head, 0) && bytesAt(f, u.last, u.size-int64(len(u.last)))
}

// opened gives the open source of p of whose content what was unpacked is the
// beginning, or nil.
func (t *Tailer) opened(p *place, u *unpacked) *Source {
	for _, s := range t.sources {
		if s.place == p && !s.ended && u.isIn(s.file) {
			return s
		}
	}
	return nil
}

// donePacked remembers a compressed file of which nothing is to be read. It is
// k's, if that is not nil, and takes its place.
func (t *Tailer) donePacked(p *place, k *Known, a *arrival, size int64) {
	done := Known{ID: delivery.NewSourceID(), Path: p.path, Position: delivery.Position{Offset: size}}
	if k != nil {
		done = *k
		t.known.remove(k)
	}
	done.File, done.Size, done.Done, done.Packed, done.Of = a.ident, size, true, true, delivery.SourceID{}
	t.remember(done)
	delete(t.packs.ours, a.ident)
}

// lose tells of a source whose file is gone before all was read, and forgets it.
func (t *Tailer) lose(p *place, k *Known) {
	t.known.remove(k)
	t.forget(k.ID, p, k.File.Birth)
	t.cfg.Notify(Event{
		Kind: FileLost, Path: k.Path, Source: k.ID, Offset: k.Position.Offset, Unread: max(0, k.Size-k.Position.Offset),
	})
}

// nextPart goes on in a compressed file of which all is read that was unpacked.
func (t *Tailer) nextPart(s *Source) {
	t.mu.Lock()
	position, anchor, keep := s.position(), s.anchor(), s.confirmed.Offset
	t.mu.Unlock()
	st, err := lookFile(s.pack)
	if err != nil {
		t.tellTrouble(s, err)
		return
	}
	a := &arrival{opened: &opened{file: s.pack, look: st, ident: s.ident}, name: s.name}
	u, err := t.unpackFor(s.place, a, []packTarget{{source: s, position: position, anchor: anchor, keep: keep, wanted: true}})
	switch {
	case err != nil && !errors.Is(err, errSpoilt):
		s.nextLook = t.now.Add(packRetry)
		return
	case err == nil && (u.match == nil || u.match.position != position || u.file == nil): // of an earlier question
		u.drop()
		s.nextLook = t.now.Add(packRetry)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s.partial = false // if it cannot be read any more: that was told
	if err == nil {
		s.file.Close()
		s.file, s.from, s.size, s.partial = u.file, u.from, u.end, u.end < u.size
		s.peak = max(s.peak, s.size)
	}
	t.offer(s)
}

// waitForPacks tells whether what is new in a view should wait until compressed
// files, which are older, have been looked through. That does not take long, and
// what it finds is kept for settle.
func (t *Tailer) waitForPacks(p *place, v *view) bool {
	atStart := p.listed.IsZero()
	if v.same || p.first || v.head == nil && !atStart {
		return false
	}
	wait := false
	for _, a := range v.siblings {
		if !a.packed {
			continue
		}
		switch err := t.lookThrough(p, a); {
		case errors.Is(err, errPartly):
			wait = wait || atStart && len(v.lost) > 0
		case errors.Is(err, errPending):
			wait = true
		}
	}
	if !wait {
		p.packsFrom = time.Time{}
		return false
	}
	if p.packsFrom.IsZero() {
		p.packsFrom = t.now
	}
	limit := packWait
	if atStart {
		limit = packStart
	}
	return t.now.Sub(p.packsFrom) < limit
}

// lookThrough begins to look through a, or tells how far that is.
func (t *Tailer) lookThrough(p *place, a *arrival) error {
	targets := t.packTargets(p)
	if k := a.known; k != nil {
		if k.Of != (delivery.SourceID{}) {
			if k = t.knownOf(p, k); k == nil {
				return nil // settleCopy need not look into it
			}
		}
		targets = []packTarget{targetOf(k)}
	}
	u, err := t.unpackFor(p, a, targets)
	if err == nil { // settlePacked will ask again
		t.packs.jobs[a.ident] = &packJob{look: a.look, done: closed, result: u}
	}
	return err
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
