package fault

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// copyFolder copies a folder as "cp -a" does, holes left out. A file that goes
// meanwhile is left out too. skip, where it is not nil, leaves out names.
func copyFolder(t *testing.T, from, to string, skip func(name string) bool) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(from, path)
		if err != nil || relErr != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return errors.Join(err, relErr)
		}
		if skip != nil && skip(name) {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case e.IsDir():
			err = os.MkdirAll(target, info.Mode().Perm())
		case e.Type().IsRegular():
			err = copyFile(path, target)
		default:
			return nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if stat := info.Sys().(*syscall.Stat_t); err == nil && os.Geteuid() == 0 {
			err = os.Lchown(target, int(stat.Uid), int(stat.Gid))
		}
		return err
	}))
}

// copyFile copies what a file holds at this moment, into one that may be there.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer out.Close()
	for at := int64(0); ; {
		data, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if err != nil || data >= info.Size() { // ENXIO: no more data
			break
		}
		hole, err := unix.Seek(int(in.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(out, data), io.NewSectionReader(in, data, hole-data)); err != nil {
			return err
		}
		at = hole
	}
	if end, err := out.Stat(); err != nil || end.Size() >= info.Size() {
		return err
	}
	return out.Truncate(info.Size())
}

// restore makes a folder what it was when it was copied. Files that are there
// stay the same ones, with their old contents.
func restore(t *testing.T, copied, dir string) {
	t.Helper()
	for _, name := range files(t, dir) {
		if _, err := os.Stat(copied + strings.TrimPrefix(name, dir)); errors.Is(err, fs.ErrNotExist) {
			require.NoError(t, os.Remove(name))
		}
	}
	copyFolder(t, copied, dir, nil)
}

// isState tells whether a name in the log folder is the state's.
func isState(name string) bool { return name == ".dalogd" || strings.HasPrefix(name, ".dalogd/") }

// texts is what the log files of a folder hold, by program, whole lines only.
func texts(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := filepath.Glob(filepath.Join(dir, "p*.log"))
	require.NoError(t, err)
	for _, name := range names {
		program := strings.TrimSuffix(filepath.Base(name), ".log")
		generations, err := generations(dir, program)
		require.NoError(t, err)
		for _, g := range generations {
			data, err := contents(g)
			require.NoError(t, err)
			all[program] += string(data[:strings.LastIndexByte(string(data), '\n')+1])
		}
	}
	return all
}
