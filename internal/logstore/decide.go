package logstore

import (
	"bytes"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

const (
	// copyWithin is how long a file that has lost its name may take to become a
	// compressed one: whoever has read it to the end before the lines in doubt were
	// there has little left to do. copyLook is how often it is looked at.
	copyWithin = 2 * time.Second
	copyLook   = 10 * time.Millisecond
)

// decide finds out how much of what was added to a file that lost its name can be
// found. It is nobody's but its own goroutine's, and takes as long as it takes to read
// a copy.
func (s *Store) decide(d *doubt) (kept int) {
	begun := time.Now()
	named := false // it had another name when all lines were in it
	for calm := 0; ; {
		info, err := d.handle.Stat()
		if err != nil {
			s.log.Warn("a log file that was renamed cannot be looked at: what was added meanwhile is taken to be in it", "file", d.file.name, "bytes", d.length, "error", err)
			return d.length
		}
		if info.Links == 0 {
			return s.vanished(d, info, named)
		}
		named = true
		_, full := s.budget.inUse() // senders wait
		if full || time.Since(begun) > copyWithin {
			return d.length
		}
		if calm++; s.isBeingCopied(d, info) {
			calm = 0
		}
		if calm == 2 { // not just between the end of a copy and that of the original
			return d.length
		}
		select {
		case <-time.After(copyLook):
		case <-s.failing:
			return d.length
		}
	}
}

// isBeingCopied tells whether there is a file that can be a copy of d's being made.
// Without one, whoever makes one later finds all lines.
func (s *Store) isBeingCopied(d *doubt, info vfs.Info) bool {
	found, err := s.copies(d.file.name)
	if err != nil {
		return true
	}
	for _, c := range found {
		if c.Inode != info.Inode && c.recent(info) {
			return true
		}
	}
	return false
}

// vanished decides about a file that has no name any more.
func (s *Store) vanished(d *doubt, info vfs.Info, named bool) (kept int) {
	search := copySearch{s: s, name: d.file.name, original: d.handle, info: info, least: d.from}
	name, size, err := search.run()
	log := s.log.With("file", d.file.name, "bytes", d.length)
	switch {
	case err != nil:
		log.Warn("log file was compressed or removed while lines were added to it, and the folder cannot be looked through: they may be missing there", "error", err)
		return d.length
	case name != "":
		if kept = d.length; size < info.Size {
			kept = linesWithin(newSection(d.handle, d.from, size), bytes.Join(d.lines, nil))
		}
		if kept < d.length {
			log.Warn("log file was compressed while lines were added to it: those that the compressed file has not are written once more",
				"compressed", name, "once_more", d.length-kept)
		}
	case search.unreadable != "":
		log.Warn("log file was compressed while lines were added to it, in a way that cannot be read: they may be missing there", "compressed", search.unreadable)
		return d.length
	case named:
		log.Warn("log file was renamed while lines were added to it, and then removed: if it was compressed into another folder, they may be missing there")
		return d.length
	default:
		log.Info("log file was removed while lines were added to it: they are written once more")
	}
	s.count.rescued.Add(int64(d.length - kept))
	return kept
}
