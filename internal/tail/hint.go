package tail

import (
	"sync"
	"sync/atomic"

	"github.com/hpcloud/tail/watch"
	"golang.org/x/sys/unix"
)

// hints wakes the scanner when an idle file changes, through hpcloud/tail/watch.
//
// Of that package only its tracker is used, and each watch serves for one event:
// a busy file would otherwise cost an event for each write, and the package's
// FileWatcher ends the process when it cannot stat a file that was written to.
// The tracker also ends the process when inotify cannot be had at its start,
// so that is tried first, and it is started before files take the descriptors.
type hints struct {
	t      *Tailer
	wanted chan *Source
	bell   chan struct{}
	quit   chan struct{}
	done   chan struct{}
}

type watched struct {
	source *Source
	fired  atomic.Bool
}

func newHints(t *Tailer) (*hints, error) {
	if err := startTracker(); err != nil {
		return nil, err
	}
	h := &hints{
		t:      t,
		wanted: make(chan *Source, 1024),
		bell:   make(chan struct{}, 1),
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	go h.run()
	return h, nil
}

// startTracker starts the one tracker of the process, unless what it takes for
// that cannot be had.
var startTracker = sync.OnceValue(func() error {
	if err := probeInotify(); err != nil {
		return err
	}
	const anything = "/"
	if err := watch.Watch(anything); err != nil {
		return err
	}
	watch.RemoveWatch(anything)
	return nil
})

// probeInotify opens for a moment what the tracker opens: an inotify instance
// and three descriptors more.
func probeInotify() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for range 3 {
		more, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(more)
	}
	return nil
}

// want asks for one wake-up at the next change of s. It does not block; false
// means that there are too many wishes for now.
func (h *hints) want(s *Source) bool {
	select {
	case h.wanted <- s:
		return true
	default:
		return false
	}
}

func (h *hints) close() {
	close(h.quit)
	<-h.done
}

func (h *hints) run() {
	defer close(h.done)
	watches := map[string]*watched{}
	defer func() {
		for path := range watches {
			watch.RemoveWatch(path)
		}
	}()
	for {
		select {
		case <-h.quit:
			return
		case s := <-h.wanted:
			if watches[s.Path] != nil {
				continue
			}
			if err := watch.Watch(s.Path); err != nil {
				h.t.withoutHint(s) // out of watches, or the file is gone: polling will do
				continue
			}
			w := &watched{source: s}
			watches[s.Path] = w
			events := watch.Events(s.Path)
			go func() {
				for range events { // closed by RemoveWatch
					w.fired.Store(true)
					select {
					case h.bell <- struct{}{}:
					default:
					}
				}
			}()
		case <-h.bell:
			for path, w := range watches {
				if w.fired.Load() {
					delete(watches, path)
					watch.RemoveWatch(path)
					h.t.touch(w.source)
				}
			}
		}
	}
}

func (t *Tailer) withoutHint(s *Source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.hintless = true
}

// touch makes the scanner look at s at once.
func (t *Tailer) touch(s *Source) {
	t.mu.Lock()
	s.hinted = false
	t.touched = append(t.touched, s)
	t.mu.Unlock()
	t.rouse()
}
