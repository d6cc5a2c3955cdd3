package logstore

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/wal"
)

const (
	// maxGroup is how many bytes one commit takes if more are there.
	maxGroup = 4 << 20
	// holdRetry is how often what has no room is tried again, and holdAtEnd for
	// how long once the end was asked for.
	holdRetry = 250 * time.Millisecond
	holdAtEnd = 5 * time.Second
)

// committer is what the goroutine that commits owns.
type committer struct {
	taken   []*batch
	extents []extent
	head    []byte   // of the record on its way out
	parts   [][]byte // likewise
	waiting []*group // committed, and not to be applied before they are synced
	free    []*group
	giveUp  time.Time // when to end a hold after the end was asked for
}

// Run commits what is submitted until ctx ends; then it takes nothing more,
// commits what it has, writes and syncs the files, and returns. An error means
// that the disk failed, or had no room to the end: what was not confirmed by
// then is not safe. Run must be called once.
//
//	submitters ──▶ queue ──▶ committer ──▶ write-ahead log
//	                             │
//	                          pending ──▶ applier ──▶ files ◀── checkpoints
func (s *Store) Run(ctx context.Context) error {
	defer s.deciding.Wait()
	defer close(s.stopped)
	stop := context.AfterFunc(ctx, func() { s.queue.close(ErrClosed) })
	defer stop()
	if err := s.awaitRecovery(ctx); err != nil {
		s.fail(err)
		s.refuse(s.queue.take(nil, math.MaxInt), err)
		return s.failure()
	}
	s.log.Info("store opened", s.opened...)
	stopKeeper := s.startKeeper()
	stopApplier := background(s.applyLoop)
	stopCheckpoints := background(s.checkpointLoop)
	stopAhead := background(s.aheadLoop)

	s.commitLoop(ctx)
	stopApplier()
	stopCheckpoints()
	stopAhead()
	stopKeeper()
	err := s.failure()
	if err == nil {
		err = s.finish(ctx)
	}
	if err = cmp.Or(err, s.folder.closeAll()); err != nil {
		s.fail(err)
		return s.failure()
	}
	return nil
}

// finish brings what is left to the disk, when nothing else runs any more.
func (s *Store) finish(ctx context.Context) error {
	if err := s.divertRefused(ctx); err != nil {
		return err
	}
	if err := s.syncJournal(); err != nil {
		return err
	}
	for {
		if _, err := s.applyStep(true); err != nil {
			return err
		}
		if s.doubts == 0 {
			return s.checkpoint()
		}
		if err := s.decided(<-s.verdicts); err != nil {
			return err
		}
	}
}

// background starts loop, which gets a channel that is closed when it is to
// end. The function it returns ends it.
func background(loop func(stop <-chan struct{})) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		loop(stop)
	}()
	return func() { close(stop); <-done }
}

// commitLoop commits group after group until the queue is closed and empty.
func (s *Store) commitLoop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.waitForRoom(ctx)
		more, err := s.commitStep(ctx)
		if err != nil {
			s.fail(err)
		}
		if more {
			continue
		}
		if s.queue.drained() {
			break
		}
		var due <-chan time.Time
		s.handOnSafe()
		if at := s.journal.due(s.cfg.SyncWithin); !at.IsZero() {
			timer.Reset(time.Until(at))
			due = timer.C
		}
		select {
		case <-s.queue.wake:
		case <-s.journal.wake:
		case <-s.refusals:
		case <-due:
		}
	}
}

// waitForRoom holds the intake while files cannot be written, unless it is to
// end: then all that is left goes to the write-ahead log.
func (s *Store) waitForRoom(ctx context.Context) {
	for s.filesHeld.Load() != nil && ctx.Err() == nil && s.failure() == nil {
		select {
		case <-time.After(holdRetry):
		case <-ctx.Done():
		}
	}
}

// commitStep does what is due of the committer's work: it syncs what nobody
// waits for, hands what cannot go to its file to the overflow file, and commits
// the next group. It reports whether there was one.
func (s *Store) commitStep(ctx context.Context) (more bool, err error) {
	c := &s.committer
	if err = s.divertRefused(ctx); err == nil {
		if due := s.journal.due(s.cfg.SyncWithin); !due.IsZero() && !time.Now().Before(due) {
			err = s.syncJournal()
		}
	}
	c.taken = s.queue.take(c.taken[:0], min(maxGroup, s.journal.limit))
	for batches := c.taken; len(batches) > 0; {
		n := 1 // a Forget is by itself
		for !batches[0].forget && n < len(batches) && !batches[n].forget {
			n++
		}
		if err == nil {
			err = s.failure()
		}
		if err == nil {
			err = s.commit(ctx, batches[:n])
		}
		if err != nil {
			s.refuse(batches[:n], err)
		}
		batches = batches[n:]
	}
	more = len(c.taken) > 0
	clear(c.taken)
	return more, err
}

