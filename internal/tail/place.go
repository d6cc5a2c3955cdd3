package tail

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
)

// place is a followed path.
type place struct {
	path, dir, base string
	pattern         *pattern
	// mark: rotated files of unknown identity that were born up to then are not
	// ours to read.
	mark  int64
	first bool    // nothing was known of the path before
	cur   *Source // what the path led to at the last look; nil for nothing
	last  *Source // the newest source of the path that is open

	due        time.Time
	wait       time.Duration
	listed     time.Time           // last look at the folder
	dirTime    int64               // the folder's time of modification then
	sightings  map[string]sighting // of rotated files, by name
	unsettled  int                 // looks to take again, because names changed during the last
	trouble    string              // told already
	unpinnable bool                // that was told
	oldDirs    map[string]bool     // other folders that its rotated files are put into
	packsFrom  time.Time           // since when new files wait for compressed ones
	pending    bool                // compressed files are looked through
	// undecided are rotated files that may have been at the path without being
	// seen there, and when they were first seen.
	undecided map[vfs.Identity]time.Time
	// lost are sources whose files are not found, with the time that was noticed.
	lost map[delivery.SourceID]time.Time
}

func (t *Tailer) addPlace(p *pattern, path string, mark int64, first bool, now time.Time) {
	if _, ok := t.places[path]; ok {
		return
	}
	for _, earlier := range t.patterns[:p.index] {
		if ok, _ := filepath.Match(earlier.text, path); ok {
			p = earlier
			break
		}
	}
	place := &place{
		path: path, dir: filepath.Dir(path), base: filepath.Base(path),
		pattern: p, mark: mark, first: first, due: now, oldDirs: map[string]bool{},
	}
	for _, dir := range t.cfg.OldDirs {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(place.dir, dir)
		}
		place.oldDirs[filepath.Clean(dir)] = true
	}
	t.places[path] = place
	t.order = append(t.order, place)
}

// prune lets go of a path that a pattern gave and that leads to nothing any
// more.
func (t *Tailer) prune(p *place) {
	if !p.pattern.glob || p.cur != nil {
		return
	}
	for _, s := range t.sources {
		if s.place == p && !s.ended {
			return
		}
	}
	if len(t.known.of(p.path)) > 0 {
		return
	}
	delete(t.places, p.path)
	t.order = slices.DeleteFunc(slices.Clone(t.order), func(q *place) bool { return q == p })
	delete(t.marks, p.path)
	delete(t.marks, p.path+awayMark)
	t.change.Unfollow = append(t.change.Unfollow, p.path, p.path+awayMark)
}

// How often a place is looked at anew because names changed during the look: at
// once, and at the next times.
const (
	maxTries     = 10
	maxUnsettled = 5
)

// check looks where a followed path leads and, when that or its folder has
// changed, finds the files that belong to it.
func (t *Tailer) check(p *place, now time.Time) {
	p.wait = min(max(2*p.wait, fastLook), t.cfg.Scan)
	p.due = t.onGrid(now.Add(p.wait), p.wait)
	if p.unsettled == 0 && !p.pending && t.unchanged(p, now) {
		t.prune(p)
		return
	}
	before := p.cur
	v, err := t.view(p)
	for tries := 1; err == nil && !v.consistent && tries < maxTries; tries++ {
		v.close()
		v, err = t.view(p)
	}
	if err != nil {
		t.tellUnusable(p, err)
		return
	}
	if v.list.err != nil && !missing(v.list.err) {
		t.tellUnusable(p, v.list.err)
	} else {
		p.trouble = ""
	}
	if t.waitForPacks(p, v) {
		v.close()
		p.due = now.Add(packRetry)
		return
	}
	t.settle(p, v)
	if v.same {
		t.identifyAgain(p.cur)
	}

	p.listed, p.dirTime = now, v.list.mtime
	if !v.list.settled {
		p.dirTime = 0
	}
	switch moved := p.cur != before || !v.consistent; {
	case v.list.settled && v.consistent:
		p.unsettled = 0
	case moved:
		p.unsettled = maxUnsettled
	case p.unsettled > 0:
		p.unsettled--
	}
	switch {
	case p.cur != before || !v.consistent:
		p.wait = fastLook
		p.due = now.Add(p.wait)
	case p.pending:
		p.due = earlier(p.due, now.Add(packRetry))
	}
}

// unchanged tells whether the path leads where it led, and its folder is as it
// was when it was last read, not long ago: a closed file may have grown since.
func (t *Tailer) unchanged(p *place, now time.Time) bool {
	st, err := lookAt(p.path)
	switch {
	case p.listed.IsZero() || now.Sub(p.listed) >= 10*t.cfg.Scan:
		return false
	case p.cur == nil && !missing(err), p.cur != nil && (err != nil || st.key != p.cur.key):
		return false
	}
	mtime, ok := t.dirTimes[p.dir] // another place of the folder may have looked
	if !ok {
		if st, err := lookAt(p.dir); err == nil {
			mtime = st.mtime
		}
		t.dirTimes[p.dir] = mtime
	}
	return mtime != 0 && mtime == p.dirTime
}

func (t *Tailer) tellUnusable(p *place, err error) {
	if text := err.Error(); text != p.trouble {
		p.trouble = text
		t.cfg.Notify(Event{Kind: PathUnusable, Path: p.path, Err: err})
	}
}

// identifyAgain keeps what is remembered of s right: on overlayfs a file gets
// another identity, and remains the same open file, when it is first written to.
func (t *Tailer) identifyAgain(s *Source) {
	ident, err := identify(s.file)
	if err != nil || ident == s.ident {
		return
	}
	s.ident = ident
	t.mu.Lock()
	position := s.confirmed
	t.mu.Unlock()
	t.change.Add = append(t.change.Add, Known{ID: s.ID, File: ident, Path: s.Path, Position: position, First: s.first, Size: s.peak})
}
