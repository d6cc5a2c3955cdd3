package logstore

import (
	"errors"
	"time"
)

// FileInfo is one entry of the list of files.
type FileInfo struct {
	Name    string
	Size    int64 // bytes that can be read
	ModTime time.Time
	// Start is the offset of the file's first byte, counted from the first
	// byte ever written under this name; 0 as long as nothing was rotated away.
	Start int64
}

// ErrClosed is what Submit returns once the Store has stopped.
var ErrClosed = errors.New("the log store has stopped")

// LineFormat is the shape of a stored line.
type LineFormat int

const (
	LineISO LineFormat = iota // 2026-11-23T08:27:00.123456-05:00 web1 celery[77]: text
	LineBSD                   // Nov 23 08:27:00 web1 celery[77]: text
)

// HostColumn says which host a stored line names.
type HostColumn int

const (
	HostClaimed HostColumn = iota // the sender's claim, the peer where it claims none
	HostPeer                      // the address the message came from
	HostBoth                      // peer/claimed
)
