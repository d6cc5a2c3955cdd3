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
