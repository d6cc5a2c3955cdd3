package logstore

import (
	"errors"
	"io/fs"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// FileInfo is one entry of the list of files.
type FileInfo struct {
	Name    string
	Size    int64 // bytes
	ModTime time.Time
	// Start is the offset of the file's first byte, counted from the first
	// byte ever written under this name; 0 as long as nothing was rotated away.
	Start int64
}

// List is every log file: regular, with no other name, and one that
// docassemble's Logs page can ask for. docassemble.log, which the page shows
// unasked, comes first, the others follow by code point.
func (s *Store) List() ([]FileInfo, error) {
	entries, err := s.folder.fs.ReadDir(".")
	if err != nil {
		return nil, err
	}
	list := make([]FileInfo, 0, len(entries))
	for _, e := range entries {
		if e.Type != 0 || !readable(e.Name) {
			continue
		}
		info, err := s.visible(e.Name, func() (vfs.Info, error) { return s.folder.fs.Lstat(e.Name) })
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if !info.Mode.IsRegular() || info.Links > 1 {
			continue
		}
		list = append(list, FileInfo{Name: e.Name, Size: info.Size, ModTime: info.ModTime})
		if e.Name == firstFile {
			last := len(list) - 1
			first := list[last]
			copy(list[1:], list[:last])
			list[0] = first
		}
	}
	return list, nil
}

// visible is what stat tells about the file of this name, its size as far as
// readers may see it.
func (s *Store) visible(name string, stat func() (vfs.Info, error)) (vfs.Info, error) {
	if f := s.router.lookup(name); f != nil {
		return f.view.stat(stat)
	}
	return stat()
}
