package tail

import (
	"os"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
)

// Source is one epoch of one incarnation of a followed file.
type Source struct {
	ID      delivery.SourceID // immutable
	Path    string            // as followed, not the present name; immutable
	Pattern int               // index in Config.Patterns; immutable

	// Owned by the scanner, which is the goroutine of Run.
	place     *place
	name      string // present name
	key       fileKey
	ident     vfs.Identity
	suffix    string    // of its rotated name, or that of its compressed form
	sighted   time.Time // when that was last seen
	age       int64     // orders the sources of a place: time of birth, or of truncation
	live      int       // how many followed paths lead here
	rotatedAt time.Time // when live became 0
	grownAt   time.Time // when the size was last seen to change
	peak      int64     // the largest size seen
	mtime     int64     // nanoseconds
	ctime     int64
	links     uint64
	pinned    bool     // one of them is its pin
	pack      *os.File // the compressed file that file was unpacked from, or nil
	partial   bool     // file is not all of it
	nextLook  time.Time
	wait      time.Duration // to the next look
	clothed   time.Time     // when it was first seen not to be empty, if it was
	emptied   time.Time     // when its content was seen to be gone
	trouble   bool          // a failure to read was told
	holdFrom  int64         // offset of the event that was held back at the last look
	holdUntil time.Time     // and when that ends

	// Guarded by Tailer.mu. file and cursor may be used outside of it by whoever
	// has set busy.
	file      *os.File
	from      int64             // it has holes before that
	cursor    *delivery.Cursor  // nil while broken at a resume
	resume    delivery.Position // where the last run stood
	confirmed delivery.Position
	behindAt  int64             // what was known to be there
	behind    time.Time         // then
	ackedAt   time.Time         // when confirmed last moved
	size      int64             // at the last look; only the scanner changes it
	first     delivery.Position // see the function of that name
	bare      bool              // was empty so far, and may not be read before first is durable
	seen      int64             // offset behind the last byte read, within a line or not
	active    bool              // durable in Memory
	queued    bool              // in the ready list
	busy      bool              // being read
	again     bool              // to be queued when no longer busy
	allowed   int64             // up to this offset it may be read whatever older files hold
	eof       bool              // the last read came to the end
	broken    bool              // the content before the offset has changed
	flush     bool              // the last line is ended without LF
	held      bool              // what is at the offset may go on, and was not handed on for that
	holdOver  bool              // and has waited long enough
	ended     bool              // no longer of interest
	parked    bool              // not to be read for now
	forkAt    int64             // 1 + where another source is to begin in the file; 0: nowhere
	hinted    bool              // a wake-up is set
	hintless  bool              // but cannot be had
	readErr   error
	older     *Source   // the file of the path before this one
	due       int64     // since which question newer ones wait for it to be read to its end; 0: they need not
	asked     int64     // the question after which allowed was set
	gate      *Source   // older, while it is to be read to its end first
	waiting   []*Source // whose gate this is
	next      *Source   // in the ready list
}

func (s *Source) close() {
	s.file.Close()
	if s.pack != nil {
		s.pack.Close()
	}
}

func (s *Source) offset() int64 {
	if s.cursor == nil {
		return s.resume.Offset
	}
	return s.cursor.Offset()
}

func (s *Source) position() delivery.Position {
	if s.cursor == nil {
		return s.resume
	}
	return s.cursor.Position()
}
