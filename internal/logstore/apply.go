package logstore

import (
	"context"
	"errors"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

const (
	// holdRetry is how often files without room are tried again, and holdAtEnd
	// for how long once the end was asked for.
	holdRetry = 250 * time.Millisecond
	holdAtEnd = 5 * time.Second
)

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
	defer func() {
		clear(f.pending)
		f.pending = f.pending[:0]
	}()
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
