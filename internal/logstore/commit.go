package logstore

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

const (
	// maxGroup is how many bytes one commit takes if more are there.
	maxGroup = 1 << 20
	// holdRetry is how often files without room are tried again, and holdAtEnd
	// for how long once the end was asked for.
	holdRetry = 250 * time.Millisecond
	holdAtEnd = 5 * time.Second
)

// A group is what is committed together.
type group struct {
	batches []*batch
	files   []*logFile // those it adds to, each once
	waited  bool       // somebody waits for it to be durable
}

// Run commits what is submitted until ctx ends; then it takes nothing more,
// commits what it has, syncs and returns. An error means that the disk failed,
// or had no room to the end: what was not confirmed by then is not safe. Run
// must be called once.
func (s *Store) Run(ctx context.Context) error {
	defer close(s.stopped)
	stop := context.AfterFunc(ctx, func() { s.queue.close(ErrClosed) })
	defer stop()
	stopSyncer := s.startSyncer()

	err := s.work(ctx)
	stopSyncer()
	if err == nil {
		err = s.folder.syncDirty() // many at a time; closing goes one by one
	}
	if err = cmp.Or(err, s.folder.closeAll()); err != nil {
		s.fail(err)
		return s.failure()
	}
	return nil
}

// startSyncer starts to sync what nobody waits for. The function it returns
// ends that.
func (s *Store) startSyncer() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(s.cfg.SyncWithin)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if err := s.folder.syncDirty(); err != nil {
					s.fail(err)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// work commits group after group until the queue is closed and empty.
func (s *Store) work(ctx context.Context) error {
	var g group
	for {
		var open bool
		g.batches, open = s.queue.take(g.batches[:0], maxGroup)
		if len(g.batches) == 0 {
			if !open {
				return s.failure()
			}
			if err := s.idle(); err != nil {
				s.fail(err)
			}
			continue
		}
		err := s.commit(ctx, &g)
		if err != nil {
			s.fail(err)
		}
		s.finish(&g, err)
	}
}

// idle waits until there may be something to commit.
func (s *Store) idle() error {
	select {
	case <-s.queue.wake:
		return nil
	case done := <-s.reopen:
		return s.lookAround(done)
	}
}

// commit makes the group durable as far as somebody waits for that.
func (s *Store) commit(ctx context.Context, g *group) error {
	select {
	case done := <-s.reopen:
		if err := s.lookAround(done); err != nil {
			return err
		}
	default:
	}
	s.gather(g)
	if err := cmp.Or(s.failure(), s.apply(ctx, g)); err != nil {
		return err
	}
	if g.waited {
		if err := s.folder.sync(g.files); err != nil {
			return err
		}
	}
	return s.failure()
}

// gather hands the group's bytes to their files.
func (s *Store) gather(g *group) {
	g.files, g.waited = g.files[:0], false
	for _, b := range g.batches {
		g.waited = g.waited || b.committed != nil
		start := 0
		for _, p := range b.parts {
			g.add(p.file, b.data[start:p.end])
			start = p.end
		}
	}
}

// add makes data, which are whole lines, part of what f gets.
func (g *group) add(f *logFile, data ...[]byte) {
	if len(f.pending) == 0 {
		g.files = append(g.files, f)
	}
	f.pending = append(f.pending, data...)
}

// apply writes to each file of the group, and makes the overflow file one of
// them where another cannot be opened.
func (s *Store) apply(ctx context.Context, g *group) error {
	now := time.Now()
	for i := 0; i < len(g.files); i++ {
		if err := s.write(ctx, g, g.files[i], now); err != nil {
			return err
		}
	}
	if s.held.Swap(nil) != nil {
		s.log.Info("log files can be written again: intake goes on")
	}
	return nil
}

// write adds what is pending to f, however long it takes until there is room.
func (s *Store) write(ctx context.Context, g *group, f *logFile, now time.Time) error {
	data := f.pending
	defer f.settle()
	for {
		err := s.folder.ready(f, now)
		if err == nil {
			var kept int
			kept, err = s.folder.append(f, data)
			data = skip(data, kept)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errReplaced):
			err = s.folder.replaced(f)
		case isRefusal(err) && f != s.router.overflow:
			s.divert(g, f, data, err)
			return nil
		case isRefusal(err), vfs.IsFull(err), isNoDescriptor(err):
			err = s.hold(ctx, err)
			now = time.Now()
		}
		if err != nil {
			return err
		}
	}
}

// settle forgets what was pending.
func (f *logFile) settle() {
	clear(f.pending)
	f.pending = f.pending[:0]
}

// divert gives what f cannot take to the overflow file.
func (s *Store) divert(g *group, f *logFile, data [][]byte, why error) {
	n := 0
	for _, p := range data {
		n += len(p)
	}
	s.count.diverted.Add(int64(n))
	if f.alarm.due() {
		s.log.Error("lines go to the overflow file instead: make the name a plain file that this process can write to, or remove it",
			"file", f.name, "overflow", overflowFile, "error", why)
	}
	g.add(s.router.overflow, data...)
}

// hold keeps everything waiting for a moment, because of why. It returns why
// once the wait has to end.
func (s *Store) hold(ctx context.Context, why error) error {
	if s.held.Swap(&why) == nil {
		s.count.holds.Add(1)
		s.log.Error("log files cannot be written: intake is held until they can", "error", why)
	}
	select {
	case <-time.After(holdRetry):
	case done := <-s.reopen:
		return s.lookAround(done)
	}
	if ctx.Err() == nil {
		return s.failure()
	}
	if s.giveUp.IsZero() {
		s.giveUp = time.Now().Add(holdAtEnd)
	}
	if time.Now().After(s.giveUp) {
		return why
	}
	return nil
}

// finish tells those who wait, and takes the batches back.
func (s *Store) finish(g *group, err error) {
	for _, f := range g.files {
		f.settle()
	}
	var freed int64
	for _, b := range g.batches {
		if err == nil {
			s.count.add(b)
		}
		if b.overflow > 0 && s.overflowAlarm.due() {
			s.log.Warn("more programs than files are allowed: lines go to the overflow file", "file", overflowFile,
				"files", s.router.count(), "max_files", s.cfg.MaxFiles, "max_files_per_peer", s.cfg.MaxFilesPerPeer)
		}
		if b.committed != nil {
			b.committed(err)
		}
		freed += b.charge
		s.batches.put(b)
	}
	s.count.groups.Add(1)
	s.budget.adjust(-freed)
}
