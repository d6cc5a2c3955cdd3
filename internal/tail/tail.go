package tail

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

// Tailer follows files. Run looks for changes, Next reads; each runs in a
// goroutine of its own.
type Tailer struct {
	cfg   Config
	wake  chan struct{} // to the reader: something is ready
	poke  chan struct{} // to the scanner: look now
	ask   chan chan Status
	found chan struct{} // Run has looked at everything once
	ended chan struct{} // Run has returned
	hints *hints        // nil without inotify

	// Owned by the scanner.
	patterns []*pattern
	places   map[string]*place   // by path
	order    []*place            // the same, as they were found
	sources  []*Source           // changed under mu only
	open     map[fileKey]*Source // those of sources whose file is open
	known    knownFiles          // sources that are not open
	marks    map[string]int64    // as Memory has them
	dirs     map[string]*dirList // of this step
	indexes  map[string]*nameIndex
	packs    packs
	pins     pins
	dirTimes map[string]int64 // times of modification of folders, of this step; 0 for none
	change   Change           // not yet applied
	fresh    []*Source        // active when change is applied
	began    time.Time        // of the grid of looks
	now      time.Time        // of this step
	nextGlob time.Time
	nextSeen time.Time
	retry    time.Time // not before then, after Apply has failed

	looked func(*Source) // for tests: a file's size was taken, and is not judged yet

	buf  []byte        // owned by the reader
	tick time.Duration // how coarse the times of files are
	// hintAfter is how long a file must be idle before a wake-up is worth its price.
	hintAfter time.Duration

	mu      sync.Mutex
	ready   readyList
	touched []*Source // by hints
	begun   int       // sources that became active
	asked   int64     // how often it was asked what older files hold
	ending  bool      // nothing waits any more
}

// Stats is how things stand.
type Stats struct {
	Open int // files held open
	// Unread is how many bytes there were at the last look that have not been
	// read. A line without its end counts as read.
	Unread int64
}

// New takes up what Memory knows. No file is opened before Run.
func New(cfg Config) *Tailer {
	cfg.setDefaults()
	t := &Tailer{
		cfg:       cfg,
		wake:      make(chan struct{}, 1),
		poke:      make(chan struct{}, 1),
		ask:       make(chan chan Status),
		found:     make(chan struct{}),
		ended:     make(chan struct{}),
		places:    map[string]*place{},
		open:      map[fileKey]*Source{},
		dirs:      map[string]*dirList{},
		indexes:   map[string]*nameIndex{},
		packs:     newPacks(),
		dirTimes:  map[string]int64{},
		marks:     cfg.Memory.Marks(),
		tick:      clockTick,
		hintAfter: 2 * time.Second,
		buf:       make([]byte, delivery.AnchorSize+quantum),
	}
	known := cfg.Memory.Sources()
	for _, k := range known {
		t.known.add(&k)
	}
	t.pins = openPins(cfg.PinDir, cfg.Pin, known)
	for i, text := range cfg.Patterns {
		t.patterns = append(t.patterns, newPattern(i, text))
	}
	return t
}

// Run looks for new files and new content until ctx ends, and then once more,
// so that Next finds all that was written before. The files stay open; Close
// ends that.
func (t *Tailer) Run(ctx context.Context) error {
	defer close(t.ended)
	if !t.cfg.NoHints {
		h, err := newHints(t)
		if err != nil {
			t.cfg.Notify(Event{Kind: HintsOff, Err: err})
		} else {
			t.hints = h
			defer h.close()
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	found := sync.OnceFunc(func() { close(t.found) })
	for {
		select {
		case <-ctx.Done():
			t.mu.Lock()
			t.ending = true
			t.mu.Unlock()
			t.lookAgain()
			t.step(time.Now())
			found()
			return nil
		case answer := <-t.ask:
			answer <- t.status()
			continue
		case <-t.poke:
		case <-timer.C:
		}
		next := t.step(time.Now())
		found()
		timer.Reset(max(time.Until(next), time.Millisecond))
	}
}

// Found is closed once Run has looked for files for the first time: those that were
// there are open then, and lose nothing by being renamed or removed.
func (t *Tailer) Found() <-chan struct{} { return t.found }

// rouse makes the scanner look without waiting.
func (t *Tailer) rouse() {
	select {
	case t.poke <- struct{}{}:
	default:
	}
}

// Close closes all files. Run must have returned, and Next must not be called.
func (t *Tailer) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sources {
		s.close()
	}
	t.sources = nil
	for _, job := range t.packs.jobs {
		<-job.done
		job.drop()
	}
}

// Stats may be called at any time.
func (t *Tailer) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	stats := Stats{Open: len(t.sources)}
	for _, s := range t.sources {
		stats.Unread += max(0, s.size-max(s.seen, s.offset()))
	}
	return stats
}

