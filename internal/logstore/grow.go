package logstore

import (
	"errors"
	"io"
	"io/fs"

	"github.com/dalog-project/dalog/internal/vfs"
)

// Grown gives a channel that is closed when this process next adds to the file.
// What other programs add to it does not show there; nil where this process
// does not write to it at all.
func (t *Text) Grown() <-chan struct{} {
	f := t.store.router.lookup(t.Name)
	if f == nil {
		return nil
	}
	return f.view.whenGrown()
}

func (v *view) whenGrown() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.grown == nil {
		v.grown = make(chan struct{})
	}
	return v.grown
}

// Advance gives the text as it is now: t itself where nothing has changed. Each
// Text that it gives is to be closed. replaced: somebody else put another file
// in the place of the active one, or cut it. What that has beyond t's end is then
// in Rest alone.
func (t *Text) Advance() (now *Text, replaced bool, err error) {
	now, err = t.extend()
	if err != nil || now != nil {
		return now, false, err
	}
	now, err = t.store.OpenText(t.Name)
	if err != nil || t.active == nil {
		return now, false, err
	}
	if at := now.sections[now.find(t.active.Start):]; len(at) > 0 && at[0].start == t.active.Start {
		if at[0].snap == nil { // it is a part now
			return now, false, nil
		}
		return now, !at[0].snap.sameFile(t.active) || now.End() < t.End(), nil
	}
	return now, true, nil
}

// Rest is t with what was added to its active file since, wherever that is now.
func (t *Text) Rest() (*Text, error) {
	if t.active == nil {
		return t, nil
	}
	info, err := t.active.file.Stat()
	if err != nil {
		return nil, err
	}
	size, err := lineEnd(t.active.file, info.Size)
	if err != nil || size <= t.active.Size {
		return t, err
	}
	return t.withActive(t.active.grown(size, info.ModTime)), nil
}

// extend gives t with what was added to its active file, or t itself where
// nothing was; nil where that is not the one that has the name any more.
func (t *Text) extend() (*Text, error) {
	if t.active == nil {
		return nil, nil
	}
	t.store.parts.turn.RLock()
	defer t.store.parts.turn.RUnlock()
	info, start, err := t.store.visible(t.Name, func() (vfs.Info, error) { return t.store.folder.fs.Lstat(t.Name) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if start != t.active.Start || info.Inode != t.active.inode || info.Size < t.active.Size || len(t.sections) > 1 && t.expired() {
		return nil, nil
	}
	if info.Size == t.active.Size {
		return t, nil
	}
	// Only what was added is looked at for the last line end.
	size, err := lineEnd(tailOf{t.active.file, t.active.Size}, info.Size-t.active.Size)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		return t, nil
	}
	return t.withActive(t.active.grown(t.active.Size+size, info.ModTime)), nil
}

// expired tells whether the first part is not there any more. parts.turn is
// held.
func (t *Text) expired() bool {
	l := t.store.parts.files[t.Name]
	if l == nil {
		return true
	}
	_, ok := l.find(t.sections[0].start)
	return !ok
}

// withActive is t with another view of its active file, which is taken over.
func (t *Text) withActive(active *Snapshot) *Text {
	n := len(t.sections)
	now := &Text{Name: t.Name, store: t.store, active: active, sections: make([]section, n)}
	copy(now.sections, t.sections)
	now.sections[n-1] = section{start: active.Start, end: active.Start + active.Size, snap: active}
	return now
}

// tailOf is a file from an offset on.
type tailOf struct {
	io.ReaderAt
	from int64
}

func (t tailOf) ReadAt(p []byte, off int64) (int, error) { return t.ReaderAt.ReadAt(p, t.from+off) }
