package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dirFS is the real [FS].
type dirFS struct {
	dir  *os.File
	path string // for messages only
	// noOpenat2 is set once the kernel, or what guards it, turned out not to
	// have the call.
	noOpenat2 atomic.Bool
}

// Open opens the folder dir as the root of an [FS]. Links on the way to it are
// followed, those beneath it are not.
func Open(dir string) (FS, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return &dirFS{dir: os.NewFile(uintptr(fd), dir), path: dir}, nil
}

func (d *dirFS) Close() error { return d.dir.Close() }

func (d *dirFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := d.openFile(name, flag, perm)
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	return f, nil
}

func (d *dirFS) openFile(name string, flag int, perm fs.FileMode) (*file, error) {
	if flag&^(unix.O_ACCMODE|os.O_CREATE|os.O_EXCL) != 0 || !ValidName(name) {
		return nil, unix.EINVAL
	}
	fd, err := d.openat(name, flag|unix.O_NONBLOCK, uint32(perm.Perm()))
	if err != nil {
		// What open says of a link, a folder opened for writing, and a socket
		// or a FIFO that nobody reads.
		if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENXIO) {
			err = fmt.Errorf("%w (%w)", ErrNotRegular, err)
		}
		return nil, err
	}
	f := &file{os: os.NewFile(uintptr(fd), filepath.Join(d.path, name))}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		f.Close()
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		f.Close()
		return nil, ErrNotRegular
	}
	return f, nil
}

func (d *dirFS) Lock(name string) (File, error) {
	f, err := d.openFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, d.fail("lock", name, err)
	}
	err = f.control(func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, d.fail("lock", name, err)
	}
	return f, nil
}

func (d *dirFS) Mkdir(name string, perm fs.FileMode) error {
	return d.fail("mkdir", name, d.at(name, func(dir int, base string) error {
		return unix.Mkdirat(dir, base, uint32(perm.Perm()))
	}))
}

func (d *dirFS) Rename(oldName, newName string) error {
	err := d.at(oldName, func(oldDir int, oldBase string) error {
		return d.at(newName, func(newDir int, newBase string) error {
			return unix.Renameat(oldDir, oldBase, newDir, newBase)
		})
	})
	if err != nil {
		return &os.LinkError{Op: "rename", Old: filepath.Join(d.path, oldName), New: filepath.Join(d.path, newName), Err: err}
	}
	return nil
}

func (d *dirFS) Remove(name string) error {
	return d.fail("remove", name, d.at(name, func(dir int, base string) error {
		err := unix.Unlinkat(dir, base, 0)
		if errors.Is(err, unix.EISDIR) {
			err = unix.Unlinkat(dir, base, unix.AT_REMOVEDIR)
		}
		return err
	}))
}

func (d *dirFS) ReadDir(name string) ([]Entry, error) {
	dir, err := d.openDir(name)
	if err != nil {
		return nil, d.fail("readdir", name, err)
	}
	defer dir.Close()
	list, err := dir.ReadDir(-1)
	if err != nil {
		return nil, d.fail("readdir", name, err)
	}
	entries := make([]Entry, len(list))
	for i, e := range list {
		entries[i] = Entry{Name: e.Name(), Type: e.Type()}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

func (d *dirFS) Lstat(name string) (info Info, err error) {
	if name == "." {
		err = control(d.dir, func(fd int) error {
			var st unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil {
				return err
			}
			info = infoOf(&st)
			return nil
		})
		return info, d.fail("lstat", name, err)
	}
	err = d.at(name, func(dir int, base string) error {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		info = infoOf(&st)
		return nil
	})
	return info, d.fail("lstat", name, err)
}

func (d *dirFS) Identify(name string) (id Identity, err error) {
	err = d.at(name, func(dir int, base string) error {
		id, err = identityAt(dir, base, unix.AT_SYMLINK_NOFOLLOW)
		return err
	})
	return id, d.fail("identify", name, err)
}

func (d *dirFS) SyncDir(name string) error {
	dir, err := d.openDir(name)
	if err != nil {
		return d.fail("syncdir", name, err)
	}
	defer dir.Close()
	return d.fail("syncdir", name, dir.Sync())
}

// SyncAll is syncfs(2). The descriptor of the folder, which is open from the
// beginning, is what the kernel remembers by which failures were told.
func (d *dirFS) SyncAll() error {
	return d.fail("syncfs", ".", control(d.dir, func(fd int) error {
		var st unix.Statfs_t
		if err := unix.Fstatfs(fd, &st); err != nil {
			return err
		}
		switch st.Type {
		case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC:
		default: // overlayfs and network file systems tell of some failures only
			return errors.ErrUnsupported
		}
		if !syncfsTells() {
			return errors.ErrUnsupported
		}
		if err := unix.Syncfs(fd); err != nil {
			return err
		}
		return unix.Fsync(fd) // ext4 without a journal writes inodes after it has emptied the disk's cache
	}))
}

// syncfsTells reports whether syncfs(2) gives all errors: since Linux 5.8 those of
// writing contents, since 5.17 those of the file system's own.
var syncfsTells = sync.OnceValue(func() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 5 || major == 5 && minor >= 17
})

func (d *dirFS) Free() (Space, error) {
	var st unix.Statfs_t
	err := control(d.dir, func(fd int) error { return unix.Fstatfs(fd, &st) })
	if err != nil {
		return Space{}, d.fail("statfs", ".", err)
	}
	unit := uint64(st.Frsize)
	if unit == 0 {
		unit = uint64(st.Bsize)
	}
	return Space{
		FreeBytes: st.Bavail * unit, TotalBytes: st.Blocks * unit,
		FreeInodes: st.Ffree, TotalInodes: st.Files,
	}, nil
}

func (d *dirFS) Sub(name string) (FS, error) {
	dir, err := d.openDir(name)
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	return &dirFS{dir: dir, path: filepath.Join(d.path, name)}, nil
}

func (d *dirFS) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err
	}
	return &fs.PathError{Op: op, Path: filepath.Join(d.path, name), Err: err}
}