// commit makes the batches durable as far as somebody waits for that, and
// confirms them. After an error nothing was confirmed.
func (s *Store) commit(ctx context.Context, batches []*batch) error {
	g := s.gather(batches)
	var err error
	switch {
	case batches[0].forget:
		s.committer.head = appendKey(s.committer.head[:0], batches[0].advance.key)
		g.lsn, err = s.write(ctx, recForget, s.committer.head)
	case len(g.extents) > 0 || len(g.sources) > 0:
		err = s.writeGroup(ctx, g)
	}
	if err == nil && g.waited && s.cfg.Durability == DurabilitySync {
		err = s.syncJournal()
	}
	if err != nil {
		for _, m := range g.merged {
			s.dropBatch(m)
		}
		return err
	}
	s.confirm(g)
	s.publish(g)
	return nil
}

// writeGroup adds the group's record to the write-ahead log.
func (s *Store) writeGroup(ctx context.Context, g *group) error {
	c := &s.committer
	for _, e := range g.extents {
		if err := s.declare(ctx, e.file); err != nil {
			return err
		}
	}
	rec := batchRecord{sources: g.sources, extents: c.extents[:0]}
	size := 0
	for _, e := range g.extents {
		rec.extents = append(rec.extents, extent{e.file.number.Load(), e.file.committed, e.length})
		size += e.length
	}
	c.extents = rec.extents
	c.head = rec.appendHead(c.head[:0])
	if len(c.head)+size > s.journal.limit {
		return s.writeLarge(ctx, g)
	}
	parts := append(c.parts[:0], c.head)
	for _, p := range g.pieces {
		parts = append(parts, p.data)
	}
	c.parts = parts
	lsn, err := s.write(ctx, recBatch, parts...)
	clear(parts)
	if err != nil {
		return err
	}
	for _, e := range g.extents {
		e.file.committed += int64(e.length)
	}
	g.launch(lsn, lsn)
	return nil
}

// writeLarge is writeGroup for a batch without a source that is too large for
// one record: it becomes several, cut at line ends where that is possible.
func (s *Store) writeLarge(ctx context.Context, g *group) error {
	c := &s.committer
	room := s.journal.limit - maxHead
	var first, lsn uint64
	for _, e := range g.extents {
		for _, p := range g.pieces[e.first:e.last] {
			for data := p.data; len(data) > 0; {
				n := min(room, len(data))
				if whole := wholeLines([][]byte{data}, n); whole > 0 {
					n = whole
				}
				rec := batchRecord{extents: []extent{{e.file.number.Load(), e.file.committed, n}}}
				c.head = rec.appendHead(c.head[:0])
				var err error
				if lsn, err = s.write(ctx, recBatch, c.head, data[:n]); err != nil {
					return err
				}
				if first == 0 {
					first = lsn
				}
				e.file.committed += int64(n)
				data = data[n:]
			}
		}
	}
	g.launch(first, lsn)
	return nil
}

// maxHead bounds the head of a record with one extent.
const maxHead = 64

// declare sees to it that the log knows the file's number.
func (s *Store) declare(ctx context.Context, f *logFile) error {
	if f.number.Load() != 0 {
		return nil
	}
	c := &s.committer
	number := s.journal.numbers.Load()
	c.head = appendText(binary.AppendUvarint(c.head[:0], number), f.name)
	if _, err := s.write(ctx, recFile, c.head); err != nil {
		return err
	}
	f.number.Store(number)
	s.journal.numbers.Add(1)
	return nil
}

