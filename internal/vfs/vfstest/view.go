package vfstest

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/dalog-project/dalog/internal/vfs"
)

// view is a folder of the disk as one process sees it.
type view struct {
	d       *Disk
	dir     *node
	path    string // of dir beneath the root; "" is the root
	epoch   int
	outside bool
}

// call runs fn, if the call is to succeed, under the lock.
func (v *view) call(op Op, name string, fn func() error) error {
	v.d.mu.Lock()
	defer v.d.mu.Unlock()
	return v.locked(op, name, fn)
}

func (v *view) locked(op Op, name string, fn func() error) error {
	full := path.Join(v.path, name)
	err := v.enter(op, full)
	if err == nil {
		err = fn()
	}
	if err != nil {
		return &fs.PathError{Op: opNames[op], Path: full, Err: err}
	}
	return nil
}

func (v *view) enter(op Op, full string) error {
	if v.outside {
		return nil
	}
	if v.epoch != v.d.epoch {
		return ErrCrashed
	}
	_, err := v.d.enter(op, full)
	return err
}

var opNames = map[Op]string{
	Open: "open", Create: "open", Lock: "lock", Mkdir: "mkdir", Rename: "rename", Remove: "remove",
	ReadDir: "readdir", Lstat: "lstat", SyncDir: "syncdir", SyncAll: "syncfs", Free: "statfs", Sub: "open",
	Read: "read", Write: "write", Datasync: "fdatasync", Truncate: "truncate", Allocate: "fallocate",
	Stat: "fstat", Chown: "chown",
}

// folder finds a folder by name.
func (v *view) folder(name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, syscall.EINVAL
	}
	dir := v.dir
	if name == "." {
		return dir, nil
	}
	for _, part := range strings.Split(name, "/") {
		next := dir.entries[part]
		if next == nil {
			return nil, syscall.ENOENT
		}
		if !next.isDir() {
			return nil, syscall.ENOTDIR
		}
		dir = next
	}
	return dir, nil
}

// place finds the folder that holds name, its last component, and the node that
// has this name or nil.
func (v *view) place(name string) (dir *node, base string, n *node, err error) {
	if !vfs.ValidName(name) {
		return nil, "", nil, syscall.EINVAL
	}
	dir, err = v.folder(path.Dir(name))
	if err != nil {
		return nil, "", nil, err
	}
	base = path.Base(name)
	if len(base) > 255 {
		return nil, "", nil, syscall.ENAMETOOLONG
	}
	if dir.gone {
		return nil, "", nil, syscall.ENOENT
	}
	return dir, base, dir.entries[base], nil
}

func (v *view) existing(name string) (*node, error) {
	_, _, n, err := v.place(name)
	if err == nil && n == nil {
		err = syscall.ENOENT
	}
	return n, err
}

func (v *view) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	v.d.mu.Lock()
	defer v.d.mu.Unlock()
	h, err := v.open(Open, name, flag, perm)
	if err != nil {
		return nil, err
	}
	return h, nil
}

func (v *view) open(op Op, name string, flag int, perm fs.FileMode) (*handle, error) {
	_, _, n, err := v.place(name)
	if op == Open && err == nil && n == nil && flag&os.O_CREATE != 0 {
		op = Create
	}
	var h *handle
	err = v.locked(op, name, func() error {
		if flag&^(syscall.O_ACCMODE|os.O_CREATE|os.O_EXCL) != 0 {
			return syscall.EINVAL
		}
		dir, base, n, err := v.place(name)
		switch {
		case err != nil:
			return err
		case n == nil && flag&os.O_CREATE == 0:
			return syscall.ENOENT
		case n == nil:
			if n, err = v.create(dir, base, false, perm); err != nil {
				return err
			}
		case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
			return syscall.EEXIST
		case n.isDir():
			return vfs.ErrNotRegular
		}
		h = &handle{view: v, n: n, path: path.Join(v.path, name), access: flag & syscall.O_ACCMODE}
		n.handles++
		v.d.open[h] = struct{}{}
		return nil
	})
	return h, err
}

func (v *view) create(dir *node, base string, isDir bool, perm fs.FileMode) (*node, error) {
	if v.d.nodeLimit >= 0 && v.d.nodes >= v.d.nodeLimit {
		return nil, syscall.ENOSPC
	}
	n := v.d.newNode(isDir, perm)
	dir.entries[base] = n
	made := change{node: n, to: place{dir, base}}
	if before := v.d.owners[n.inode]; before != nil {
		made.others = []*node{before}
	}
	v.d.owners[n.inode] = n
	v.d.record(made)
	return n, nil
}

func (v *view) Lock(name string) (vfs.File, error) {
	v.d.mu.Lock()
	defer v.d.mu.Unlock()
	h, err := v.open(Lock, name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if h.n.locked != nil {
		h.close()
		return nil, &fs.PathError{Op: opNames[Lock], Path: h.path, Err: vfs.ErrLocked}
	}
	h.n.locked = h
	return h, nil
}

func (v *view) Mkdir(name string, perm fs.FileMode) error {
	return v.call(Mkdir, name, func() error {
		dir, base, n, err := v.place(name)
		if err == nil && n != nil {
			err = syscall.EEXIST
		}
		if err == nil {
			_, err = v.create(dir, base, true, perm)
		}
		return err
	})
}

func (v *view) Rename(oldName, newName string) error {
	v.d.mu.Lock()
	defer v.d.mu.Unlock()
	err := v.enter(Rename, path.Join(v.path, oldName))
	if err == nil {
		err = v.rename(oldName, newName)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: path.Join(v.path, oldName), New: path.Join(v.path, newName), Err: err}
	}
	return nil
}

