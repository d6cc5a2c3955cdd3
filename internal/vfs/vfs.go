// Package vfs is the file system as the few verbs that the store and its
// write-ahead log use, each with its contract: what is durable when it returns,
// whether it may be tried again, and what a failure leaves behind.
//
// [Open] gives the real one, rooted at one folder: no name leads out of it and
// no symbolic link is followed beneath it. Package vfstest holds the twin in
// memory that fails, tears writes and loses power.
//
// Names are relative and separated by slashes. Empty components, "." and ".."
// are refused; "." alone is the folder itself where a folder is meant. Errors
// are [*fs.PathError] or [*os.LinkError] around the errno, so errors.Is works
// with fs.ErrNotExist, fs.ErrExist, syscall.ENOSPC and so on.
//
// All methods may be called from several goroutines at once.
package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// FS is one folder and what lies beneath it.
//
// A change of a directory entry (a file created, renamed or removed, a folder
// made) is seen by everyone at once and survives the death of the process. It
// survives the loss of power only after [FS.SyncDir] of the folder that holds
// the name; until then each change may survive or not, whatever became of the
// others. A rename is one change: either both names tell of it or neither.
type FS interface {
	// OpenFile opens a regular file. flag is one of os.O_RDONLY, os.O_WRONLY
	// and os.O_RDWR, with os.O_CREATE and os.O_EXCL where wanted; others are
	// refused: contents are cut by [File.Truncate], after a look at the file,
	// and O_APPEND would make WriteAt ignore its offset. It never waits, not
	// even on a FIFO, and gives [ErrNotRegular] for anything but a regular file.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Lock creates the file where it is missing and takes the exclusive lock on
	// it, held until the File is closed or the process ends. It does not wait:
	// [ErrLocked] if another opening of the file holds it.
	Lock(name string) (File, error)
	// Mkdir makes one folder.
	Mkdir(name string, perm fs.FileMode) error
	// Rename replaces newName, if there is such a file, in one step.
	Rename(oldName, newName string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// ReadDir lists a folder, sorted by name.
	ReadDir(name string) ([]Entry, error)
	// Lstat describes what has this name, which may be of any kind; "." is the
	// folder itself, where the file system tells of it.
	Lstat(name string) (Info, error)
	// Identify tells the identity of what has this name.
	Identify(name string) (Identity, error)
	// SyncDir makes the entries of a folder durable, not the contents of its
	// files. A failed call must not be taken as done when a later one succeeds.
	SyncDir(name string) error
	// SyncAll makes everything durable that is written when it is called: contents,
	// sizes and names beneath this folder, and whatever else is on the same file
	// system. For many files that takes less than a Datasync of each.
	// errors.ErrUnsupported where the system would not tell of all failures; after
	// any other error the same holds as after a failed Datasync, of every file.
	SyncAll() error
	// Free tells what is left for a caller without special rights.
	Free() (Space, error)
	// Sub opens a folder beneath this one as the root of its own.
	Sub(name string) (FS, error)
	// Close releases the folder. Files and Subs opened from it stay usable.
	Close() error
}

// File is an open regular file. Writes are seen by every reader at once and
// survive the death of the process. They survive the loss of power only after
// Datasync; until then each page of 4 KiB, and the size, may survive or not.
type File interface {
	// ReaderAt may give fewer bytes than asked only with an error; io.EOF at
	// the end of the file.
	io.ReaderAt
	// WriterAt writes all bytes or says how many it wrote and why not more. The
	// bytes counted are in the file, and so may be a part of those not counted.
	// It may be tried again.
	io.WriterAt
	// WritevAt writes the parts one after the other, in one system call while
	// there are at most 1,024 of them. Otherwise as WriteAt.
	WritevAt(parts [][]byte, off int64) (int, error)
	// Append adds the parts, one after the other, at the end of the file as it
	// is at that moment, so that the bytes of another appender are never
	// overwritten. Up to 1,024 parts get there in one piece unless the system
	// writes less than asked. It counts the bytes added; with the reason where
	// that is not all, and may be tried again with the rest.
	Append(parts [][]byte) (int, error)
	// Datasync makes the contents and the size durable, not the directory entry
	// and not the time stamps. A failed Datasync MUST NOT be tried again: the
	// kernel marks pages clean that it could not write, so the next one reports
	// success, and reading shows bytes that are not on the disk.
	Datasync() error
	// Forget drops from the page cache what is between from and to, 0 for the end of
	// the file, and not waiting to be written, so that reading shows what is on the
	// disk, as far as the system can: after a Datasync of somebody's failed, that may
	// not be the same.
	Forget(from, to int64) error
	// Truncate sets the size; a longer file reads as NUL behind its old end.
	Truncate(size int64) error
	// Allocate reserves the disk's space for the first size bytes, so that
	// writing there cannot fail for lack of it, and makes the file at least that
	// long, with NUL. On failure the file may be longer than it was.
	// errors.ErrUnsupported where the file system cannot.
	Allocate(size int64) error
	// Stat describes the file as it is.
	Stat() (Info, error)
	// Identity tells the file's identity.
	Identity() (Identity, error)
	Chown(uid, gid int) error
	// OS gives the file for sendfile and the like, still owned by this File;
	// nil where there is no such thing.
	OS() *os.File
	// Close releases the descriptor. It does not make anything durable, and a
	// write error not yet seen by Datasync may be lost with it.
	Close() error
}

// Entry is a name in a folder. Type holds the type bits only.
type Entry struct {
	Name string
	Type fs.FileMode
}

// Info describes a file. Inode tells two files apart only as long as both exist
// or are open: file systems use the numbers again. See [Identity].
type Info struct {
	Size     int64 // bytes
	Mode     fs.FileMode
	ModTime  time.Time
	Inode    uint64
	Links    uint64
	UID, GID uint32
}

// Identity tells one incarnation of a file from all others, over renames,
// truncation and restarts. Compare with [Identity.Same].
type Identity struct {
	// Handle is the file system's own name for the file, which includes the
	// generation of its inode (name_to_handle_at(2)); empty where it has none.
	Handle string
	Inode  uint64
	// Birth is the time of creation in nanoseconds since 1970, 0 if unknown.
	Birth int64
}

// Same tells whether both are the same incarnation of a file: by the handles
// where both are known, else by inode and birth.
func (id Identity) Same(other Identity) bool {
	if id.Handle != "" && other.Handle != "" && id.Handle != other.Handle {
		return false
	}
	return id.Inode == other.Inode && id.Birth == other.Birth
}

// Space is what a file system has. Inodes are 0 of 0 where it does not count them.
type Space struct {
	FreeBytes, TotalBytes   uint64
	FreeInodes, TotalInodes uint64
}

var (
	// ErrNotRegular says that a name is a folder, link, FIFO, socket or device
	// where a regular file was expected.
	ErrNotRegular = errors.New("not a regular file")
	// ErrLocked says that the lock is held by another opening of the file.
	ErrLocked = errors.New("locked by another process")
)

// IsFull tells whether err means that there is no room: the disk, a quota or a
// limit on the size of a file. What failed may be tried again later.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// ValidName tells whether name may be given where a name is asked for.
func ValidName(name string) bool {
	return name != "." && fs.ValidPath(name)
}
