package logstore

import (
	"cmp"
	"context"
	"time"
)

const (
	// maxGroup is how many bytes one commit takes if more are there, and
	// perFile how many more for each file of the commit before: a write or a
	// sync of a few lines costs nearly as much as one of many.
	maxGroup = 4 << 20
	perFile  = 16 << 10
	// sweepEvery is how often the names of all open files are looked at, so that
	// one which is not written to does not keep a removed file on the disk.
	sweepEvery = 10 * time.Second
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
	stopKeeper := s.startKeeper()

	err := s.work(ctx)
	stopKeeper()
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
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	var g group
	for {
		if err := s.interrupted(sweep.C); err != nil {
			s.fail(err)
		}
		var open bool
		g.batches, open = s.queue.take(g.batches[:0], maxGroup+perFile*len(g.files))
		if len(g.batches) == 0 {
			if !open {
				return s.failure()
			}
			if err := s.idle(sweep.C); err != nil {
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
func (s *Store) idle(sweep <-chan time.Time) error {
	select {
	case <-s.queue.wake:
		return nil
	case done := <-s.reopen:
		return s.lookAround(done)
	case now := <-sweep:
		return s.folder.checkAll(now)
	}
}

// interrupted does what is due between two groups.
func (s *Store) interrupted(sweep <-chan time.Time) error {
	select {
	case done := <-s.reopen:
		return s.lookAround(done)
	case now := <-sweep:
		return s.folder.checkAll(now)
	default:
		return nil
	}
}

// commit makes the group durable as far as somebody waits for that.
func (s *Store) commit(ctx context.Context, g *group) error {
	if err := s.failure(); err != nil {
		return err
	}
	s.gather(g)
	if err := s.apply(ctx, g); err != nil {
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

// finish tells those who wait, and takes the batches back.
func (s *Store) finish(g *group, err error) {
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