func (v *view) rename(oldName, newName string) error {
	oldDir, oldBase, n, err := v.place(oldName)
	if err != nil {
		return err
	}
	newDir, newBase, over, err := v.place(newName)
	switch {
	case err != nil:
		return err
	case n == nil:
		return syscall.ENOENT
	case n == over:
		return nil
	case n.isDir() && strings.HasPrefix(newName+"/", oldName+"/"):
		return syscall.EINVAL
	case over != nil && over.isDir() && strings.HasPrefix(oldName+"/", newName+"/"):
		return syscall.ENOTEMPTY
	case over != nil && over.isDir() && !n.isDir():
		return syscall.EISDIR
	case over != nil && !over.isDir() && n.isDir():
		return syscall.ENOTDIR
	case over != nil && len(over.entries) > 0:
		return syscall.ENOTEMPTY
	}
	delete(oldDir.entries, oldBase)
	newDir.entries[newBase] = n
	moved := change{node: n, from: place{oldDir, oldBase}, to: place{newDir, newBase}}
	if over != nil {
		moved.others = []*node{over}
	}
	v.d.record(moved)
	v.drop(over)
	return nil
}

// drop is told that n, if any, has no name any more.
func (v *view) drop(n *node) {
	if n != nil {
		n.gone = true
		n.release(v.d)
	}
}

func (v *view) Remove(name string) error {
	return v.call(Remove, name, func() error {
		dir, base, n, err := v.place(name)
		switch {
		case err != nil:
			return err
		case n == nil:
			return syscall.ENOENT
		case len(n.entries) > 0:
			return syscall.ENOTEMPTY
		}
		delete(dir.entries, base)
		v.d.record(change{node: n, from: place{dir, base}})
		v.drop(n)
		return nil
	})
}

func (v *view) ReadDir(name string) (entries []vfs.Entry, err error) {
	err = v.call(ReadDir, name, func() error {
		dir, err := v.folder(name)
		if err != nil {
			return err
		}
		entries = make([]vfs.Entry, 0, len(dir.entries))
		for _, name := range dir.names() {
			entries = append(entries, vfs.Entry{Name: name, Type: dir.entries[name].mode.Type()})
		}
		return nil
	})
	return entries, err
}

func (v *view) Lstat(name string) (info vfs.Info, err error) {
	err = v.call(Lstat, name, func() error {
		n, err := v.existing(name)
		if err == nil {
			info = n.info()
		}
		return err
	})
	return info, err
}

func (v *view) Identify(name string) (id vfs.Identity, err error) {
	err = v.call(Lstat, name, func() error {
		n, err := v.existing(name)
		if err == nil {
			id = n.identity(v.d)
		}
		return err
	})
	return id, err
}

func (v *view) SyncDir(name string) error {
	v.d.mu.Lock()
	defer v.d.mu.Unlock()
	dir, err := v.folder(name)
	if err == nil {
		if err = v.enter(SyncDir, path.Join(v.path, name)); err == nil {
			v.d.syncDir(dir)
			return nil
		}
		if err != ErrCrashed {
			v.d.settleSome(0.5, dir)
		}
	}
	return &fs.PathError{Op: opNames[SyncDir], Path: path.Join(v.path, name), Err: err}
}

func (v *view) SyncAll() error {
	v.d.mu.Lock()
	defer v.d.mu.Unlock()
	if v.d.opt.NoSyncAll {
		return &fs.PathError{Op: opNames[SyncAll], Path: v.path, Err: errors.ErrUnsupported}
	}
	err := v.enter(SyncAll, v.path)
	switch err {
	case nil:
		v.d.settleSome(1, nil)
		v.d.eachFile(func(n *node) { n.sync(v.d) })
		return nil
	case ErrCrashed:
	default:
		v.d.settleSome(0.5, nil)
		v.d.eachFile(func(n *node) { n.failSync(v.d) })
	}
	return &fs.PathError{Op: opNames[SyncAll], Path: v.path, Err: err}
}

// hugeDisk is what an unlimited disk says it has.
const hugeDisk = 1 << 40

func (v *view) Free() (space vfs.Space, err error) {
	err = v.call(Free, ".", func() error {
		d := v.d
		page := int64(d.opt.Page)
		space = vfs.Space{FreeBytes: hugeDisk, TotalBytes: 2 * hugeDisk, FreeInodes: hugeDisk, TotalInodes: 2 * hugeDisk}
		if d.pageLimit >= 0 {
			space.TotalBytes = uint64(d.pageLimit * page)
			space.FreeBytes = uint64(max(0, d.pageLimit-d.pages) * page)
		}
		if d.nodeLimit >= 0 {
			space.TotalInodes = uint64(d.nodeLimit)
			space.FreeInodes = uint64(max(0, d.nodeLimit-d.nodes))
		}
		return nil
	})
	return space, err
}

func (v *view) Sub(name string) (sub vfs.FS, err error) {
	err = v.call(Sub, name, func() error {
		dir, err := v.folder(name)
		if err == nil {
			sub = &view{d: v.d, dir: dir, path: path.Join(v.path, name), epoch: v.epoch, outside: v.outside}
		}
		return err
	})
	return sub, err
}

func (v *view) Close() error { return nil }
