package logstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// A Snapshot is a log file as it stood when it was opened: what is written
// later, renamed or removed does not change it; only truncation by somebody
// else can make it shorter than Size. It ends at a line end, if it is text.
type Snapshot struct {
	Name    string
	Size    int64
	ModTime time.Time

	etag string
	file vfs.File
}

// notText are the endings of names whose files are no text, and are given
// whole.
var notText = map[string]bool{".gz": true, ".zst": true, ".xz": true, ".bz2": true, ".zip": true, ".lz4": true}

// OpenFile opens a file of the list. errors.Is(err, fs.ErrNotExist) holds for
// every name that the list does not have.
func (s *Store) OpenFile(name string) (*Snapshot, error) {
	unknown := &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	if !readable(name) {
		return nil, unknown
	}
	f, err := s.folder.fs.OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, vfs.ErrNotRegular) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	info, err := s.visible(name, f.Stat)
	if err == nil && info.Links > 1 {
		err = unknown
	}
	var id vfs.Identity
	if err == nil {
		id, err = f.Identity()
	}
	size := info.Size
	if err == nil && !notText[path.Ext(name)] {
		size, err = lineEnd(f, info.Size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Snapshot{
		Name: name, Size: size, ModTime: info.ModTime, file: f,
		etag: fmt.Sprintf(`"%x-%x-%x-%x"`, id.Inode, id.Birth, size, info.ModTime.UnixNano()),
	}, nil
}

// ETag is a strong entity tag (RFC 9110, section 8.8.3) with its quotes.
func (sn *Snapshot) ETag() string { return sn.etag }

// File is the open file, for sendfile; nil where there is no such thing. Its
// position is the caller's, its bytes past Size are not of the snapshot, and
// it is closed by Close.
func (sn *Snapshot) File() *os.File { return sn.file.OS() }

// ReadAt reads within Size.
func (sn *Snapshot) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: sn.Name, Err: fs.ErrInvalid}
	}
	if off >= sn.Size {
		return 0, io.EOF
	}
	if rest := sn.Size - off; int64(len(p)) > rest {
		n, err := sn.file.ReadAt(p[:rest], off)
		if err == nil {
			err = io.EOF
		}
		return n, err
	}
	return sn.file.ReadAt(p, off)
}

// Close closes the file.
func (sn *Snapshot) Close() error { return sn.file.Close() }
