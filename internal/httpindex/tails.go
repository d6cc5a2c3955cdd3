package httpindex

import (
	"context"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

const (
	// lookEvery is how often a followed file is looked at that shows no sign of
	// growing: other programs may write to it.
	lookEvery = 250 * time.Millisecond
	// lookPause is how long growth is gathered, so that what many followers get
	// is found once and sent in one piece.
	lookPause = 40 * time.Millisecond
)

// tails are the files that are followed. One goroutine looks at each of them,
// however many follow it.
type tails struct {
	logs Logs

	mu    sync.Mutex
	files map[string]*tail
}

// A tail is one file that is followed.
type tail struct {
	name string

	mu        sync.Mutex // protects what follows
	now       *sharedText
	before    *sharedText // all of the file that now has replaced; nil = none has been
	epoch     int         // counts replacements of the file by others
	chunks    map[chunkKey]*chunk
	since     time.Time // of the last change
	rate      float64   // bytes a second by which it grows
	err       error     // why the file cannot be looked at
	followers map[chan<- struct{}]bool

	cancel context.CancelFunc
	done   chan struct{}
}

// A sharedText is closed when nobody uses it any more.
type sharedText struct {
	*logstore.Text
	users int // under tail.mu
}

// follow registers a follower of a file, who is woken when it has changed. The
// function that it returns ends that.
func (ts *tails) follow(name string, wake chan<- struct{}) (*tail, func(), error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.files[name]
	if t == nil {
		text, err := ts.logs.OpenText(name)
		if err != nil {
			return nil, nil, err
		}
		ctx, cancel := context.WithCancel(context.Background())
		t = &tail{name: name, now: &sharedText{text, 1}, followers: make(map[chan<- struct{}]bool), cancel: cancel, done: make(chan struct{})}
		if ts.files == nil {
			ts.files = make(map[string]*tail)
		}
		ts.files[name] = t
		go t.watch(ctx)
	}
	t.mu.Lock()
	t.followers[wake] = true
	t.mu.Unlock()
	return t, func() { ts.leave(t, wake) }, nil
}

func (ts *tails) leave(t *tail, wake chan<- struct{}) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t.mu.Lock()
	delete(t.followers, wake)
	last := len(t.followers) == 0
	t.mu.Unlock()
	if !last {
		return
	}
	delete(ts.files, t.name)
	t.cancel()
	<-t.done
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(t.now)
	if t.before != nil {
		t.put(t.before)
	}
}

// watch keeps t.now up to date, and wakes the followers.
func (t *tail) watch(ctx context.Context) {
	defer close(t.done)
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		grown := t.now.Grown()
		t.look()
		timer.Reset(lookEvery)
		select {
		case <-ctx.Done():
			return
		case <-grown:
		case <-timer.C:
		}
		timer.Reset(lookPause)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// look takes in what has changed. Only watch calls it, so t.now is its own to
// read.
func (t *tail) look() {
	now, replaced, err := t.now.Advance()
	if err != nil {
		t.mu.Lock()
		t.err = err
		t.mu.Unlock()
		t.wake()
		return
	}
	if now == t.now.Text {
		return
	}
	if replaced {
		// Those who follow get the rest of the file that was there first.
		if rest, err := t.now.Rest(); err == nil && rest != t.now.Text {
			t.change(rest, false)
		}
	}
	t.change(now, replaced)
}

func (t *tail) change(now *logstore.Text, replaced bool) {
	t.mu.Lock()
	old := t.now
	at := time.Now()
	if past := at.Sub(t.since).Seconds(); past > 0 && !t.since.IsZero() {
		t.rate = max(float64(now.End()-old.End()), 0) / past
	}
	t.since = at
	t.now, t.err, t.chunks = &sharedText{now, 1}, nil, nil
	if replaced {
		t.epoch++
		old, t.before = t.before, old
	}
	if old != nil {
		t.put(old)
	}
	t.mu.Unlock()
	t.wake()
}

func (t *tail) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for wake := range t.followers {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// get gives the file as it is, or, to who still reads the one that was replaced
// last, that. A negative epoch is the present one. release follows.
func (t *tail) get(epoch int) (text *sharedText, of int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return nil, 0, t.err
	}
	text, of = t.now, t.epoch
	if epoch >= 0 && epoch == t.epoch-1 {
		text, of = t.before, epoch
	}
	text.users++
	return text, of, nil
}

const (
	// busyRate is how fast a file grows that nobody reads line by line.
	busyRate = 2 << 20
	// fewFollowers are served as fast as the file grows all the same.
	fewFollowers = 4
	maxWeight    = 16
)

// weight is how dear it is to send what was added: of a file that grows fast,
// many followers get less, so that receiving goes on beside them.
func (t *tail) weight() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rate < busyRate {
		return 1
	}
	return min(max(len(t.followers)/fewFollowers, 1), maxWeight)
}

// present is the present epoch.
func (t *tail) present() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.epoch
}

func (t *tail) release(s *sharedText) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(s)
}

// put gives back one use of s. t.mu is held.
func (t *tail) put(s *sharedText) {
	if s.users--; s.users == 0 {
		s.Close()
	}
}
