package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// prepareFolders makes what dalogd is about to use usable for a, while it is
// root: folders that are missing are made, and what a dalogd left behind that ran
// as root, or as another user, is given to a. Nothing else changes hands: no link
// is followed, and no file with a second name is touched.
func (a *account) prepareFolders(logDir, stateDir string) error {
	before, err := a.takeState(stateDir, logDir)
	if err != nil {
		return err
	}
	if err := a.takeLogDir(logDir, before.known); err != nil {
		return err
	}
	dir, err := os.Open(logDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return a.takeLogs(dir, before)
}

// former is who owned the state folder, and so who dalogd was before.
type former struct {
	uid   uint32
	known bool
}

func (f former) owns(uid uint32) bool { return uid == 0 || f.known && uid == f.uid }

// takeState gives the state folder and all beneath it to a.
func (a *account) takeState(stateDir, logDir string) (former, error) {
	// Who may write to the log folder could have put a link in its place.
	dir, err := os.OpenFile(stateDir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return former{}, fmt.Errorf("state folder %s is a link or no folder at all: name the folder itself with --state-dir, or remove it", stateDir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if filepath.Dir(filepath.Clean(stateDir)) == filepath.Clean(logDir) {
			return former{}, nil // a makes it
		}
		if err := os.Mkdir(stateDir, 0o700); err != nil {
			return former{}, fmt.Errorf("state folder: %w", err)
		}
		return former{}, os.Chown(stateDir, a.uid, a.gid)
	}
	if err != nil {
		return former{}, fmt.Errorf("state folder: %w", err)
	}
	defer dir.Close()
	if inUse(dir) {
		return former{}, errInUse
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return former{}, err
	}
	if err := a.takeTree(dir, 3); err != nil {
		return former{}, fmt.Errorf("state folder %s: %w", stateDir, err)
	}
	return former{st.Uid, true}, dir.Chown(a.uid, a.gid)
}

// errInUse says that a running dalogd has the folders, as whomever.
var errInUse = errors.New("another dalogd uses it")

// inUse tells whether the lock of the state folder is held.
func inUse(state *os.File) bool {
	fd, err := unix.Openat(int(state.Fd()), "lock", unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return errors.Is(unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// takeTree gives what lies in dir to a, down to a depth.
func (a *account) takeTree(dir *os.File, depth int) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		isDir, err := a.take(dir, name, nil)
		if err != nil {
			return err
		}
		if isDir && depth > 0 {
			if err := a.within(dir, name, func(sub *os.File) error { return a.takeTree(sub, depth-1) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeLogDir makes the log folder one that a may write to. One that root owns is
// given to a if nothing else than dalogd's is in it.
func (a *account) takeLogDir(logDir string, ours bool) error {
	err := os.Mkdir(logDir, 0o755)
	if err == nil {
		return os.Chown(logDir, a.uid, a.gid)
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(logDir, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: logDir, Err: err}
	}
	if st.Uid != 0 || st.Mode&0o002 != 0 {
		return nil // a's own, or of somebody whom the operator chose
	}
	if !ours {
		entries, err := os.ReadDir(logDir)
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			if st.Gid == uint32(a.gid) && st.Mode&0o020 != 0 {
				return nil
			}
			return fmt.Errorf("it belongs to root and has files of others in it, while dalogd is to run as %[1]s. Give it away with: chown %[1]s %[2]s, or choose another user with --user", a.name, logDir)
		}
	}
	return os.Chown(logDir, a.uid, a.gid)
}

// takeLogs gives log files and their parts to a that belong to root or to whom
// dalogd was before.
func (a *account) takeLogs(dir *os.File, before former) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, ".log"):
			_, err = a.take(dir, name, before.owns)
		case strings.HasSuffix(name, ".log.d"):
			var isDir bool
			if isDir, err = a.take(dir, name, before.owns); err == nil && isDir {
				err = a.within(dir, name, func(sub *os.File) error { return a.takeParts(sub, before) })
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *account) takeParts(dir *os.File, before former) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := a.take(dir, name, before.owns); err != nil {
			return err
		}
	}
	return nil
}

// within opens the folder name in dir, which may not be a link.
func (a *account) within(dir *os.File, name string, f func(*os.File) error) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	sub := os.NewFile(uintptr(fd), name)
	defer sub.Close()
	return f(sub)
}

// take gives one folder, or one file without a second name, to a, if from says
// so of its owner; nil: whoever it is.
func (a *account) take(dir *os.File, name string, from func(uid uint32) bool) (isDir bool, err error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	isDir = st.Mode&unix.S_IFMT == unix.S_IFDIR
	isFile := st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink == 1
	if !isDir && !isFile || int(st.Uid) == a.uid || from != nil && !from(st.Uid) {
		return isDir, nil
	}
	if err := unix.Fchownat(fd, "", a.uid, a.gid, unix.AT_EMPTY_PATH); err != nil {
		return isDir, &fs.PathError{Op: "chown", Path: name, Err: err}
	}
	return isDir, nil
}
