package logstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync/atomic"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// A Snapshot is a log file, or a closed part of one, as it stood when it was
// opened: what is written later, renamed, compressed or removed does not change
// it; only truncation by somebody else can make it shorter than Size. It ends at
// a line end, if it is text.
type Snapshot struct {
	Name    string
	Size    int64 // bytes of text; of files that others compressed, bytes on the disk
	ModTime time.Time
	Start   int64 // as in FileInfo

	etag  string
	inode uint64 // 0 for a part
	file  vfs.File
	users *atomic.Int32 // snapshots that share file; nil = this one alone
	text  io.ReaderAt   // file, or what it unpacks to
}

// notText are the endings of names whose files are no text, and are given
// whole.
var notText = map[string]bool{".gz": true, ".zst": true, ".xz": true, ".bz2": true, ".zip": true, ".lz4": true}

// OpenFile opens a file of the list. errors.Is(err, fs.ErrNotExist) holds for
// every name that the list does not have.
func (s *Store) OpenFile(name string) (*Snapshot, error) {
	s.parts.turn.RLock()
	defer s.parts.turn.RUnlock()
	return s.openFile(name)
}

// openFile is OpenFile, where parts.turn is held.
func (s *Store) openFile(name string) (*Snapshot, error) {
	if !readable(name) {
		return nil, unknownFileError(name)
	}
	f, err := s.folder.fs.OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return s.openPart(name)
	}
	if errors.Is(err, vfs.ErrNotRegular) {
		return nil, unknownFileError(name)
	}
	if err != nil {
		return nil, err
	}
	sn, err := s.snapshot(name, f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return sn, nil
}

func unknownFileError(name string) error {
	return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// snapshot is the file f, as the one that has this name.
func (s *Store) snapshot(name string, f vfs.File) (*Snapshot, error) {
	info, start, err := s.visible(name, f.Stat)
	if err == nil && info.Links > 1 {
		err = unknownFileError(name)
	}
	if err != nil {
		return nil, err
	}
	id, err := f.Identity()
	size := info.Size
	if err == nil && !notText[path.Ext(name)] {
		size, err = lineEnd(f, info.Size)
	}
	if err != nil {
		return nil, err
	}
	return &Snapshot{
		Name: name, Size: size, ModTime: info.ModTime, Start: start, file: f, text: f, inode: info.Inode,
		etag: fileTag(id, size, info.ModTime),
	}, nil
}

func fileTag(id vfs.Identity, size int64, modified time.Time) string {
	return fmt.Sprintf(`"%x-%x-%x-%x"`, id.Inode, id.Birth, size, modified.UnixNano())
}

// grown is the same file with more of it. Both are to be closed.
func (sn *Snapshot) grown(size int64, modified time.Time) *Snapshot {
	if sn.users == nil {
		sn.users = new(atomic.Int32)
		sn.users.Store(1)
	}
	sn.users.Add(1)
	more := *sn
	more.Size, more.ModTime = size, modified
	if id, err := sn.file.Identity(); err == nil {
		more.etag = fileTag(id, size, modified)
	}
	return &more
}

// sameFile tells whether both are of one file on the disk.
func (sn *Snapshot) sameFile(other *Snapshot) bool {
	a, err1 := sn.file.Identity()
	b, err2 := other.file.Identity()
	return err1 == nil && err2 == nil && a == b
}

// openPart opens the closed part that is shown under this name. parts.turn is
// held.
func (s *Store) openPart(shown string) (*Snapshot, error) {
	name, ok := splitNumber(shown)
	l := s.parts.files[name]
	if !ok || l == nil {
		return nil, unknownFileError(shown)
	}
	entries, err := s.folder.fs.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var part logPart
	found := false
	l.numbered(name, among(entries), func(n string, p logPart) bool {
		part, found = p, n == shown
		return !found
	})
	if !found {
		return nil, unknownFileError(shown)
	}
	return s.openLogPart(name, shown, part)
}

// reopenPart opens a part of name as it is now, compressed or not.
func (s *Store) reopenPart(name string, part logPart) (*Snapshot, error) {
	s.parts.turn.RLock()
	defer s.parts.turn.RUnlock()
	if l := s.parts.files[name]; l != nil {
		if i, ok := l.find(part.offset); ok && !l.parts[i].broken {
			sn, err := s.openLogPart(name, name, l.parts[i])
			if err == nil {
				sn.Size = part.size // with a last line that somebody left without an end
			}
			return sn, err
		}
	}
	return nil, unknownFileError(part.path(name))
}

// openLogPart opens a part of name, to be called shown. parts.turn is held.
func (s *Store) openLogPart(name, shown string, part logPart) (*Snapshot, error) {
	f, err := s.folder.fs.OpenFile(part.path(name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	sn := &Snapshot{Name: shown, ModTime: part.modified, Start: part.offset, file: f}
	if part.packed {
		var u *unpacked
		if u, _, err = unpack(s.parts.dec, f, part.disk); err == nil {
			sn.text, sn.Size = u, u.size()
		}
	} else {
		err = sn.plain()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	// Compressed or not, it is the same text.
	sn.etag = fmt.Sprintf(`"part-%x-%x-%x"`, sn.Start, sn.Size, sn.ModTime.UnixNano())
	return sn, nil
}

func (sn *Snapshot) plain() error {
	info, err := sn.file.Stat()
	if err != nil {
		return err
	}
	sn.text, sn.ModTime = sn.file, info.ModTime
	sn.Size, err = lineEnd(sn.file, info.Size)
	return err
}

// ETag is a strong entity tag (RFC 9110, section 8.8.3) with its quotes.
func (sn *Snapshot) ETag() string { return sn.etag }

// File is the open file, for sendfile; nil where there is no file with this
// text. Its position is the caller's, its bytes past Size are not of the
// snapshot, and it is closed by Close.
func (sn *Snapshot) File() *os.File {
	if _, ok := sn.text.(*unpacked); ok {
		return nil
	}
	return sn.file.OS()
}

// ReadAt reads within Size.
func (sn *Snapshot) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: sn.Name, Err: fs.ErrInvalid}
	}
	if off >= sn.Size {
		return 0, io.EOF
	}
	if rest := sn.Size - off; int64(len(p)) > rest {
		n, err := sn.text.ReadAt(p[:rest], off)
		if err == nil {
			err = io.EOF
		}
		return n, err
	}
	return sn.text.ReadAt(p, off)
}

// Close closes the file.
func (sn *Snapshot) Close() error {
	if sn.users != nil && sn.users.Add(-1) > 0 {
		return nil
	}
	return sn.file.Close()
}
