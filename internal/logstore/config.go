package logstore

import (
	"log/slog"
	"time"
)

// Config says how a Store behaves. The zero value of every field but Dir is
// the default.
type Config struct {
	// Dir is the log folder; it is created where it is missing.
	Dir string
	// StateDir holds the lock; default ".dalogd" below Dir.
	StateDir string
	// Owner of the files that the Store creates, used when the process is
	// root; nil leaves them to the process's own user.
	Owner *Owner

	LineFormat LineFormat
	Host       HostColumn

	MaxFiles        int           // log files in all; default 1000
	MaxFilesPerPeer int           // files that one peer may bring into being; default 100
	MaxOpenFiles    int           // descriptors held open for writing; default 1024
	MaxUncommitted  int64         // bytes taken and not yet committed; default 64 MiB
	SyncWithin      time.Duration // how long unacknowledged data may stay unsynced; default 1 s

	Logger *slog.Logger // nil discards
}

// Owner is the user and group that files belong to.
type Owner struct{ UID, GID int }
