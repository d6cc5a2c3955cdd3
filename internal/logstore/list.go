package logstore

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// FileInfo is one entry of the list of files.
type FileInfo struct {
	Name    string
	Size    int64     // bytes of text; of files that others compressed, bytes on the disk
	ModTime time.Time // of the last line
	// Start is the offset of the file's first byte, counted from the first
	// byte ever written under this name; 0 as long as nothing was rotated away.
	Start int64
	// PartOf is the log file of which this is a closed part; "" where it is a file
	// itself.
	PartOf string
}

// List is every log file and its closed parts: what is regular, has no other
// name, and is called so that docassemble's Logs page can ask for it. Parts
// are called NAME.1, the newest, NAME.2 and so on; where a real file has such a
// name, that is what it stands for, and the part has the next number that is
// free. docassemble.log, which the page shows unasked, comes first, the others
// follow by code point. It is not to be changed. It knows all names and
// all that the Store has written; what others have added within listFresh may be
// missing.
func (s *Store) List() ([]FileInfo, error) {
	s.parts.turn.RLock()
	defer s.parts.turn.RUnlock()
	now := time.Now()
	writes := s.folder.writes.Load()
	folder, err := s.folder.fs.Lstat(".")
	if last := s.listed.Load(); err == nil && last != nil && last.writes == writes && last.holds(folder, now) {
		return last.files, nil
	}
	list, err := s.list()
	if err == nil {
		s.listed.Store(&listed{list, folder, writes, now})
	}
	return list, err
}

// listFresh is how long a list may be given again: it takes many system calls.
const listFresh = 20 * time.Millisecond

// listed is a list as it was made; immutable.
type listed struct {
	files  []FileInfo
	folder vfs.Info // before the list was made
	writes uint64   // likewise
	at     time.Time
}

// holds tells whether l is still fresh, and the folder has the same names. A
// change just before l was made may have the same time as one behind it.
func (l *listed) holds(folder vfs.Info, now time.Time) bool {
	return now.Sub(l.at) < listFresh && folder.Inode == l.folder.Inode && folder.ModTime.Equal(l.folder.ModTime) && l.at.Sub(folder.ModTime) > listFresh
}

// list makes the list. parts.turn is held.
func (s *Store) list() ([]FileInfo, error) {
	entries, err := s.folder.fs.ReadDir(".")
	if err != nil {
		return nil, err
	}
	list := make([]FileInfo, 0, len(entries))
	for _, e := range entries {
		if e.Type != 0 || !readable(e.Name) {
			continue
		}
		info, start, err := s.visible(e.Name, func() (vfs.Info, error) { return s.folder.fs.Lstat(e.Name) })
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if !info.Mode.IsRegular() || info.Links > 1 {
			continue
		}
		list = append(list, FileInfo{Name: e.Name, Size: info.Size, ModTime: info.ModTime, Start: start})
	}
	if list = s.appendParts(list, entries); len(s.parts.files) > 0 {
		slices.SortFunc(list, func(a, b FileInfo) int { return strings.Compare(a.Name, b.Name) })
	}
	if i := slices.IndexFunc(list, func(f FileInfo) bool { return f.Name == firstFile }); i > 0 {
		first := list[i]
		copy(list[1:], list[:i])
		list[0] = first
	}
	return list, nil
}

// appendParts appends all closed parts. entries is what the folder has.
func (s *Store) appendParts(list []FileInfo, entries []vfs.Entry) []FileInfo {
	for name, l := range s.parts.files {
		l.numbered(name, among(entries), func(shown string, p logPart) bool {
			list = append(list, FileInfo{Name: shown, Size: p.size, ModTime: p.modified, Start: p.offset, PartOf: name})
			return true
		})
	}
	return list
}

// among tells whether a name is one of entries, which are sorted.
func among(entries []vfs.Entry) func(name string) bool {
	return func(name string) bool {
		_, ok := slices.BinarySearchFunc(entries, name, func(e vfs.Entry, n string) int { return strings.Compare(e.Name, n) })
		return ok
	}
}

// visible is what stat tells about the file of this name, its size as far as
// readers may see it, and the offset of its first byte.
func (s *Store) visible(name string, stat func() (vfs.Info, error)) (vfs.Info, int64, error) {
	f := s.router.lookup(name)
	if f == nil {
		info, err := stat()
		return info, 0, err
	}
	info, err := f.view.stat(stat)
	return info, f.base.Load(), err
}
