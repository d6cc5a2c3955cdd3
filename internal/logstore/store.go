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
// queues them; the committer takes what is queued as a group, adds it as one
// record to the write-ahead log, syncs that if somebody waits, and confirms
// (commit.go). The applier adds it to the files in the background (apply.go,
// append.go), and a checkpoint makes these durable from time to time
// (checkpoint.go). What a crash leaves undone Open does (recover.go).
type Store struct {
	cfg       Config
	log       *slog.Logger
	state     vfs.FS
	lock      vfs.File
	rules     atomic.Pointer[Config] // the fields that SetRules names
	router    *router
	folder    folder
	parts     *parts
	keeper    *keeper
	summaries summaries
	scanners  chan struct{} // has a token for each block that is looked through: Config.SearchCores at most
	count     counters
	listed    atomic.Pointer[listed] // the last list; nil = there was none

	fillers sync.Pool // of *filler
	batches batchPool
	budget  budget
	queue   *queue
	pending pending
	sources sources
	journal journal
	committer
	applier

	// Set by recovery.
	id       [16]byte // of the store
	maxRange int      // bytes of the lines of a range
	opened   []any    // what Run says of it

	checkpointing   sync.Mutex // held by who makes one; protects trimTo
	turning         sync.Mutex // held while names change, and while a checkpoint tells of them; after checkpointing
	trimTo          uint64     // what the checkpoint before the last one covers
	checkpointAlarm alarm
	uncacheAlarm    alarm

	reopen      chan chan error
	verdicts    chan verdict   // on files in doubt, for the applier
	deciding    sync.WaitGroup // the goroutines that come to them
	refusals    chan struct{}  // gets a token when a file turned out to be unfit
	stopped     chan struct{}  // closed when Run has returned
	failing     chan struct{}  // closed when the Store has failed
	failed      atomic.Pointer[error]
	unrecovered atomic.Pointer[error] // why recovery is not done
	journalHeld atomic.Pointer[error] // why the write-ahead log is held
	filesHeld   atomic.Pointer[error] // why files are

	overflowAlarm alarm
	claimed       atomic.Bool // the next checkpoint tells of it, though nothing was written
}

// ID is the Store's own: it stays as long as the positions of sources do, and a
// Store that had to begin without them has another one. ok is false until there
// was room for recovery.
func (s *Store) ID() (id [16]byte, ok bool) {
	if s.unrecovered.Load() != nil {
		return id, false
	}
	return s.id, true
}

// Close gives the lock back and closes the folder. It comes after Run has
// returned, or in its place. Snapshots stay usable.
func (s *Store) Close() error {
	s.queue.close(ErrClosed)
	err := errors.Join(s.folder.closeAll(), s.folder.fs.Close(), s.state.Close())
	if s.journal.log != nil {
		err = errors.Join(err, s.journal.log.Close())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// Submit hands over messages that arrived together, at received. When it
// returns, they and the bytes they point to may be used again. It waits while
// more than Config.MaxUncommitted bytes are not in their files; if ctx ends first,
// or the Store has stopped, it returns an error and has taken nothing.
//
// committed, where it is not nil, is called once, by the committer, in the
// order in which the submissions were queued: with nil when every message is safe
// from the death of the process and, with DurabilitySync, from the loss of power,
// otherwise with the reason why it may not be. Where it is nil, nobody waits, and
// the messages are synced within Config.SyncWithin. committed must not block.
func (s *Store) Submit(ctx context.Context, received time.Time, msgs []syslog.Message, committed func(error)) error {
	charge := int64(sizeEstimate(msgs) + batchOverhead)
	if err := s.budget.acquire(ctx, charge); err != nil {
		return err
	}
	b := s.newBatch(received, msgs, charge)
	b.committed = committed
	if err := s.queue.push(b); err != nil {
		s.dropBatch(b)
		return err
	}
	return nil
}

// newBatch makes the batch of msgs, for which charge was acquired.
func (s *Store) newBatch(received time.Time, msgs []syslog.Message, charge int64) *batch {
	b := s.batches.get(int(charge) - batchOverhead)
	if len(msgs) > 0 {
		f := s.fillers.Get().(*filler)
		f.fill(b, msgs, syslog.At(received))
		s.fillers.Put(f)
	}
	b.charge = int64(cap(b.data) + batchOverhead)
	s.budget.adjust(b.charge - charge)
	return b
}

// dropBatch takes back a batch that nothing refers to.
func (s *Store) dropBatch(b *batch) {
	s.budget.adjust(-b.charge)
	s.batches.put(b)
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

// Err tells why messages are not committed at present: because there is no
// room, something failed for good, or the Store has stopped; nil while they are.
func (s *Store) Err() error {
	if err := s.failure(); err != nil {
		return err
	}
	for _, held := range []*atomic.Pointer[error]{&s.unrecovered, &s.journalHeld, &s.filesHeld} {
		if why := held.Load(); why != nil {
			return *why
		}
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
		close(s.failing)
	}
}

// failure is what the Store failed of, nil as long as it has not.
func (s *Store) failure() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}
