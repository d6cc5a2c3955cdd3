package logstore

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Config says how a Store behaves. The zero value of every field but Dir is
// the default.
type Config struct {
	// Dir is the log folder; it is created where it is missing.
	Dir string
	// StateDir is the folder of the Store's own state, created where it is
	// missing; default ".dalogd" below Dir. One Store at a time may use it.
	StateDir string
	// Owner of what the Store creates, applied when the process is root; nil
	// leaves it to the process's own user.
	Owner *Owner

	// Durability says what a confirmed message is safe from.
	Durability Durability
	// Salvage lets a damaged write-ahead log, or checkpoint, be set aside: what
	// it alone held is missing then, and said.
	Salvage bool

	LineFormat LineFormat
	Host       HostColumn

	// MaxFiles is how many log files there may be in all, those found at the
	// start included; default 1000. MaxFilesPerPeer is how many may come into
	// being for the messages of one peer; default 100. What comes past them is
	// stored in overflow.log.
	MaxFiles        int
	MaxFilesPerPeer int
	// MaxOpenFiles is how many files are held open for writing; default 1024.
	// Fewer than the files in use costs an fdatasync each time one has to go.
	MaxOpenFiles int
	// MaxUncommitted is how many bytes are taken before what was taken is in its
	// files; default 64 MiB. One batch may pass it.
	MaxUncommitted int64
	// SyncWithin is how long data that nobody waits for stays out of the disk's
	// safety at most, the time of the fdatasync itself aside; default 1 s.
	SyncWithin time.Duration

	// RotateSize is how many bytes make a log file a closed part; RotateEvery
	// closes it at the beginning of each period besides. 0 and Never: not at all.
	RotateSize  int64
	RotateEvery Period
	// Keep, KeepRules and KeepFree say which closed parts are kept. Of KeepRules
	// the first one counts whose Files match.
	Keep      Keep
	KeepRules []KeepRule
	KeepFree  Reserve
	// Routes say into which files the lines of some programs go. They come before
	// the built-in table, and the first one counts that fits.
	Routes []Route

	// SearchCores is how many scans look through text at one time, in all; default:
	// as many as there are processors.
	SearchCores int

	Logger *slog.Logger // nil discards

	segmentSize int64 // of the write-ahead log; 0 is as the file system's size allows
	burst       int64 // see journal; 0 is segmentSize, or as the file system's size allows
	searchTimes int64 // see timeStretch; 0 is the constant
	textStretch int64 // see textStretches; 0 is the constant
	manyDirty   int   // see the constant; 0 is that
	cachedMost  int64 // likewise
}

// Durability is what a confirmed message is safe from.
type Durability uint8

const (
	// DurabilitySync: from the loss of power.
	DurabilitySync Durability = iota
	// DurabilityMemory: from the death of the process; from the loss of power
	// within Config.SyncWithin. What moves a source is in its file only then.
	DurabilityMemory
)

// ParseDurability reads sync or memory.
func ParseDurability(s string) (Durability, error) {
	switch s {
	case "sync":
		return DurabilitySync, nil
	case "memory":
		return DurabilityMemory, nil
	}
	return 0, fmt.Errorf("%q is neither sync nor memory", s)
}

// Owner is the user and the group that files belong to.
type Owner struct{ UID, GID int }

// take makes a file o's, if this process is root.
func (o *Owner) take(f interface{ Chown(uid, gid int) error }) error {
	if o == nil || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(o.UID, o.GID)
}

func (c Config) withDefaults() Config {
	c.StateDir = cmp.Or(c.StateDir, filepath.Join(c.Dir, ".dalogd"))
	c.MaxFiles = cmp.Or(c.MaxFiles, 1000)
	c.MaxFilesPerPeer = cmp.Or(c.MaxFilesPerPeer, 100)
	c.MaxOpenFiles = cmp.Or(c.MaxOpenFiles, 1024)
	c.MaxUncommitted = cmp.Or(c.MaxUncommitted, 64<<20)
	c.SearchCores = cmp.Or(c.SearchCores, runtime.GOMAXPROCS(0))
	c.SyncWithin = cmp.Or(c.SyncWithin, time.Second)
	c.textStretch = cmp.Or(c.textStretch, textStretch)
	c.searchTimes = cmp.Or(c.searchTimes, searchTimes)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