// write adds a record to the write-ahead log, however long it takes until there
// is room, or a descriptor for a new segment.
func (s *Store) write(ctx context.Context, typ byte, parts ...[]byte) (lsn uint64, err error) {
	for {
		lsn, err = s.journal.append(typ, parts)
		if err == nil {
			s.release(&s.journalHeld, "the write-ahead log can be written again: intake goes on")
			return lsn, nil
		}
		if errors.Is(err, wal.ErrFailed) || !vfs.IsFull(err) && !isNoDescriptor(err) {
			return 0, err
		}
		s.holdFor(&s.journalHeld, "the write-ahead log cannot be written: intake is held until it can", err)
		select {
		case <-time.After(holdRetry):
		case <-s.failing:
		}
		if failed := s.failure(); failed != nil {
			return 0, failed
		}
		if ctx.Err() == nil {
			continue
		}
		if c := &s.committer; c.giveUp.IsZero() {
			c.giveUp = time.Now().Add(holdAtEnd)
		} else if time.Now().After(c.giveUp) {
			return 0, err
		}
	}
}

// syncJournal makes the write-ahead log durable, and hands on what waited for
// that.
func (s *Store) syncJournal() error {
	if _, err := s.journal.sync(); err != nil {
		return err
	}
	s.handOnSafe()
	return nil
}

// handOnSafe hands on what waited to be synced and is, whoever did that.
func (s *Store) handOnSafe() {
	c := &s.committer
	n := 0
	for n < len(c.waiting) && s.journal.safe(c.waiting[n].lsn) {
		s.handOn(c.waiting[n])
		n++
	}
	rest := copy(c.waiting, c.waiting[n:])
	clear(c.waiting[rest:])
	c.waiting = c.waiting[:rest]
}

// publish hands the group to the applier. What moves a source must be durable
// before it is in a file: the sender would send it again.
func (s *Store) publish(g *group) {
	c := &s.committer
	if len(c.waiting) > 0 || len(g.sources) > 0 && !s.journal.safe(g.lsn) {
		c.waiting = append(c.waiting, g)
		return
	}
	s.handOn(g)
}

func (s *Store) handOn(g *group) {
	for _, b := range g.batches {
		if len(b.parts) == 0 {
			s.dropBatch(b)
		}
	}
	s.pending.publish(g)
	g.reset()
	s.committer.free = append(s.committer.free, g)
}

// confirm tells those who wait.
func (s *Store) confirm(g *group) {
	if len(g.sources) > 0 || g.batches[0].forget {
		s.sources.commit(g.batches, time.Now().Unix())
	}
	for _, b := range g.batches {
		s.count.add(b)
		if b.overflow > 0 && s.overflowAlarm.due() {
			s.log.Warn("more programs than files are allowed: lines go to the overflow file", "file", overflowFile,
				"files", s.router.count(), "max_files", s.cfg.MaxFiles, "max_files_per_peer", s.cfg.MaxFilesPerPeer)
		}
		if b.forget {
			s.sources.prune(b.advance.key)
		}
		if b.committed != nil {
			b.committed(nil)
		}
	}
	s.count.groups.Add(1)
}

// refuse tells those who wait that their batches are not committed.
func (s *Store) refuse(batches []*batch, err error) {
	for _, b := range batches {
		if b.committed != nil {
			b.committed(err)
		}
		s.dropBatch(b)
	}
}

// waitingFor is how many bytes of f are committed and not yet handed on.
func (s *Store) waitingFor(f *logFile) (n int64) {
	for _, g := range s.committer.waiting {
		for _, e := range g.extents {
			if e.file == f {
				n += int64(e.length)
			}
		}
	}
	return n
}

// divertRefused hands what is pending for files that cannot be written to to the
// overflow file.
func (s *Store) divertRefused(ctx context.Context) error {
	for {
		f, pieces, length := s.pending.takeRefused()
		if f == nil {
			return nil
		}
		to := s.router.overflow
		if err := s.declare(ctx, to); err != nil {
			return err
		}
		c := &s.committer
		rec := batchRecord{diverted: f.number.Load(), upto: f.committed - s.waitingFor(f),
			extents: []extent{{to.number.Load(), to.committed, length}}}
		c.head = rec.appendHead(c.head[:0])
		parts := append(c.parts[:0], c.head)
		for _, p := range pieces {
			parts = append(parts, p.data)
		}
		c.parts = parts
		lsn, err := s.write(ctx, recDivert, parts...)
		clear(parts)
		if err != nil {
			return err
		}
		if err := s.syncJournal(); err != nil {
			return err
		}
		f.diverted, f.tried = true, time.Now()
		to.committed += int64(length)
		s.count.diverted.Add(int64(length))
		s.pending.divert(to, pieces, length, lsn)
	}
}
