package logstore

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// keepEvery is how often the parts are looked at, rotations aside.
	keepEvery = time.Minute
	// evictEvery is how often the limits are looked at while there is work.
	evictEvery = time.Second
	// packNice is the nice value of the thread that compresses.
	packNice = 19
)

// keeper looks after closed parts: it compresses them, one at a time, and takes
// away what passes the limits.
type keeper struct {
	wake     chan struct{}
	evicting sync.Mutex // one eviction at a time; protects full
	full     alarm      // of a disk that stays too full

	// The keeper's own.
	packer       *packer
	postponed    map[string]time.Time // by path: parts that cannot be compressed, until when
	unsummarized map[string]bool      // by path: parts of which no summary can be made
}

func newKeeper() *keeper {
	return &keeper{wake: make(chan struct{}, 1), postponed: make(map[string]time.Time), unsummarized: make(map[string]bool)}
}

// kick makes the keeper look at once. It does not block.
func (k *keeper) kick() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// startKeeper starts the keeper. The function it returns ends it.
func (s *Store) startKeeper() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread is not given back: it ends with this goroutine, and with it
		// its low priority.
		runtime.LockOSThread()
		lowPriority()
		s.sweepSummaries()
		s.summarizeTexts(ctx)
		tick := time.NewTicker(keepEvery)
		defer tick.Stop()
		for {
			s.keep(ctx)
			s.summarize(ctx)
			select {
			case <-tick.C:
				if err := s.parts.scan(); err != nil {
					s.log.Error("closed parts of log files cannot be listed", "error", err)
				}
				s.sweepSummaries()
				s.summarizeTexts(ctx)
			case <-s.keeper.wake:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// lowPriority makes this thread wait for all others. What the system does not
// let it do, it does without.
func lowPriority() {
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, packNice)
	const whoProcess, classIdle = 1, 3 << 13
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, 0, classIdle)
}

// keep evicts, and compresses the parts that are not.
func (s *Store) keep(ctx context.Context) {
	s.evict(false)
	evicted := time.Now()
	for _, w := range s.keeper.unpacked(s.parts.all()) {
		if ctx.Err() != nil {
			return
		}
		if time.Since(evicted) > evictEvery {
			s.evict(false)
			evicted = time.Now()
		}
		err := s.pack(ctx, w.name, w.part)
		if err == nil || ctx.Err() != nil || errors.Is(err, fs.ErrNotExist) {
			continue // or the part has gone meanwhile
		}
		s.keeper.postponed[w.part.path(w.name)] = time.Now().Add(keepEvery)
		if errors.Is(err, errWritten) {
			s.log.Info("a closed part is compressed when nobody writes to it any more: the program that has it open should open the log file anew", "part", w.part.path(w.name))
			continue
		}
		s.log.Error("a closed part cannot be compressed: it stays as it is for now", "part", w.part.path(w.name), "error", err)
	}
}

// work is a part to be compressed.
type work struct {
	name string
	part logPart
}

// unpacked are the parts to be compressed, those first that were written to
// longest ago.
func (k *keeper) unpacked(all map[string][]logPart) []work {
	now := time.Now()
	maps.DeleteFunc(k.postponed, func(_ string, until time.Time) bool { return now.After(until) })
	var list []work
	for name, parts := range all {
		for _, p := range parts {
			if p.packed || p.turning || p.broken {
				continue
			}
			if _, wait := k.postponed[p.path(name)]; !wait {
				list = append(list, work{name, p})
			}
		}
	}
	slices.SortFunc(list, func(a, b work) int { return a.part.modified.Compare(b.part.modified) })
	return list
}
