package tail

import (
	"os"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
)

// Config says what to follow. Zero values mean the defaults.
type Config struct {
	// Patterns are paths, or patterns as of [filepath.Match]. A file that fits
	// several belongs to the first. What does not exist yet is waited for.
	Patterns []string
	// FromEnd begins at the end of the files that are there when a pattern is
	// followed for the first time ever. Later files are read from the beginning.
	FromEnd bool
	// MaxLine is the longest line in bytes; longer ones are cut. Default 1 MiB.
	MaxLine int
	// RotateWait is how long a rotated or deleted file must be idle before its
	// last line counts as ended and the file is closed. Default 60 s.
	RotateWait time.Duration
	// Poll is the time between two looks at an idle file (default 250 ms; up to
	// Scan while inotify watches it), Scan
	// that between two looks at a path and its folder (default 1 s).
	Poll, Scan time.Duration
	// OldDirs are folders that rotated files are put into, relative to that of the
	// path. Folders within that one need not be named, but for files that came and
	// went while nobody looked and nothing else was moved there.
	OldDirs []string
	// HoldDeleted is how many bytes the files may have that were deleted and are
	// not confirmed: they are held open. Beyond it the oldest are given up. Default
	// 1 GiB.
	HoldDeleted int64
	// PinDir, if set, is a folder on the same file system for second names (hard
	// links) of the followed files, so that one that is deleted while nobody looks is
	// read to its end: within HoldDeleted, too. Pin says that such names are made;
	// without it those that are there are used up.
	PinDir string
	Pin    bool
	// TempDir is where the unread rest of compressed files is unpacked to, in files
	// without names of at most UnpackLimit bytes (default 256 MiB) each. Default
	// os.TempDir().
	TempDir     string
	UnpackLimit int64
	// Memory must be set.
	Memory Memory
	// Notify, if set, is told what happens, by the goroutine of Run. It must not
	// block.
	Notify func(Event)
	// NoHold hands on lines as they come. Otherwise an event that may go on, such
	// as a traceback, waits a moment for its end.
	NoHold bool
	// NoHints leaves inotify alone.
	NoHints bool
}

func (c *Config) setDefaults() {
	if c.MaxLine <= 0 {
		c.MaxLine = 1 << 20
	}
	if c.RotateWait <= 0 {
		c.RotateWait = time.Minute
	}
	if c.Poll <= 0 {
		c.Poll = 250 * time.Millisecond
	}
	if c.Scan <= 0 {
		c.Scan = time.Second
	}
	if c.HoldDeleted <= 0 {
		c.HoldDeleted = 1 << 30
	}
	if c.TempDir == "" {
		c.TempDir = os.TempDir()
	}
	if c.UnpackLimit <= 0 {
		c.UnpackLimit = 256 << 20
	}
	if c.Notify == nil {
		c.Notify = func(Event) {}
	}
}

// Known is what is remembered of a source over restarts.
type Known struct {
	ID       delivery.SourceID
	File     vfs.Identity
	Path     string            // the followed path, not the file's present name
	Position delivery.Position // everything before it is confirmed
	First    delivery.Position // behind the first bytes; zero where they are not known
	Size     int64             // the largest seen; 0 if that is not known
	Done     bool              // rotated, read to its end, confirmed and closed
	Packed   bool              // File is compressed; Position and Size count what it holds
	// Of, where it is not zero, says that File is nothing but a copy of that source,
	// compressed or not. Position is then behind what was in it when it was looked
	// at. Of a source that is not known any more, nothing is read from it.
	Of delivery.SourceID
}

// Memory is what outlives the process.
type Memory interface {
	// Sources gives what is known, once, at the start. Of several sources with
	// the same file the last one counts.
	Sources() []Known
	// Marks gives, per followed path and per pattern, the time of birth in
	// nanoseconds up to which unknown rotated files are old news.
	Marks() map[string]int64
	// Apply makes a change durable before it returns. On an error nothing of it
	// may count.
	Apply(Change) error
	// Seen tells which sources are still open, about once an hour; what was not
	// seen for long may be forgotten.
	Seen([]delivery.SourceID)
}

// Change is one step of what is remembered.
type Change struct {
	Add   []Known // a source of the same ID is replaced
	Drop  []delivery.SourceID
	Done  []delivery.SourceID
	Marks map[string]int64 // raised to these
	// Unfollow are paths that need no mark any more; it comes after Marks.
	Unfollow []string
}

func (c *Change) empty() bool {
	return len(c.Add) == 0 && len(c.Drop) == 0 && len(c.Done) == 0 && len(c.Marks) == 0 && len(c.Unfollow) == 0
}

// Event is something to tell people about.
type Event struct {
	Kind   EventKind
	Path   string // as it is followed
	Name   string // the file's name where it differs, e.g. after a rotation
	Source delivery.SourceID
	Offset int64
	// Unread is how many bytes are known to be lost, where Kind says so.
	Unread int64
	Err    error
}

// EventKind says what happened.
type EventKind int

const (
	// FileFound: a new source, read from Offset.
	FileFound EventKind = iota
	// FileResumed: a source of an earlier run, read on from Offset.
	FileResumed
	// FileMissed: a file that came and was rotated away between two looks, or
	// while the program did not run; it is read from the beginning.
	FileMissed
	// FileRotated: the path belongs to another file or to none; the old file is
	// read on under Name.
	FileRotated
	// FileTruncated: the content before Offset is gone; a new source begins.
	// Unread bytes were seen behind it that can no longer be read.
	FileTruncated
	// FileForked: the name of the source is in use for other content, as when a
	// machine was cloned; a new one begins at Offset.
	FileForked
	// CopyFound: after truncation, the rest is read from the copy Name.
	CopyFound
	// FileLost: a file that was not read to its end is gone, and was not found
	// under another name or compressed. Unread bytes at least are lost, if its
	// size was known.
	FileLost
	// FileGivenUp: a deleted file was closed before all was confirmed, because
	// such files have more than Config.HoldDeleted bytes. Unread bytes are lost.
	FileGivenUp
	// FileClosed: a rotated file is done.
	FileClosed
	// PinFailed: a file cannot be given a name in Config.PinDir, because of Err.
	PinFailed
	// PathUnusable: the path cannot be opened, because of Err. It is tried again.
	PathUnusable
	// ReadFailed: the source cannot be read, because of Err. It is tried again.
	ReadFailed
	// MemoryFailed: new sources wait because they cannot be made durable.
	MemoryFailed
	// HintsOff: no inotify, because of Err; polling alone does the work.
	HintsOff
)
