package vfstest

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/dalog-project/dalog/internal/vfs"
)

// handle is an open file of one process.
type handle struct {
	*view
	n      *node
	path   string
	access int // O_RDONLY, O_WRONLY or O_RDWR
	closed bool
}

// do runs fn under the lock, or says why not, and what a failing write still
// writes.
func (h *handle) do(op Op, fn func() error) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	_, err := h.admit(op)
	if err == nil {
		err = fn()
	}
	return h.fail(op, err)
}

func (h *handle) admit(op Op) (tear int, err error) {
	switch {
	case !h.outside && h.epoch != h.d.epoch:
		return 0, ErrCrashed
	case h.closed:
		return 0, os.ErrClosed
	case op == Read && h.access == os.O_WRONLY, op == Write && h.access == os.O_RDONLY:
		return 0, syscall.EBADF
	case (op == Truncate || op == Allocate) && h.access == os.O_RDONLY:
		return 0, syscall.EINVAL
	case h.outside:
		return 0, nil
	}
	return h.d.enter(op, h.path)
}

func (h *handle) fail(op Op, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: opNames[op], Path: h.path, Err: err}
}

func (h *handle) ReadAt(b []byte, off int64) (count int, err error) {
	err = h.do(Read, func() error {
		if off < 0 {
			return syscall.EINVAL
		}
		if count = h.n.read(h.d, b, off); count < len(b) {
			return io.EOF
		}
		return nil
	})
	return count, err
}

func (h *handle) WriteAt(b []byte, off int64) (int, error) {
	return h.WritevAt([][]byte{b}, off)
}

func (h *handle) WritevAt(parts [][]byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if off < 0 {
		return 0, h.fail(Write, syscall.EINVAL)
	}
	return h.write(parts, off)
}

func (h *handle) Append(parts [][]byte) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return h.write(parts, h.n.size)
}

func (h *handle) write(parts [][]byte, off int64) (written int, err error) {
	tear, failure := h.admit(Write)
	if failure != nil && tear == 0 {
		return 0, h.fail(Write, failure)
	}
	for _, b := range parts {
		if failure != nil {
			b = b[:min(len(b), tear)]
			tear -= len(b)
		}
		n, err := h.n.write(h.d, b, off)
		written += n
		off += int64(n)
		if err != nil {
			return written, h.fail(Write, err)
		}
	}
	return written, h.fail(Write, failure)
}

func (h *handle) Datasync() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	_, err := h.admit(Datasync)
	switch {
	case err == nil:
		h.n.sync(h.d)
	case !errors.Is(err, ErrCrashed) && !errors.Is(err, os.ErrClosed):
		h.n.failSync(h.d)
	}
	return h.fail(Datasync, err)
}

func (h *handle) Forget(from, to int64) error {
	return h.do(Read, func() error {
		h.n.forget(h.d, from, to)
		return nil
	})
}

func (h *handle) Truncate(size int64) error {
	return h.do(Truncate, func() error {
		if size < 0 {
			return syscall.EINVAL
		}
		h.n.resize(h.d, size)
		return nil
	})
}

func (h *handle) Allocate(size int64) error {
	return h.do(Allocate, func() error {
		if h.d.opt.NoAllocate {
			return errors.ErrUnsupported
		}
		if size <= 0 {
			return syscall.EINVAL
		}
		return h.n.allocate(h.d, size)
	})
}

func (h *handle) Stat() (info vfs.Info, err error) {
	err = h.do(Stat, func() error { info = h.n.info(); return nil })
	return info, err
}

func (h *handle) Identity() (id vfs.Identity, err error) {
	err = h.do(Stat, func() error { id = h.n.identity(h.d); return nil })
	return id, err
}

func (n *node) identity(d *Disk) vfs.Identity {
	id := vfs.Identity{Inode: uint64(n.inode), Birth: n.birth}
	if !d.opt.NoHandles {
		h := binary.LittleEndian.AppendUint64(nil, uint64(n.inode))
		id.Handle = string(binary.LittleEndian.AppendUint64(h, uint64(n.birth)))
	}
	return id
}

func (h *handle) Chown(uid, gid int) error {
	return h.do(Chown, func() error {
		if uid >= 0 {
			h.n.uid = uint32(uid)
		}
		if gid >= 0 {
			h.n.gid = uint32(gid)
		}
		return nil
	})
}

// OS gives nil: there is no file of the operating system.
func (h *handle) OS() *os.File { return nil }

func (h *handle) Close() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	switch {
	case !h.outside && h.epoch != h.d.epoch:
		return h.fail(Open, ErrCrashed)
	case h.closed:
		return h.fail(Open, os.ErrClosed)
	}
	h.close()
	return nil
}

func (h *handle) close() {
	h.closed = true
	delete(h.d.open, h)
	if h.n.locked == h {
		h.n.locked = nil
	}
	h.n.handles--
	h.n.release(h.d)
}
