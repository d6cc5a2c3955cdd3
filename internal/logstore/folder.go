package logstore

import (
	"container/list"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

const (
	// checkEvery is how often the name of a file in use is compared with the
	// open file before any is written to: append does it for each by itself.
	// retryEvery is how often a refused name is tried again.
	checkEvery = 100 * time.Millisecond
	retryEvery = time.Second
)

// folder opens, appends to, syncs and closes log files. Its methods are the
// applier's, those of syncing aside.
type folder struct {
	fs     vfs.FS
	owner  *Owner
	log    *slog.Logger
	count  *counters
	placed func(f *logFile) // is told of every new position that no write explains

	many int // files are synced by one call

	opened   *list.List // of *logFile: those that are open, the latest used first
	detached int        // files in doubt, which are open as well
	maxOpen  int

	writes   atomic.Uint64 // to log files, all together
	newNames atomic.Bool   // files were opened that may be new since the last sync of the folder began
	naming   sync.Mutex    // held by who syncs the folder
	unsafe   error         // why the folder could not be synced; under naming

	dirtyMu sync.Mutex
	dirty   []*logFile // written since syncDirty last took them
}

// ready opens f, or sees to it that what is open is still what has the name.
// It returns a *refusal where the name is not fit to be written to.
func (d *folder) ready(f *logFile, now time.Time) error {
	if f.handle != nil {
		if now.Sub(f.checked) < checkEvery {
			d.opened.MoveToFront(f.opened)
			return nil
		}
		if err := d.check(f, now); err != nil {
			return err
		}
		if f.handle != nil {
			d.opened.MoveToFront(f.opened)
			return nil
		}
	}
	if f.blocked != nil {
		if now.Before(f.retry) {
			return f.blocked
		}
		f.blocked = nil
	}
	err := d.open(f)
	f.checked = now
	if isRefusal(err) {
		f.blocked, f.retry = err, now.Add(retryEvery)
	}
	return err
}

// check closes f if its name is no longer that of the open file. Its errors,
// as those of all that closes files, are final.
func (d *folder) check(f *logFile, now time.Time) error {
	if d.lostName(f) {
		return d.replaced(f)
	}
	f.checked = now
	return nil
}

// look describes the open file of f by its name. errReplaced says that the name is
// not that of the open file any more.
func (d *folder) look(f *logFile) (vfs.Info, error) {
	info, err := d.fs.Lstat(f.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		if f.alarm.due() {
			d.log.Error("cannot look at the name of a log file: lines go on to the file that is open", "file", f.name, "error", err)
		}
		info, err = f.handle.Stat()
		if err == nil && info.Links == 0 {
			return info, errReplaced
		}
		return info, err
	}
	if err != nil || info.Inode != f.inode {
		return info, errReplaced
	}
	return info, nil
}

// lostName tells whether the name of f is not that of the open file any more.
func (d *folder) lostName(f *logFile) bool {
	_, err := d.look(f)
	return errors.Is(err, errReplaced)
}

// replaced closes f, whose open file somebody renamed or removed.
func (d *folder) replaced(f *logFile) error {
	h, err := d.detach(f)
	return errors.Join(err, h.Close())
}

// detach takes its open file, which somebody renamed or removed, from f. It is
// synced, and the caller's.
func (d *folder) detach(f *logFile) (vfs.File, error) {
	d.count.replaced.Add(1)
	d.log.Info("log file was renamed or removed by somebody else: a new one begins", "file", f.name)
	size := f.end
	if info, err := f.handle.Stat(); err == nil {
		size = max(size, info.Size)
	}
	h, err := d.release(f)
	f.base.Add(size)
	return h, err
}

// open opens or creates f.
func (d *folder) open(f *logFile) error {
	for d.opened.Len()+d.detached >= d.maxOpen && d.opened.Len() > 0 {
		if err := d.closeOldest(); err != nil {
			return err
		}
	}
	h, created, err := d.openName(f.name)
	for isNoDescriptor(err) && d.opened.Len() > 0 {
		if err := d.closeOldest(); err != nil {
			return err
		}
		h, created, err = d.openName(f.name)
	}
	if err != nil {
		return refusedBy(f.name, err)
	}
	info, err := h.Stat()
	if err == nil && info.Links > 1 {
		err = &refusal{f.name, errHardLinked}
	}
	if err != nil {
		h.Close()
		return err
	}
	if created {
		d.created(h, f.name)
	}
	id, err := h.Identity()
	if err != nil {
		h.Close()
		return err
	}
	f.syncing.Lock()
	f.handle, f.uncached = h, 0
	f.syncing.Unlock()
	f.inode, f.unsure = info.Inode, true
	f.opened = d.opened.PushFront(f)
	d.count.openFiles.Store(int64(d.opened.Len()))
	return d.resume(f, id, info.Size)
}

// resume finds where in the file that was opened the own stream goes on.
func (d *folder) resume(f *logFile, id vfs.Identity, size int64) error {
	p := &f.position
	switch {
	case !p.identity.Same(id):
		d.newNames.Store(true) // whoever made the file
		if p.identity != (vfs.Identity{}) {
			// The log must not tell of the new file while the name may still fall
			// back to the one before.
			if err := d.syncNames(); err != nil {
				return err
			}
		}
		d.place(f, placement{identity: id, own: p.own, size: size, base: f.base.Load()})
	case size < p.size:
		d.truncated(f, size)
	}
	f.end = f.position.size
	return nil
}

// truncated notes that somebody else has cut f, of which size bytes are left.
func (d *folder) truncated(f *logFile, size int64) {
	p := f.position
	d.count.shrunk.Add(1)
	d.log.Info("log file was truncated by somebody else: it goes on at its new end", "file", f.name, "size", size, "was", p.size)
	d.place(f, placement{identity: p.identity, own: p.own, size: size, base: p.base + p.size})
}

// mark sets where in its own stream f goes on.
func (d *folder) mark(f *logFile, own int64) {
	f.marking.Lock()
	f.position.own = own
	f.marking.Unlock()
}

// place sets a position that no write explains.
func (d *folder) place(f *logFile, p placement) {
	var err error
	if p.anchor, err = anchorAt(f.handle, p.size); err != nil {
		p.anchor = 0 // recovery compares the whole file then
	}
	f.marking.Lock()
	f.position = p
	f.marking.Unlock()
	f.base.Store(p.base)
	f.end, f.unsure = p.size, true
	if !f.turning {
		d.placed(f)
	}
	d.wrote(f)
}

func (d *folder) openName(name string) (h vfs.File, created bool, err error) {
	for range 3 { // the name may come and go meanwhile
		h, err = d.fs.OpenFile(name, os.O_RDWR, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return h, false, err
		}
		h, err = d.fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return h, err == nil, err
		}
	}
	return nil, false, err
}

