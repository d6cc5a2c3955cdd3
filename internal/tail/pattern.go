package tail

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// pattern is one entry of Config.Patterns.
type pattern struct {
	index int
	text  string
	glob  bool
	lists map[string]*dirList // of the folders when they were last read, without names
}

func newPattern(index int, text string) *pattern {
	p := &pattern{index: index, text: text, glob: strings.ContainsAny(text, `*?[\`), lists: map[string]*dirList{}}
	if !p.glob {
		p.text = filepath.Clean(text)
	}
	return p
}

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

	due       time.Time
	wait      time.Duration
	listed    time.Time // last look at the folder
	dirTime   int64     // the folder's time of modification then
	unsettled int       // looks to take again, because names changed during the last
	trouble   string    // told already
}

// findPlaces looks for paths to follow.
func (t *Tailer) findPlaces(now time.Time) {
	for _, p := range t.patterns {
		_, known := t.marks[p.text]
		if !p.glob {
			t.addPlace(p, p.text, t.marks[p.text], !known, now)
			continue
		}
		paths := t.match(p)
		mark, ok := t.marks[p.text]
		if !ok {
			mark = newestIn(p.text)
			t.mark(p.text, mark)
		}
		for _, path := range paths {
			if own, ok := t.marks[path]; ok {
				t.addPlace(p, path, own, false, now)
			} else {
				t.addPlace(p, path, mark, !known, now)
			}
		}
	}
}

// match gives the paths of a pattern that are new, and perhaps others. A folder
// is read again only when it has changed.
func (t *Tailer) match(p *pattern) (paths []string) {
	dir, base := filepath.Split(p.text)
	dirs, _ := filepath.Glob(filepath.Clean(dir)) // a bad pattern was refused before
	for _, dir := range dirs {
		list := p.lists[dir]
		if st, err := lookAt(dir); err != nil || list != nil && list.settled && list.mtime == st.mtime {
			continue
		}
		list = t.list(dir)
		p.lists[dir] = &dirList{mtime: list.mtime, settled: list.settled}
		for _, name := range list.names {
			if ok, _ := filepath.Match(base, name); ok {
				paths = append(paths, filepath.Join(dir, name))
			}
		}
	}
	for dir := range p.lists {
		if !slices.Contains(dirs, dir) {
			delete(p.lists, dir)
		}
	}
	return paths
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
		pattern: p, mark: mark, first: first, due: now,
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
	for _, k := range t.known {
		if k.Path == p.path {
			return
		}
	}
	delete(t.places, p.path)
	t.order = slices.DeleteFunc(slices.Clone(t.order), func(q *place) bool { return q == p })
	delete(t.marks, p.path)
	t.change.Unfollow = append(t.change.Unfollow, p.path)
}

// newestIn gives the newest time of birth of the files in the folders of a
// pattern.
func newestIn(pattern string) (newest int64) {
	dirs, _ := filepath.Glob(filepath.Dir(pattern))
	for _, dir := range dirs {
		for _, name := range readDir(dir, 0).names {
			if o, err := openFile(filepath.Join(dir, name)); err == nil {
				newest = max(newest, o.birth)
				o.file.Close()
			}
		}
	}
	return newest
}

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
