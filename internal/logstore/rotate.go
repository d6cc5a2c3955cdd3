package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// Period is how often log files are closed, whatever their size.
type Period uint8

// The periods begin by the clock and the time zone of this process: at full
// hours, at midnight, at midnight before Monday.
const (
	Never Period = iota
	Hourly
	Daily
	Weekly
)

var periodNames = map[string]Period{"never": Never, "hour": Hourly, "day": Daily, "week": Weekly}

// ParsePeriod reads never, hour, day or week.
func ParsePeriod(s string) (Period, error) {
	if p, ok := periodNames[s]; ok {
		return p, nil
	}
	return 0, fmt.Errorf("%q is not hour, day, week or never", s)
}

// begin is when the period began that t belongs to.
func (p Period) begin(t time.Time) time.Time {
	var begin time.Time
	switch y, m, d := t.Date(); p {
	case Hourly: // not by the wall clock, which shows one hour twice a year
		return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	case Daily:
		begin = time.Date(y, m, d, 0, 0, 0, 0, t.Location())
	case Weekly:
		begin = time.Date(y, m, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, t.Location())
	default:
		return time.Time{}
	}
	if begin.After(t) { // where a zone skips midnight
		return t
	}
	return begin
}

// rotateRetry is how long a rotation that failed is not tried again.
const rotateRetry = time.Minute

// rotation is what a log file knows of its next rotation. It belongs to the
// goroutine that writes the file.
type rotation struct {
	began   time.Time // when its first line was written, about
	inode   uint64    // of which file that holds
	blocked time.Time // until when it is not tried again
	alarm   alarm
}

// rotationDue tells whether f, of which size bytes are open, is to be closed
// and a new one begun.
func (s *Store) rotationDue(f *logFile, size int64) bool {
	most, every := s.rules.Load().rotation(f.name)
	if most <= 0 && every == Never {
		return false
	}
	now := time.Now()
	r := &f.rotation
	if size == 0 {
		r.began, r.inode = now, f.inode
		return false
	}
	if now.Before(r.blocked) {
		return false
	}
	if most > 0 && size >= most {
		return true
	}
	if every == Never {
		return false
	}
	if r.inode != f.inode {
		r.began, r.inode = beginning(f.handle, now), f.inode
	}
	return r.began.Before(every.begin(now))
}

// beginning is about when the first line of the open file was written: when the
// file was created, or where that is unknown, last written to.
func beginning(h vfs.File, now time.Time) time.Time {
	recent := func(t time.Time) bool { return t.Year() >= 2000 && !t.After(now) }
	if id, err := h.Identity(); err == nil && recent(time.Unix(0, id.Birth)) {
		return time.Unix(0, id.Birth)
	}
	if info, err := h.Stat(); err == nil && recent(info.ModTime) {
		return info.ModTime
	}
	return now
}

// errMoved says that a file cannot be closed because it is not there any more.
var errMoved = errors.New("somebody else renamed or removed it")

// rotateMove makes the open file of f, which has everything that was committed
// and is durable, its newest part. parts.turn is held, and until it is given
// back f.base grows by the part's size and f gets a new file. On an error
// nothing has changed. The names are durable after rotateSync.
func (s *Store) rotateMove(f *logFile, info vfs.Info) error {
	err := s.moveToParts(f.name, f.base.Load(), info)
	if err == nil {
		return nil
	}
	f.rotation.blocked = time.Now().Add(rotateRetry)
	if !errors.Is(err, errMoved) && f.rotation.alarm.due() {
		s.log.Error("a log file cannot be rotated: it grows on", "file", f.name, "folder", partsDir(f.name), "error", err)
	}
	return err
}

func (s *Store) moveToParts(name string, base int64, info vfs.Info) error {
	logs := s.folder.fs
	have, err := logs.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && have.Inode != info.Inode {
		return errMoved
	}
	if err == nil {
		err = s.makePartsDir(name)
	}
	if err != nil {
		return err
	}
	for _, suffix := range []string{plainSuffix, packedSuffix} {
		there, err := logs.Lstat(partPath(name, base, suffix))
		if err == nil && (there.Size > 0 || !there.Mode.IsRegular()) {
			return fmt.Errorf("%s is there already: move it away", partPath(name, base, suffix))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := logs.Rename(name, partPath(name, base, plainSuffix)); err != nil {
		return err
	}
	s.parts.add(name, logPart{offset: base, size: info.Size, disk: info.Size, modified: info.ModTime, turning: true})
	return nil
}

// makePartsDir makes the folder for the parts of name if it is missing. Its
// name is durable on return.
func (s *Store) makePartsDir(name string) error {
	info, err := s.folder.fs.Lstat(partsDir(name))
	if err == nil {
		if !info.Mode.IsDir() {
			return fmt.Errorf("%s is not a folder: rename it", partsDir(name))
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.folder.fs.Mkdir(partsDir(name), 0o755); err != nil {
		return err
	}
	if o := s.cfg.Owner; o != nil && os.Geteuid() == 0 {
		if err := os.Lchown(filepath.Join(s.cfg.Dir, partsDir(name)), o.UID, o.GID); err != nil {
			s.log.Warn("new folder keeps the user of this process as its owner", "folder", partsDir(name), "error", err)
		}
	}
	return s.folder.fs.SyncDir(".")
}

// rotateSync makes the names that rotateMove changed durable, and that of the
// new file. Its errors are final.
func (s *Store) rotateSync(f *logFile) error {
	return errors.Join(s.folder.fs.SyncDir(partsDir(f.name)), s.folder.fs.SyncDir("."))
}

// rotateDone ends a rotation: nothing refers to the file under its old name any
// more, and it may be compressed.
func (s *Store) rotateDone(f *logFile) {
	s.count.rotated.Add(1)
	s.parts.release(f.name)
	s.keeper.kick()
}
