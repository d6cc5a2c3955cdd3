package logstore

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dalog-project/dalog/internal/wal"
)

// A journal is the write-ahead log with what the Store needs to write to it.
type journal struct {
	mu       sync.Mutex // protects all below but limit
	log      *wal.Log   // nil until recovery is done
	last     uint64     // lsn of the last record
	synced   uint64
	unsynced time.Time // since when there are records that are not synced
	grown    int64     // bytes since the last checkpoint
	told     int64     // bytes since ahead got a token

	// Set by recovery.
	most  int64 // bytes by which it grows, about, before the next checkpoint in a flood
	burst int64 // the same where the last checkpoint is longer ago
	limit int   // bytes of a record
	quota int64 // bytes after which the next segment may have to be made

	wake    chan struct{} // gets a token when records have become durable
	enough  chan struct{} // gets a token when the log has grown by most, and by burst
	ahead   chan struct{} // gets a token when the next segment may have to be made
	written atomic.Int64  // bytes of all records
	numbers atomic.Uint64 // the file number to be given next; the committer gives them
}

// signal puts a token into c, which has room for one, if there is none.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// growth is how many bytes were added since the last checkpoint.
func (j *journal) growth() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.grown
}

// trim drops what records up to lsn through need, and counts a checkpoint made
// when the log had grown by n bytes.
func (j *journal) trim(through uint64, n int64) error {
	j.mu.Lock()
	j.grown -= n
	if j.grown >= j.most {
		signal(j.enough)
	}
	j.mu.Unlock()
	return j.log.Trim(through)
}

// append adds a record. Errors are as those of [wal.Log.Append].
func (j *journal) append(typ byte, parts [][]byte) (lsn uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	lsn, err = j.log.Append(typ, parts)
	if err != nil {
		return 0, err
	}
	if j.last == j.synced {
		j.unsynced = time.Now()
	}
	j.last = lsn
	n := int64(0)
	for _, p := range parts {
		n += int64(len(p))
	}
	before := j.grown
	j.grown += n
	if before < j.most && j.grown >= j.most || before < j.burst && j.grown >= j.burst {
		signal(j.enough)
	}
	j.written.Add(n)
	if j.told += n; j.told >= j.quota {
		j.told = 0
		signal(j.ahead)
	}
	return lsn, nil
}

// makeAhead makes the next segment, if it is time for that. Without room for it
// whoever comes to need it says so.
func (j *journal) makeAhead() error {
	err := j.log.Ahead()
	if errors.Is(err, wal.ErrFailed) {
		return err
	}
	return nil
}

// sync makes all records durable that were there before, and gives the lsn of the
// last one. It holds up nobody who adds others.
func (j *journal) sync() (lsn uint64, err error) {
	j.mu.Lock()
	synced, log, done := j.synced, j.log, j.synced == j.last
	j.mu.Unlock()
	if done {
		return synced, nil
	}
	began := time.Now()
	lsn, err = log.Sync()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil && lsn > j.synced {
		j.synced = lsn
		j.unsynced = began // what is left was added since
		signal(j.wake)
	}
	return lsn, err
}

// safe reports whether the records up to lsn are synced.
func (j *journal) safe(lsn uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return lsn <= j.synced
}

// due is when the records that are not synced have to be; zero if there are none.
func (j *journal) due(within time.Duration) time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.last == j.synced {
		return time.Time{}
	}
	return j.unsynced.Add(within)
}

// aheadLoop makes segments of the write-ahead log before they are needed, until
// stop is closed.
func (s *Store) aheadLoop(stop <-chan struct{}) {
	for {
		select {
		case <-s.journal.ahead:
			if err := s.journal.makeAhead(); err != nil {
				s.fail(err)
				return
			}
		case <-stop:
			return
		}
	}
}