// created sees to a file that came into being.
func (d *folder) created(h vfs.File, name string) {
	d.count.created.Add(1)
	if err := d.owner.take(h); err != nil {
		d.log.Warn("new log file keeps the user of this process as its owner", "file", name, "error", err)
	}
}

// isNoDescriptor reports that the process or the system has no descriptor left.
func isNoDescriptor(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// refusedBy makes err a *refusal where it speaks of this file, not of the disk.
func refusedBy(name string, err error) error {
	for _, of := range []error{vfs.ErrNotRegular, fs.ErrPermission, fs.ErrExist, syscall.ETXTBSY, syscall.ENAMETOOLONG, syscall.EFBIG} {
		if errors.Is(err, of) {
			return &refusal{name, err}
		}
	}
	return err
}

func (d *folder) closeOldest() error {
	return d.close(d.opened.Back().Value.(*logFile))
}

// close syncs and closes f: a write error that is not yet known would be lost
// with the descriptor.
func (d *folder) close(f *logFile) error {
	h, err := d.release(f)
	return errors.Join(err, h.Close())
}

// release syncs f and gives its handle away.
func (d *folder) release(f *logFile) (vfs.File, error) {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	err := d.syncLocked(f)
	h := f.handle
	f.handle = nil
	d.opened.Remove(f.opened)
	f.opened = nil
	d.count.openFiles.Store(int64(d.opened.Len()))
	return h, err
}

// closeAll closes every open file.
func (d *folder) closeAll() (err error) {
	for d.opened.Len() > 0 {
		err = errors.Join(err, d.closeOldest())
	}
	return err
}

// checkAll looks at the name of every open file at once.
func (d *folder) checkAll(now time.Time) error {
	for e := d.opened.Front(); e != nil; {
		f := e.Value.(*logFile)
		e = e.Next()
		if err := d.check(f, now); err != nil {
			return err
		}
	}
	return nil
}
