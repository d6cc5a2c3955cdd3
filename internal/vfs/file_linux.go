package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// file is the real [File].
type file struct {
	os *os.File

	// Where the kernel has no RWF_APPEND (before Linux 4.16).
	noAppendFlag atomic.Bool
	mu           sync.Mutex // protects appender
	appender     *os.File
}

func (f *file) OS() *os.File                             { return f.os }
func (f *file) ReadAt(b []byte, off int64) (int, error)  { return f.os.ReadAt(b, off) }
func (f *file) WriteAt(b []byte, off int64) (int, error) { return f.os.WriteAt(b, off) }
func (f *file) Truncate(size int64) error                { return f.os.Truncate(size) }
func (f *file) Chown(uid, gid int) error                 { return f.os.Chown(uid, gid) }
func (f *file) control(fn func(fd int) error) error      { return control(f.os, fn) }
func (f *file) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: f.os.Name(), Err: err}
}

func (f *file) WritevAt(parts [][]byte, off int64) (written int, err error) {
	err = f.control(func(fd int) error {
		written, err = gather(parts, func(batch [][]byte, done int) (int, error) {
			return unix.Pwritev(fd, batch, off+int64(done))
		})
		return err
	})
	return written, f.fail("write", err)
}

func (f *file) Append(parts [][]byte) (written int, err error) {
	err = f.control(func(fd int) error {
		if !f.noAppendFlag.Load() {
			written, err = gather(parts, func(batch [][]byte, _ int) (int, error) {
				return unix.Pwritev2(fd, batch, 0, unix.RWF_APPEND)
			})
			if written > 0 || !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
				return err
			}
			f.noAppendFlag.Store(true)
		}
		appender, err := f.openAppender(fd)
		if err != nil {
			return err
		}
		return control(appender, func(fd int) error {
			written, err = gather(parts, func(batch [][]byte, _ int) (int, error) {
				return unix.Writev(fd, batch)
			})
			return err
		})
	})
	return written, f.fail("append", err)
}

// openAppender gives a second descriptor of the file, which appends; it is
// closed with the file.
func (f *file) openAppender(fd int) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.appender == nil {
		name := fmt.Sprintf("/proc/self/fd/%d", fd)
		appender, err := retry(func() (int, error) {
			return unix.Open(name, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
		})
		if err != nil {
			return nil, err
		}
		f.appender = os.NewFile(uintptr(appender), f.os.Name())
	}
	return f.appender, nil
}

func (f *file) Close() error {
	err := f.os.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.appender != nil {
		err = errors.Join(err, f.appender.Close())
		f.appender = nil
	}
	return err
}

func (f *file) Datasync() error {
	return f.fail("fdatasync", f.control(func(fd int) error {
		return ignoringEINTR(func() error { return unix.Fdatasync(fd) })
	}))
}

func (f *file) Forget(from, to int64) error {
	if to > 0 && to <= from {
		return nil // a length of 0 would be all
	}
	return f.fail("fadvise", f.control(func(fd int) error {
		return unix.Fadvise(fd, from, max(to-from, 0), unix.FADV_DONTNEED)
	}))
}

func (f *file) Allocate(size int64) error {
	err := f.control(func(fd int) error {
		return ignoringEINTR(func() error { return unix.Fallocate(fd, 0, 0, size) })
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		err = fmt.Errorf("%w (%w)", errors.ErrUnsupported, err)
	}
	return f.fail("fallocate", err)
}

func (f *file) Stat() (info Info, err error) {
	err = f.control(func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		info = infoOf(&st)
		return nil
	})
	return info, f.fail("fstat", err)
}

func (f *file) Identity() (id Identity, err error) {
	err = f.control(func(fd int) error {
		id, err = identityAt(fd, "", unix.AT_EMPTY_PATH)
		return err
	})
	return id, f.fail("identify", err)
}