// at runs fn with the folder that holds name, and the last component of name.
func (d *dirFS) at(name string, fn func(dir int, base string) error) error {
	if !ValidName(name) {
		return unix.EINVAL
	}
	dirName, base := path.Split(name)
	if dirName == "" {
		return control(d.dir, func(fd int) error { return ignoringEINTR(func() error { return fn(fd, base) }) })
	}
	dir, err := d.openDir(path.Clean(dirName))
	if err != nil {
		return err
	}
	defer dir.Close()
	return control(dir, func(fd int) error { return ignoringEINTR(func() error { return fn(fd, base) }) })
}

// openDir opens a folder of its own description, so that its position in
// reading is nobody else's.
func (d *dirFS) openDir(name string) (*os.File, error) {
	if !fs.ValidPath(name) {
		return nil, unix.EINVAL
	}
	fd, err := d.openat(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), filepath.Join(d.path, name)), nil
}

// openat opens name beneath the folder, following no link.
func (d *dirFS) openat(name string, flag int, perm uint32) (fd int, err error) {
	flag |= unix.O_CLOEXEC | unix.O_NOFOLLOW
	err = control(d.dir, func(dir int) error {
		if !d.noOpenat2.Load() {
			fd, err = openat2(dir, name, flag, perm)
			// Old kernels have no such call; some container runtimes answer
			// EPERM for calls that they do not know.
			if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
				return err
			}
		}
		fd, err = openatByStep(dir, name, flag, perm)
		if err == nil {
			d.noOpenat2.Store(true)
		}
		return err
	})
	return fd, err
}

func openat2(dir int, name string, flag int, perm uint32) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flag),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	if flag&unix.O_CREAT != 0 {
		how.Mode = uint64(perm)
	}
	return retry(func() (int, error) { return unix.Openat2(dir, name, &how) })
}

// openatByStep opens each component of name by itself, refusing links, which
// comes to the same as openat2 since no component is "..".
func openatByStep(dir int, name string, flag int, perm uint32) (int, error) {
	at := dir
	for {
		first, rest, more := strings.Cut(name, "/")
		f, p := unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(0)
		if !more {
			f, p = flag, perm
		}
		fd, err := retry(func() (int, error) { return unix.Openat(at, first, f, p) })
		if at != dir {
			unix.Close(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, name = fd, rest
	}
}

func infoOf(st *unix.Stat_t) Info {
	return Info{
		Size: st.Size, Mode: modeOf(st.Mode), ModTime: time.Unix(st.Mtim.Unix()),
		Inode: st.Ino, Links: uint64(st.Nlink), UID: st.Uid, GID: st.Gid,
	}
}

func modeOf(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	}
	return mode
}

// control runs fn on the descriptor, which stays open meanwhile.
func control(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if raw.Control(func(fd uintptr) { inner = fn(int(fd)) }) != nil {
		return os.ErrClosed // the one reason why it does not call
	}
	return inner
}

func ignoringEINTR(fn func() error) error {
	for {
		if err := fn(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func retry(fn func() (int, error)) (n int, err error) {
	err = ignoringEINTR(func() error { n, err = fn(); return err })
	return n, err
}
