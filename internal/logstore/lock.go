package logstore

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/dalog-project/dalog/internal/vfs"
)

// lockName is the file in the state folder that a running Store holds locked,
// with its process id as text. It stays when the Store ends: the lock counts,
// not the file.
const lockName = "lock"

// LockedError says that another process uses the state folder.
type LockedError struct {
	Dir string
	PID int // 0 where it is not known
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("%s already uses the state folder %s: stop it, or use another log folder", who, e.Dir)
}

// lock locks the state folder for this process until the file is closed. A full
// disk does not keep it from that, only from saying who holds the lock.
func lock(state vfs.FS, cfg Config) (vfs.File, error) {
	f, err := state.Lock(lockName)
	if errors.Is(err, vfs.ErrLocked) {
		return nil, &LockedError{Dir: cfg.StateDir, PID: lockHolder(state)}
	}
	if err != nil {
		return nil, err
	}
	pid := strconv.AppendInt(nil, int64(os.Getpid()), 10)
	err = cfg.Owner.take(f)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(pid, '\n'), 0)
	}
	if err != nil && !vfs.IsFull(err) {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lockHolder reads who holds the lock; 0 where that cannot be told.
func lockHolder(state vfs.FS) int {
	f, err := state.OpenFile(lockName, os.O_RDONLY, 0)
	if err != nil {
		return 0
	}
	defer f.Close()
	var buf [24]byte
	n, _ := f.ReadAt(buf[:], 0) // io.EOF: the file is shorter
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil {
		return 0
	}
	return pid
}
