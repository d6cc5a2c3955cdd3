package tail

import (
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/vfs"
)

// nameIndex is the files of a folder by what identifies them, for finding those
// that were renamed to something unusual. It is made once in a step, however many
// paths of the folder miss their files.
type nameIndex struct {
	made   time.Time
	seen   map[string]sighting // by name
	byFile map[inodeBirth][]string
	ok     bool // all could be looked at
}

// inodeBirth is what the identities of a file have in common, with handle or not.
type inodeBirth struct {
	inode uint64
	birth int64
}

func inodeBirthOf(id vfs.Identity) inodeBirth { return inodeBirth{id.Inode, id.Birth} }

// unusual gives the names in the folder of p, but the rotated ones, of files that
// are missed. ok says that all names could be looked at.
func (t *Tailer) unusual(p *place, list *dirList, missed map[*Known]bool) (names []string, ok bool) {
	index := t.indexes[p.dir]
	if index == nil || !index.made.Equal(t.now) {
		index = newNameIndex(p.dir, list, index, t.now)
		t.indexes[p.dir] = index
	}
	for k := range missed {
		for _, name := range index.byFile[inodeBirthOf(k.File)] {
			if _, rotated := rotation(p.base, name); !rotated && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, index.ok
}

func newNameIndex(dir string, list *dirList, before *nameIndex, now time.Time) *nameIndex {
	index := &nameIndex{made: now, seen: map[string]sighting{}, byFile: map[inodeBirth][]string{}, ok: list.err == nil}
	for _, name := range list.names {
		path := filepath.Join(dir, name)
		st, err := lookAt(path)
		if err != nil || st.mode&unix.S_IFMT != unix.S_IFREG {
			index.ok = index.ok && (err == nil || missing(err))
			continue
		}
		var s sighting
		if before != nil {
			s = before.seen[name]
		}
		if s.look != st {
			o, err := openFile(path)
			if err != nil {
				index.ok = index.ok && missing(err)
				continue
			}
			s = sighting{look: o.look, ident: o.ident, birth: o.birth}
			o.file.Close()
		}
		index.seen[name] = s
		key := inodeBirthOf(s.ident)
		index.byFile[key] = append(index.byFile[key], name)
	}
	return index
}
