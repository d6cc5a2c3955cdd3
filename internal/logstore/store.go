package logstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs"
)

// ErrClosed is the answer of a Store that has been told to stop.
var ErrClosed = errors.New("the log store has stopped")

// A Store keeps the log files of one folder. All its methods may be called
// from any goroutine.
//
// A submission goes this way: Submit makes its lines (batch.go, format.go) for
// the files that its messages belong in (route.go), waits for the budget and
// queues them; the committer, which is Run, takes what is queued as a group,
// adds it to the files (commit.go, append.go), syncs them if somebody waits, and
// confirms.
type Store struct {
	cfg    Config
	log    *slog.Logger
	lock   vfs.File
	router *router
	folder folder
	parts  *parts
	keeper *keeper
	count  counters

	fillers sync.Pool // of *filler
	batches batchPools
	budget  budget
	queue   *queue

	reopen  chan chan error
	stopped chan struct{} // closed when Run has returned
	failed  atomic.Pointer[error]
	held    atomic.Pointer[error] // why the intake is held

	overflowAlarm alarm
	giveUp        time.Time // the committer's: when to end a hold after the end was asked for
}

// Close gives the lock back and closes the folder. It comes after Run has
// returned, or in its place. Snapshots stay usable.
func (s *Store) Close() error {
	s.queue.close(ErrClosed)
	err := errors.Join(s.folder.closeAll(), s.folder.fs.Close())
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// Submit hands over messages that arrived together, at received. When it
// returns, they and the bytes they point to may be used again. It waits while
// more than Config.MaxUncommitted bytes are not committed; if ctx ends first,
// or the Store has stopped, it returns an error and has taken nothing.
//
// committed, where it is not nil, is called once, by the committer, in the
// order in which the submissions were queued: with nil when every message is in
// its file and safe from the loss of power, otherwise with the reason why it may
// not be. Where it is nil, nobody waits, and the messages are synced within
// Config.SyncWithin. committed must not block.
func (s *Store) Submit(ctx context.Context, received time.Time, msgs []syslog.Message, committed func(error)) error {
	size := sizeEstimate(msgs)
	charge := int64(size + batchOverhead)
	if err := s.budget.acquire(ctx, charge); err != nil {
		return err
	}
	b := s.batches.get(size)
	f := s.fillers.Get().(*filler)
	f.fill(b, msgs, syslog.At(received))
	s.fillers.Put(f)

	b.committed = committed
	b.charge = int64(cap(b.data) + batchOverhead)
	s.budget.adjust(b.charge - charge)
	if err := s.queue.push(b); err != nil {
		s.budget.adjust(-b.charge)
		s.batches.put(b)
		return err
	}
	return nil
}

// Reopen looks at once whether files were renamed or removed by somebody else,
// and creates the standard files that are missing. When it returns, what was
// written to such files is synced and nothing more will be.
func (s *Store) Reopen(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case s.reopen <- done:
		return <-done
	case <-s.stopped:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lookAround is the committer's part of Reopen. What it returns ends the Store.
func (s *Store) lookAround(done chan<- error) error {
	err := s.folder.checkAll(time.Now())
	if err != nil {
		done <- err
		return err
	}
	done <- s.createStandard()
	return nil
}

// Err tells why messages are not committed at present: because there is no
// room, something failed for good, or the Store has stopped; nil while they are.
func (s *Store) Err() error {
	if err := s.failure(); err != nil {
		return err
	}
	if why := s.held.Load(); why != nil {
		return *why
	}
	select {
	case <-s.stopped:
		return ErrClosed
	default:
		return nil
	}
}

// fail ends the Store for good.
func (s *Store) fail(err error) {
	err = fmt.Errorf("log store: %w", err)
	if s.failed.CompareAndSwap(nil, &err) {
		s.count.failures.Add(1)
		s.queue.close(err)
	}
}

// failure is what the Store failed of, nil as long as it has not.
func (s *Store) failure() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}