// Sizes gives the sizes of all open files. It may be called at any time.
func (t *Tailer) Sizes() map[delivery.SourceID]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	sizes := make(map[delivery.SourceID]int64, len(t.sources))
	for _, s := range t.sources {
		sizes[s.ID] = s.size
	}
	return sizes
}

// lookAgain makes everything due.
func (t *Tailer) lookAgain() {
	t.nextGlob = time.Time{}
	for _, s := range t.sources {
		s.nextLook = time.Time{}
	}
	for _, p := range t.order {
		p.due = time.Time{}
	}
}

// step looks at all that is due and tells when the next look is.
func (t *Tailer) step(now time.Time) (next time.Time) {
	t.now = now
	clear(t.dirs)
	clear(t.dirTimes)
	t.mu.Lock()
	touched := t.touched
	t.touched = nil
	t.mu.Unlock()
	for _, s := range touched {
		s.nextLook, s.wait, s.place.due = now, 0, now
	}
	if !now.Before(t.nextGlob) {
		t.findPlaces(now)
		t.nextGlob = now.Add(t.cfg.Scan)
	}
	next = t.nextGlob
	for _, s := range t.sources { // renew appends; what is new is looked at next time
		if !now.Before(s.nextLook) {
			t.look(s, now)
		}
	}
	for _, p := range t.order { // prune replaces the slice
		if !now.Before(p.due) {
			t.check(p, now)
		}
	}
	t.limitHeld()
	t.mu.Lock()
	t.sources = slices.DeleteFunc(t.sources, func(s *Source) bool { return s.ended })
	t.mu.Unlock()
	t.apply(now)
	if !now.Before(t.nextSeen) {
		t.tellSeen()
		clear(t.indexes)
		t.nextSeen = now.Add(time.Hour)
	}
	for _, s := range t.sources {
		next = earlier(next, s.nextLook)
	}
	for _, p := range t.order {
		next = earlier(next, p.due)
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (t *Tailer) offsetOf(s *Source) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return s.offset()
}

func (t *Tailer) tellSeen() {
	ids := make([]delivery.SourceID, 0, len(t.sources))
	for _, s := range t.sources {
		ids = append(ids, s.ID)
	}
	t.cfg.Memory.Seen(ids)
}

// apply makes the step's change durable and then lets its new sources be read.
// What cannot be made durable waits, with its files held open.
func (t *Tailer) apply(now time.Time) {
	if !t.change.empty() {
		if now.Before(t.retry) {
			return
		}
		if err := t.cfg.Memory.Apply(t.change); err != nil {
			if t.retry.IsZero() {
				t.cfg.Notify(Event{Kind: MemoryFailed, Err: err})
			}
			t.retry = now.Add(t.cfg.Scan)
			return
		}
		t.change, t.retry = Change{}, time.Time{}
	}
	for _, s := range t.fresh {
		if !s.ended {
			t.pin(s)
		}
	}
	if len(t.pins.drop) > 0 {
		t.removePins()
	}
	if len(t.fresh) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.fresh {
		s.active = true
		t.begun++
		t.offer(s)
	}
	t.fresh = nil
}

func (t *Tailer) mark(name string, birth int64) {
	t.marks[name] = birth
	if t.change.Marks == nil {
		t.change.Marks = map[string]int64{}
	}
	t.change.Marks[name] = birth
}
