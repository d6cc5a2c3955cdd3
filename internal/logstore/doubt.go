package logstore

import (
	"errors"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// A doubt is about lines that were added to a file while somebody took its name
// away. Where it was only renamed they are in it. Where it was compressed or removed
// at once, whoever did that may have read it before they were there. Until that is
// settled the lines stay pending, and with them all that comes for the file, so that
// they are in order, and in the write-ahead log, should the process end meanwhile.
type doubt struct {
	file   *logFile
	handle vfs.File // of the file that had the name, for whoever decides to close
	from   int64    // where the lines begin there
	lines  [][]byte // whole ones; they belong to the batches in file.work
	length int      // of lines
}

// A verdict says how many bytes of a doubt's lines are where they can be found. The
// others are written once more, to the file that has the name now.
type verdict struct {
	about *doubt
	kept  int
}

// doubt takes its open file from f, to which the first length bytes of f.work were
// being added when it lost its name, and has it looked into beside the applier. Errors
// are final.
func (s *Store) doubt(f *logFile, length int) error {
	d := &doubt{file: f, from: f.position.size, length: length}
	for _, x := range f.work {
		d.lines = append(d.lines, x.data[:min(len(x.data), length)])
		if length -= len(x.data); length <= 0 {
			break
		}
	}
	h, err := s.folder.detach(f)
	if err != nil {
		return errors.Join(err, h.Close())
	}
	d.handle = h
	f.inDoubt = true
	s.pending.park(f)
	s.doubts++
	s.folder.detached++
	s.deciding.Go(func() {
		v := verdict{d, s.decide(d)}
		if err := h.Close(); err != nil {
			s.log.Warn("the file that a log file was before cannot be closed", "file", f.name, "error", err)
		}
		select {
		case s.verdicts <- v:
		case <-s.stopped: // the next start looks for what is not settled
		}
	})
	return nil
}

// hearVerdict takes a verdict if there is one.
func (s *Store) hearVerdict() error {
	select {
	case v := <-s.verdicts:
		return s.decided(v)
	default:
		return nil
	}
}

// decided lets a file go on of which it is known what became of it. Errors are final.
func (s *Store) decided(v verdict) error {
	f := v.about.file
	s.doubts--
	s.folder.detached--
	f.inDoubt = false
	s.settle(f, v.kept)
	s.budget.adjust(-s.freed)
	s.freed = 0
	s.folder.mark(f, f.workEnd-f.workSize())
	s.pending.unpark(f)
	if err := s.folder.ready(f, time.Now()); err != nil && !passing(err) {
		return err
	}
	return nil
}
