package tail

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// clockTick is the coarseness of the times that file systems give: a change
// this close to the last one may leave the time as it was.
const clockTick = 20 * time.Millisecond

// dirList is the names in a folder at one moment.
type dirList struct {
	names   []string // sorted
	dirs    []string // those of them that are folders
	mtime   int64    // before the names were read
	settled bool     // nothing changed while they were read
	err     error
}

func readDir(dir string, tick time.Duration) *dirList {
	l := &dirList{}
	began := time.Now()
	before, err := lookAt(dir)
	if err != nil {
		return &dirList{err: err}
	}
	l.mtime = before.mtime
	f, err := os.Open(dir)
	if err != nil {
		return &dirList{err: err}
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return &dirList{err: err}
	}
	for _, e := range entries {
		l.names = append(l.names, e.Name())
		if e.IsDir() {
			l.dirs = append(l.dirs, e.Name())
		}
	}
	slices.Sort(l.names)
	after, err := lookAt(dir)
	l.settled = err == nil && after.mtime == before.mtime && before.mtime < began.Add(-tick).UnixNano()
	return l
}

// current tells whether nothing changed in dir since l was read, as far as its
// times tell.
func (l *dirList) current(dir string) bool {
	st, err := lookAt(dir)
	return l.err != nil && err != nil || err == nil && st.mtime == l.mtime
}

// list gives the names in a folder as they are now.
func (t *Tailer) list(dir string) *dirList {
	if l := t.dirs[dir]; l != nil && l.settled {
		if st, err := lookAt(dir); err == nil && st.mtime == l.mtime {
			return l
		}
	}
	l := readDir(dir, t.tick)
	t.dirs[dir] = l
	return l
}

// quiet tells whether the folders that may hold rotated files of p are as they
// were when they were read in this step, as far as their times tell.
func (t *Tailer) quiet(p *place) bool {
	for dir, l := range t.dirs {
		if (dir == p.dir || filepath.Dir(dir) == p.dir || p.oldDirs[dir]) && (!l.settled || !l.current(dir)) {
			return false
		}
	}
	return true
}

// rotated gives the names in l that rotation may have given to files once
// called base.
func (l *dirList) rotated(base string) (names []string) {
	stem := strings.TrimSuffix(base, filepath.Ext(base))
	if stem == "" {
		stem = base
	}
	from, _ := slices.BinarySearch(l.names, stem)
	for _, name := range l.names[from:] {
		if !strings.HasPrefix(name, stem) {
			break
		}
		if _, ok := rotation(base, name); ok {
			names = append(names, name)
		}
	}
	return names
}

// rotation tells whether name is what base is called after a rotation: with a
// number or date behind it (app.log.1, app.log-20261123) or before its
// extension (app.1.log, app-2026-11-23T10-00-00.log), compressed or not. It gives
// that number or date.
func rotation(base, name string) (suffix string, ok bool) {
	if ext := packing(name); ext != "" {
		if name = strings.TrimSuffix(name, ext); name == base {
			return "0", true
		}
	}
	if rest, found := strings.CutPrefix(name, base); found && isRotationSuffix(rest) {
		return rest[1:], true
	}
	ext := filepath.Ext(base)
	rest, found := strings.CutPrefix(name, strings.TrimSuffix(base, ext))
	if ext == "" || ext == base || !found {
		return "", false
	}
	if rest, found = strings.CutSuffix(rest, ext); found && isRotationSuffix(rest) {
		return rest[1:], true
	}
	return "", false
}

func isRotationSuffix(s string) bool {
	if len(s) < 2 || !strings.ContainsRune(".-_", rune(s[0])) || s[1] < '0' || s[1] > '9' {
		return false
	}
	return strings.Trim(s[1:], "0123456789.-_:T") == ""
}

// olderSuffix tells whether a file with the rotation suffix a is older than one
// with b: numbers count back in time, dates forward. The path itself, without a
// suffix, is the newest.
func olderSuffix(a, b string) bool {
	switch {
	case a == "" || b == "":
		return a != "" && b == ""
	case isCount(a) && isCount(b):
		return len(a) > len(b) || len(a) == len(b) && a > b
	}
	return a < b
}

func isCount(s string) bool { return len(s) <= 4 && strings.Trim(s, "0123456789") == "" }
