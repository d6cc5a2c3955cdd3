package logstore

import (
	"errors"
	"time"
)

const (
	// floodWithin is how soon checkpoints follow each other in a flood: the write-ahead
	// log takes 64 MiB a second and more.
	floodWithin = time.Second
	// cachedMost is how many bytes of the log files stay in the page cache behind a flood.
	cachedMost = 256 << 20
	// uncacheAgain is how far before the last range the next one begins: what the page
	// cache holds together it drops as a whole or not at all.
	uncacheAgain = 4 << 20
)

// uncache lets the system drop from its page cache what a flood has left behind, but
// for the ends of the files, together most bytes. Else each page written would take one
// of free memory, until there is none and what others need has to go.
func (d *folder) uncache(files []*logFile, most int64) (err error) {
	keep := most / max(1, d.count.openFiles.Load())
	for _, f := range files {
		err = errors.Join(err, f.uncache(keep))
	}
	return err
}

func (f *logFile) uncache(keep int64) error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	to := f.durable.size - keep
	if to < f.uncached {
		f.uncached = 0 // it was cut, or is another file
	}
	if f.handle == nil || to-f.uncached < keep/16 {
		return nil
	}
	from := max(0, f.uncached-uncacheAgain)
	f.uncached = to
	return f.handle.Forget(from, to)
}
