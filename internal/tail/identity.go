package tail

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/vfs"
)

// fileKey tells files apart while one of them is held open: its inode cannot be
// used again until then.
type fileKey struct {
	dev, ino uint64
}

// look is what one fstat or stat shows.
type look struct {
	key   fileKey
	size  int64
	ctime int64 // nanoseconds
	mtime int64
	links uint64
	mode  uint32
}

func lookOf(st *unix.Stat_t) look {
	return look{
		key:   fileKey{uint64(st.Dev), st.Ino},
		size:  st.Size,
		ctime: st.Ctim.Nano(),
		mtime: st.Mtim.Nano(),
		links: uint64(st.Nlink),
		mode:  st.Mode,
	}
}

func lookAt(path string) (look, error) {
	var st unix.Stat_t
	if err := retryEINTR(func() error { return unix.Stat(path, &st) }); err != nil {
		return look{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return lookOf(&st), nil
}

func lookFile(f *os.File) (look, error) {
	var st unix.Stat_t
	if err := retryEINTR(func() error { return unix.Fstat(int(f.Fd()), &st) }); err != nil {
		return look{}, &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return lookOf(&st), nil
}

func retryEINTR(fn func() error) error {
	for {
		if err := fn(); err != unix.EINTR {
			return err
		}
	}
}

// opened is a file just opened for reading, not yet a source.
type opened struct {
	file  *os.File
	look  look
	ident vfs.Identity
	birth int64 // nanoseconds; the time of modification where no birth is known
}

// openFile opens a regular file. It never waits, whatever stands there.
func openFile(path string) (*opened, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	o := &opened{file: f}
	if o.look, err = lookFile(f); err != nil {
		f.Close()
		return nil, err
	}
	if o.look.mode&unix.S_IFMT != unix.S_IFREG {
		f.Close()
		return nil, &os.PathError{Op: "open", Path: path, Err: vfs.ErrNotRegular}
	}
	if o.ident, err = identify(f); err != nil {
		f.Close()
		return nil, err
	}
	o.birth = o.ident.Birth
	if o.birth == 0 {
		o.birth = o.look.mtime
	}
	return o, nil
}
