package logstore

import (
	"cmp"
	"errors"
	"hash/crc32"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
)

const (
	// syncers is how many files are synced at a time: disks and journals merge
	// what comes together. manyDirty are so many that one sync of the whole file
	// system takes less.
	syncers   = 8
	manyDirty = 64
)

// wrote notes that f has bytes that are not synced.
func (d *folder) wrote(f *logFile) {
	f.written.Add(1)
	if !f.listed.Swap(true) {
		d.dirtyMu.Lock()
		d.dirty = append(d.dirty, f)
		d.dirtyMu.Unlock()
	}
}

// syncDirty makes everything written before the call durable. It may be called
// from any goroutine.
func (d *folder) syncDirty() error {
	d.dirtyMu.Lock()
	files := d.dirty
	d.dirty = nil
	d.dirtyMu.Unlock()
	for _, f := range files {
		f.listed.Store(false)
	}
	return d.sync(files)
}

// sync makes the files durable, and with them the names of new ones. An error
// is final: what was not synced then can never be made sure of (the kernel
// takes pages for clean that it failed to write). It may be called from any
// goroutine.
func (d *folder) sync(files []*logFile) error {
	if len(files) >= d.many {
		if err := d.syncAll(files); !errors.Is(err, errors.ErrUnsupported) {
			return cmp.Or(err, d.syncNames())
		}
	}
	var g errgroup.Group
	g.SetLimit(syncers)
	for _, f := range files[:max(0, len(files)-1)] {
		g.Go(func() error { return d.syncFile(f) })
	}
	var err error
	if len(files) > 0 {
		err = d.syncFile(files[len(files)-1])
	}
	return cmp.Or(g.Wait(), err, d.syncNames())
}

func (d *folder) syncFile(f *logFile) error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	return d.syncLocked(f)
}

// syncLocked is syncFile for those who hold f.syncing. Once it has failed it
// always fails, so that whoever waited for the lock does not take the file,
// which is not dirty any more, for safe.
func (d *folder) syncLocked(f *logFile) error {
	m := f.mark()
	if m.handle == nil || m.written == f.synced || f.unsafe != nil {
		return f.unsafe
	}
	d.count.syncs.Add(1)
	if f.unsafe = f.handle.Datasync(); f.unsafe == nil {
		d.reached(f, m)
	}
	return f.unsafe
}

// A syncMark is what of a file a sync that begins now makes durable.
type syncMark struct {
	handle   vfs.File
	written  uint64
	position placement
}

// mark is called with f.syncing held.
func (f *logFile) mark() syncMark {
	m := syncMark{handle: f.handle, written: f.written.Load()}
	f.marking.Lock()
	m.position = f.position
	f.marking.Unlock()
	return m
}

// reached notes that all up to m is durable. It is called with f.syncing held.
func (d *folder) reached(f *logFile, m syncMark) {
	f.synced = m.written
	var err error
	if m.position.anchor, err = anchorAt(m.handle, m.position.size); err != nil {
		d.wrote(f) // truncated meanwhile: there will be another position
		return
	}
	f.marking.Lock()
	cut := f.position.base != m.position.base
	f.marking.Unlock()
	if cut {
		return // likewise, and so much added since that the anchor is one of other lines
	}
	f.durable = m.position
}

// syncAll makes the files durable by one call, and all else on their file system. The
// files may be closed and opened meanwhile, which is what syncs them by itself.
func (d *folder) syncAll(files []*logFile) error {
	marks := make([]syncMark, len(files))
	for i, f := range files {
		f.syncing.Lock()
		if marks[i] = f.mark(); marks[i].written == f.synced {
			marks[i].handle = nil
		}
		unsafe := f.unsafe
		f.syncing.Unlock()
		if unsafe != nil {
			return unsafe
		}
	}
	err := d.fs.SyncAll()
	if errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	d.count.syncs.Add(1)
	if err != nil { // of which file is not known
		d.naming.Lock()
		d.unsafe = cmp.Or(d.unsafe, err)
		d.naming.Unlock()
	}
	for i, f := range files {
		m := marks[i]
		f.syncing.Lock()
		switch {
		case err != nil:
			f.unsafe = cmp.Or(f.unsafe, err)
		case m.handle != nil && f.handle == m.handle && f.synced < m.written:
			d.reached(f, m)
		}
		f.syncing.Unlock()
	}
	return err
}

// anchorAt is the checksum of the bytes before offset at, as far back as an
// anchor reaches.
func anchorAt(h io.ReaderAt, at int64) (uint32, error) {
	var b [delivery.AnchorSize]byte
	n := min(at, int64(len(b)))
	if k, err := h.ReadAt(b[:n], at-n); int64(k) < n {
		return 0, err
	}
	return crc32.Checksum(b[:n], castagnoli), nil
}

// forgive lets names and files be synced again, where recovery begins anew and writes
// once more what the log has for them.
func (d *folder) forgive(files []*logFile) {
	for _, f := range files {
		f.syncing.Lock()
		f.unsafe = nil
		f.syncing.Unlock()
	}
	d.naming.Lock()
	defer d.naming.Unlock()
	d.unsafe = nil
	d.newNames.Store(true)
}

// syncNames makes the names of new files durable.
func (d *folder) syncNames() error {
	d.naming.Lock()
	defer d.naming.Unlock()
	if d.newNames.Swap(false) && d.unsafe == nil {
		d.unsafe = d.fs.SyncDir(".")
	}
	return d.unsafe
}
