package logstore

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/wal"
)

// placed writes a PLACE record. Where it cannot be written it is left out:
// recovery then finds the lines by comparing more of the files.
func (s *Store) placed(f *logFile) {
	if f.number.Load() == 0 || s.journal.log == nil {
		return // the next checkpoint tells of it
	}
	b := binary.AppendUvarint(nil, f.number.Load())
	b = f.position.append(b)
	if _, err := s.journal.append(recPlace, [][]byte{b}); errors.Is(err, wal.ErrFailed) {
		s.fail(err)
	}
	s.unplaced = true
}

// rotateDue closes the open file f as a part if it is time for that. An error is
// final.
func (s *Store) rotateDue(f *logFile) error {
	if f.handle == nil || !s.rotationDue(f, f.end) {
		return nil
	}
	return s.rotate(f)
}

// rotate closes the open file f, which has everything that was taken from
// pending, as a part, and begins a new one. Once the part may be compressed,
// nothing needs it for recovery.
func (s *Store) rotate(f *logFile) error {
	s.folder.wrote(f) // what others added is to be durable as well
	if err := s.folder.syncFile(f); err != nil {
		return err
	}
	info, err := f.handle.Stat()
	if err != nil {
		return err
	}
	// Neither a checkpoint nor the log may speak of names that a loss of power
	// takes back.
	s.turning.Lock()
	defer s.turning.Unlock()
	f.turning = true
	moved, err := s.turn(f, info)
	f.turning = false
	if !moved || err != nil {
		return err
	}
	if err := s.rotateSync(f); err != nil {
		return err
	}
	if f.handle != nil {
		s.placed(f)
	}
	if _, err := s.journal.sync(); err != nil {
		return err
	}
	s.rotateDone(f)
	return nil
}

// turn moves the file away and opens the new one, unseen by readers.
func (s *Store) turn(f *logFile, info vfs.Info) (moved bool, err error) {
	s.parts.turn.Lock()
	defer s.parts.turn.Unlock()
	if s.rotateMove(f, info) != nil {
		return false, nil // it has told why, and tries again later
	}
	if err := s.folder.close(f); err != nil {
		return false, err
	}
	f.base.Add(info.Size)
	err = s.folder.ready(f, time.Now())
	if err != nil && passing(err) {
		err = nil // it is tried again with the next write
	}
	return true, err
}

// lookAround is the applier's part of Reopen. What it returns ends the Store.
func (s *Store) lookAround(done chan<- error) error {
	_, err := s.applyStep(true)
	if err == nil {
		err = s.folder.checkAll(time.Now())
	}
	if err == nil {
		_, err = s.journal.sync()
	}
	if err != nil {
		done <- err
		return err
	}
	done <- s.createStandard()
	return nil
}

// sweep looks at all open files: whether they still have their names, and
// whether it is time to close them as a part.
func (s *Store) sweep(now time.Time) error {
	if err := s.folder.checkAll(now); err != nil {
		return err
	}
	for e := s.folder.opened.Front(); e != nil; {
		f := e.Value.(*logFile)
		e = e.Next()
		if !f.appended {
			continue // what only others write to is not ours to rename
		}
		if err := s.rotateDue(f); err != nil {
			return err
		}
	}
	return nil
}
