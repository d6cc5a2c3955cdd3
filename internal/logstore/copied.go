package logstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/wal"
)

// copied tells whether the state, or all files beside it, are copies of what the
// checkpoint speaks of, and which; "" if they are not.
func (s *Store) copied(c *checkpoint) (what string, err error) {
	if c.moved {
		return "the state is a copy, or was put back from one", nil
	}
	known, replaced := 0, 0
	for i := range c.files {
		f := &c.files[i]
		id, err := s.folder.fs.Identify(f.name)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", err
		case err == nil && id.Same(f.identity):
			known++
			continue
		}
		r := recovery{s: s}
		name, err := r.search(&redo{name: f.name, at: f.placement})
		if err != nil {
			return "", err
		}
		if name != "" {
			known++
			continue
		}
		if info, err := s.folder.fs.Lstat(f.name); err == nil && info.Size > 0 {
			replaced++
		}
	}
	if known == 0 && replaced > 0 {
		return "none of the log files is one that it was", nil
	}
	return "", nil
}

// doubt notes a first reason why the files are not just what the state says.
func (r *recovery) doubt(why, file string) {
	if r.differs == nil {
		r.differs = []any{"why", why}
		if file != "" {
			r.differs = append(r.differs, "file", file)
		}
	}
}

// conclude decides what becomes of a state that was copied, once what only its
// write-ahead log held is in the files, durably. Where they are just what it says
// it goes on: sources stand where the files do. Otherwise a file may hold more of
// a source than the state knows of, or less.
func (r *recovery) conclude() error {
	if r.copied == "" {
		return nil
	}
	s := r.s
	if r.differs == nil {
		s.log.Info("the state was copied together with the log files: the store goes on", "found", r.copied)
		return nil
	}
	if err := s.setAside(append([]any{"found", r.copied}, r.differs...)...); err != nil {
		return err
	}
	r.newStore()
	r.sources = nil
	s.sources.at = make(map[SourceKey]*source)
	return nil
}

// scanCopy is scan for a state that was copied, at work maybe: what can be read
// of the log counts.
func (r *recovery) scanCopy(logs vfs.FS, opt wal.Options) error {
	err := r.scan(logs, opt, r.from.lsn)
	var damage *wal.CorruptionError
	if !errors.As(err, &damage) {
		return err
	}
	r.doubt("the write-ahead log is not whole: "+err.Error(), "")
	// The checkpoint may have been copied first, and the log when its beginning was gone.
	segments, err := wal.Segments(logs)
	if err != nil || r.last > r.from.lsn {
		return err
	}
	for _, seg := range segments {
		if !seg.HeaderOK || seg.First <= r.from.lsn+1 {
			continue
		}
		if err = r.scan(logs, opt, seg.First-1); errors.As(err, &damage) {
			err = nil
		}
		return err
	}
	return nil
}

// findContent finds a file by what it holds where another one than before has
// its name: a copy, or the next one after a rotation.
func (r *recovery) findContent(f *redo, at *located) (found bool, err error) {
	next := r.s.parts.next(f.name)
	if next > f.at.base {
		at.behind, found, err = r.textBehind(f)
		if !found || err != nil {
			return false, err
		}
		at.rotated, at.base = true, next
		if info, err := r.s.folder.fs.Lstat(f.name); err == nil {
			at.from = info.Size
		} else if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		return true, nil
	}
	if at.identity == (vfs.Identity{}) {
		return false, nil
	}
	info, from, err := r.look(f.name, f.at)
	if err != nil || from < f.at.size {
		return false, err
	}
	at.from, at.base, at.anchor, at.intact = from, f.at.base, f.at.anchor, true
	at.grown = info.Size > from
	return true, nil
}

// textBehind is the text of a file from the place on that the state knows, in
// the part that it has become since, and in all that came later. found is false
// if there is no such part.
func (r *recovery) textBehind(f *redo) (text []byte, found bool, err error) {
	for _, p := range r.s.parts.all()[f.name] {
		if p.offset < f.at.base || p.broken {
			continue
		}
		from := int64(0)
		if !found {
			if p.offset != f.at.base || p.size < f.at.size {
				return nil, false, nil
			}
			from = f.at.size
		}
		text, found, err = r.appendPart(text, f, p, from)
		if !found || err != nil {
			return nil, false, err
		}
	}
	if !found {
		return nil, false, nil
	}
	h, err := r.s.folder.fs.OpenFile(f.name, os.O_RDONLY, 0)
	if err != nil {
		return text, true, ignoreRefusal(f.name, ignoreMissing(err))
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil {
		return nil, false, err
	}
	text, err = appendRange(text, h, 0, info.Size)
	return text, err == nil, err
}

// appendPart appends the text of a part from offset from on. found is false where
// what is before it is not what the state says.
func (r *recovery) appendPart(text []byte, f *redo, p logPart, from int64) (_ []byte, found bool, err error) {
	h, err := r.s.folder.fs.OpenFile(p.path(f.name), os.O_RDONLY, 0)
	if err != nil {
		return nil, false, err
	}
	defer h.Close()
	var plain io.ReaderAt = h
	if p.packed {
		if plain, _, err = unpack(r.s.parts.dec, h, p.disk); err != nil {
			return nil, false, err
		}
	}
	if from > 0 {
		anchor, err := anchorAt(plain, from)
		if anchor != f.at.anchor || err != nil {
			return nil, false, err
		}
	}
	text, err = appendRange(text, plain, from, p.size)
	return text, err == nil, err
}

// appendRange appends the bytes from..to of a file, as long as text stays within
// what is compared.
func appendRange(text []byte, file io.ReaderAt, from, to int64) ([]byte, error) {
	n := min(max(0, to-from), maxCompare-int64(len(text)))
	old := len(text)
	text = slices.Grow(text, int(n))[:old+int(n)]
	if k, err := file.ReadAt(text[old:], from); k < int(n) {
		return nil, fmt.Errorf("read a part: %w", errors.Join(err, errShort))
	}
	return text, nil
}
