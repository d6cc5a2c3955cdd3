package tail

import (
	"path/filepath"
)

// awayMark behind a path is the mark for its rotated files in other folders: the
// time up to which what was written to them is old news.
const awayMark = "\x00"

// maxFolders is how many folders beside the files of a path are looked into.
const maxFolders = 64

// elsewhere gives the rotated files of p in other folders, relative to p.dir: in
// those that are known to hold them and, if all is set, in all that are in p.dir,
// of which list is the names.
func (t *Tailer) elsewhere(p *place, list *dirList, all bool) (names []string) {
	dirs := map[string]bool{}
	for dir := range p.oldDirs {
		dirs[dir] = true
	}
	if all {
		for _, name := range list.dirs {
			if len(dirs) < maxFolders {
				dirs[filepath.Join(p.dir, name)] = true
			}
		}
	}
	for dir := range dirs {
		rel, err := filepath.Rel(p.dir, dir)
		if err != nil {
			continue
		}
		for _, name := range t.list(dir).rotated(p.base) {
			names = append(names, filepath.Join(rel, name))
		}
	}
	return names
}

// keepsOld notes that the file at path is one of p's.
func (t *Tailer) keepsOld(p *place, path string) { p.oldDirs[filepath.Dir(path)] = true }

// keepsOld tells whether rotated files of p are put beside path.
func (p *place) keepsOld(path string) bool { return p.oldDirs[filepath.Dir(path)] }
