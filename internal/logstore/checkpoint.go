package logstore

import (
	"cmp"
	"errors"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// checkpointEvery is how long what is in the files may need the write-ahead log
// to be safe. A checkpoint comes earlier once the log has grown by journal.burst, so
// that a short flood is over before the disk has to take it, and in a flood that goes
// on, less than floodWithin after the last, by journal.most.
const checkpointEvery = 5 * time.Second

// checkpointLoop makes checkpoints until stop is closed.
func (s *Store) checkpointLoop(stop <-chan struct{}) {
	const look = 100 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	last := time.Now() // began the last checkpoint
	var done time.Time // it was done
	for s.failure() == nil {
		select {
		case <-tick.C:
		case <-s.journal.enough:
		case <-s.failing:
			return
		case <-stop:
			return
		}
		now := time.Now()
		grown := s.journal.growth()
		most := s.journal.burst
		if now.Sub(done) < floodWithin {
			most = s.journal.most
		}
		if grown == 0 && !s.claimed.Load() || grown < most && now.Sub(last) < checkpointEvery {
			continue
		}
		if err := s.checkpoint(); err != nil {
			s.fail(err)
			return
		}
		if grown >= s.journal.most && now.Sub(last) < floodWithin {
			if err := s.folder.uncache(s.router.files(), cmp.Or(s.cfg.cachedMost, cachedMost)); err != nil && s.uncacheAlarm.due() {
				s.log.Warn("the system keeps what a flood has written in its page cache", "error", err)
			}
		}
		last, done = now, time.Now()
	}
}

// checkpoint makes the files durable and then lets the write-ahead log forget
// what it held of them. It holds nothing up. Without room for it everything
// stays as it was, for the next one.
func (s *Store) checkpoint() error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	grown := s.journal.growth()
	c := &checkpoint{store: s.id, lsn: s.pending.applied()}
	if err := s.folder.syncDirty(); err != nil {
		return err
	}
	s.turning.Lock() // only now: a sync takes as long as others have written to the same disk
	defer s.turning.Unlock()
	c.files = s.router.entries()
	s.claimed.Store(false)
	c.sources = s.sources.snapshot()
	c.next = s.journal.numbers.Load()
	// What the sources and files were taken from must not be lost before this.
	if _, err := s.journal.sync(); err != nil {
		return err
	}
	err := c.write(s.state)
	if vfs.IsFull(err) {
		if s.checkpointAlarm.due() {
			s.log.Error("no room for a checkpoint: the write-ahead log grows on", "error", err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	s.count.checkpoints.Add(1)
	through := s.trimTo
	s.trimTo = c.lsn
	return errors.Join(s.journal.trim(through, grown))
}

// entries is what a checkpoint tells of the files.
func (r *router) entries() []fileEntry {
	r.mu.Lock()
	files := make([]*logFile, 0, len(r.names))
	for _, f := range r.names {
		files = append(files, f)
	}
	r.mu.Unlock()
	entries := make([]fileEntry, 0, len(files))
	for _, f := range files {
		number := f.number.Load()
		if number == 0 {
			continue
		}
		f.syncing.Lock()
		entries = append(entries, fileEntry{number, f.name, f.durable})
		f.syncing.Unlock()
	}
	return entries
}
