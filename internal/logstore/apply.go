package logstore

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// What is committed waits in memory until one write for a file is worth while:
// until a file has applyFile bytes, all files together applyTotal, or applyWithin
// has passed since all files were last written.
const (
	applyFile   = 256 << 10
	applyTotal  = 14 << 20
	applyWithin = 10 * time.Millisecond
	// applyShare is what each file adds to applyWithin from 50 files on, up to
	// applyMost: a write costs about a tenth of that, however little is written.
	applyShare = 200 * time.Microsecond
	applyMost  = 200 * time.Millisecond

	// sweepEvery is how often the names of all open files are looked at, so that
	// one which is not written to does not keep a removed file on the disk.
	sweepEvery = 10 * time.Second
)

// applier is what the goroutine that writes to the files owns.
type applier struct {
	applying []*logFile
	lines    [][]byte      // of the file at hand
	doubts   int           // files in doubt
	freed    int64         // bytes of the budget to be given back
	unplaced bool          // a PLACE record is not known to be durable
	round    time.Time     // when all files were last written
	within   time.Duration // how long what is pending may wait after that
}

// applyLoop writes to the files until stop is closed and nothing is pending; the
// rest is left to the next start where there is no room for it.
func (s *Store) applyLoop(stop <-chan struct{}) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var giveUp time.Time
	for s.failure() == nil {
		ending := false
		select {
		case <-stop:
			ending = true
		default:
		}
		held, err := s.applyStep(ending)
		if err == nil && s.doubts > 0 {
			err = s.hearVerdict()
		}
		if err != nil {
			s.fail(err)
			return
		}
		bytes := s.pending.size()
		if ending {
			if bytes == 0 && s.doubts == 0 {
				return
			}
			if giveUp.IsZero() || s.doubts > 0 {
				giveUp = time.Now().Add(holdAtEnd)
			} else if time.Now().After(giveUp) {
				s.log.Error("stopped without room for all lines: those missing are in the write-ahead log and come with the next start", "bytes", bytes)
				return
			}
		}
		var due <-chan time.Time
		switch {
		case held:
			timer.Reset(holdRetry)
			due = timer.C
		case bytes >= applyTotal:
			continue
		case bytes > 0:
			timer.Reset(time.Until(s.round.Add(s.within)))
			due = timer.C
		}
		if held || bytes == 0 || !ending {
			err = s.awaitWork(stop, ending, held, due, sweep.C)
		}
		if err != nil {
			s.fail(err)
			return
		}
	}
}

// awaitWork waits until there is something to do, and does what is asked for
// meanwhile.
func (s *Store) awaitWork(stop <-chan struct{}, ending, held bool, due, sweep <-chan time.Time) error {
	wake := s.pending.wake
	if held {
		wake = nil
	}
	if ending {
		stop = nil
	}
	select {
	case <-wake:
	case <-due:
	case <-stop:
	case <-s.failing:
	case done := <-s.reopen:
		return s.lookAround(done)
	case v := <-s.verdicts:
		return s.decided(v)
	case now := <-sweep:
		s.batches.shrink()
		return s.sweep(now)
	}
	return nil
}

// applyStep writes what is due to the files, or everything. held says that some
// of it has to be tried again, for there is no room. An error is final.
func (s *Store) applyStep(all bool) (held bool, err error) {
	now := time.Now()
	least := applyFile
	if all || s.filesHeld.Load() != nil || s.pending.size() >= applyTotal || now.Sub(s.round) >= s.within {
		least, s.round = 0, now
	}
	s.applying = s.pending.take(s.applying[:0], least)
	if least == 0 {
		s.within = min(max(applyWithin, time.Duration(len(s.applying))*applyShare), applyMost)
	}
	// Opened before any is written to, so that one sync is enough for all.
	for _, f := range s.applying {
		s.folder.mark(f, f.workEnd-f.workSize())
		if err := s.folder.ready(f, now); err != nil && !passing(err) {
			return false, s.abandon(s.applying, err)
		}
	}
	var why error
	for i, f := range s.applying {
		err := s.applyFile(f, now)
		if err == nil {
			continue
		}
		if isRefusal(err) && f != s.router.overflow {
			s.refuseFile(f, err)
			continue
		}
		if !passing(err) {
			return false, s.abandon(s.applying[i:], err)
		}
		s.pending.giveBack(f)
		why = err
	}
	s.budget.adjust(-s.freed)
	s.freed = 0
	if why != nil {
		if vfs.IsFull(why) && s.makeRoom() {
			return true, nil
		}
		s.holdFor(&s.filesHeld, "log files cannot be written: intake is held until they can", why)
		return true, nil
	}
	s.release(&s.filesHeld, "log files can be written again: intake goes on")
	return false, nil
}

// passing tells whether what failed may be tried again.
func passing(err error) bool {
	return isRefusal(err) || vfs.IsFull(err) || isNoDescriptor(err)
}

// abandon leaves the files as they are, for a reason that is final.
func (s *Store) abandon(files []*logFile, why error) error {
	for _, f := range files {
		s.pending.giveBack(f)
	}
	return why
}

// applyFile adds what is in f.work to f, as much as there is room for.
func (s *Store) applyFile(f *logFile, now time.Time) error {
	lines := s.lines[:0]
	for _, x := range f.work {
		lines = append(lines, x.data)
	}
	s.lines = lines
	defer clear(lines)
	left := f.workSize()
	for {
		err := s.folder.ready(f, now)
		kept := 0
		if err == nil && s.unplaced {
			// Else a loss of power could leave lines in a file that the log does not
			// know of, and that somebody has renamed.
			_, err = s.journal.sync()
			s.unplaced = false
		}
		if err == nil {
			kept, err = s.folder.append(f, lines, f.workEnd-left)
			if errors.Is(err, errInDoubt) {
				return s.doubt(f, kept)
			}
			left -= int64(kept)
			lines = skip(lines, kept)
			s.settle(f, kept)
		}
		switch {
		case err == nil:
			return s.rotateDue(f)
		case errors.Is(err, errReplaced):
			if err = s.folder.replaced(f); err == nil {
				continue
			}
		}
		return err
	}
}

// settle lets go of the first n bytes of f.work, which are in the file.
func (s *Store) settle(f *logFile, n int) {
	done := 0
	for done < len(f.work) && len(f.work[done].data) <= n {
		x := &f.work[done]
		n -= len(x.data)
		done++
		x.of.flight.left.Add(-1)
		if x.of.left.Add(-1) == 0 {
			s.freed += x.of.charge
			s.batches.put(x.of)
		}
	}
	rest := copy(f.work, f.work[done:])
	clear(f.work[rest:])
	f.work = f.work[:rest]
	if n > 0 {
		f.work[0].data = f.work[0].data[n:]
	}
}

// refuseFile leaves what is pending for f, which is not fit to be written to,
// to the committer.
func (s *Store) refuseFile(f *logFile, why error) {
	if f.alarm.due() {
		s.log.Error("lines go to the overflow file instead: make the name a plain file that this process can write to, or remove it",
			"file", f.name, "overflow", overflowFile, "error", why)
	}
	s.pending.refuse(f)
	select {
	case s.refusals <- struct{}{}:
	default:
	}
}

// holdFor notes why the intake is held.
func (s *Store) holdFor(held *atomic.Pointer[error], text string, why error) {
	if held.Swap(&why) == nil {
		s.count.holds.Add(1)
		s.log.Error(text, "error", why)
	}
}

// release ends what holdFor noted.
func (s *Store) release(held *atomic.Pointer[error], text string) {
	if held.Load() != nil && held.Swap(nil) != nil {
		s.log.Info(text)
	}
}
