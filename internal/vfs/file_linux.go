package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// file is the real [File].
type file struct{ os *os.File }

func (f *file) OS() *os.File                             { return f.os }
func (f *file) Close() error                             { return f.os.Close() }
func (f *file) ReadAt(b []byte, off int64) (int, error)  { return f.os.ReadAt(b, off) }
func (f *file) WriteAt(b []byte, off int64) (int, error) { return f.os.WriteAt(b, off) }
func (f *file) Truncate(size int64) error                { return f.os.Truncate(size) }
func (f *file) Chmod(perm fs.FileMode) error             { return f.os.Chmod(perm.Perm()) }
func (f *file) Chown(uid, gid int) error                 { return f.os.Chown(uid, gid) }
func (f *file) control(fn func(fd int) error) error      { return control(f.os, fn) }
func (f *file) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: f.os.Name(), Err: err}
}

// maxVector is how many parts Linux takes in one pwritev (UIO_MAXIOV).
const maxVector = 1024

func (f *file) WritevAt(parts [][]byte, off int64) (written int, err error) {
	err = f.control(func(fd int) error {
		for len(parts) > 0 {
			batch := parts[:min(len(parts), maxVector)]
			size := 0
			for _, p := range batch {
				size += len(p)
			}
			parts = parts[len(batch):]
			n, err := pwritev(fd, batch, off)
			if n > 0 {
				written += n
				off += int64(n)
			}
			if err != nil {
				return err
			}
			if n == size {
				continue
			}
			// A short write: the rest goes part by part, and meets the reason.
			rest, err := pwriteAfter(fd, batch, n, off)
			written += rest
			off += int64(rest)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return written, f.fail("write", err)
}

func pwritev(fd int, parts [][]byte, off int64) (int, error) {
	return retry(func() (int, error) { return unix.Pwritev(fd, parts, off) })
}

// pwriteAfter writes what follows the first skip bytes of parts.
func pwriteAfter(fd int, parts [][]byte, skip int, off int64) (written int, err error) {
	for _, p := range parts {
		if skip >= len(p) {
			skip -= len(p)
			continue
		}
		p, skip = p[skip:], 0
		for len(p) > 0 {
			n, err := retry(func() (int, error) { return unix.Pwrite(fd, p, off) })
			if err != nil {
				return written, err
			}
			if n == 0 {
				return written, unix.EIO
			}
			written += n
			off += int64(n)
			p = p[n:]
		}
	}
	return written, nil
}

func (f *file) Datasync() error {
	return f.fail("fdatasync", f.control(func(fd int) error {
		return ignoringEINTR(func() error { return unix.Fdatasync(fd) })
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
