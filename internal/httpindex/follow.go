package httpindex

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

const (
	heartbeat = 15 * time.Second
	// maxLag is how far a follower that was at the end once may be behind it. Past
	// that it goes on near the end, and is told what it has missed.
	maxLag = 16 << 20
	// lagRest is how many of the last bytes it gets all the same.
	lagRest = 256 << 10
	// relist is how often one who follows all files looks for new ones.
	relist = 5 * time.Second
)

// followForm is how lines are sent to a follower.
type followForm int

const (
	followText   followForm = iota
	followJSON              // a LINE of JSON each
	followEvents            // server-sent events
)

// A follower is one client that follows files.
type follower struct {
	h     *Handler
	form  followForm
	key   string // the same for all who want the same, see chunkKey
	query logstore.Query
	cut   int // as in search
	limit int
	hits  int

	files  []*followed
	all    bool // new files are followed as well
	ids    bool // the place in several files is told by name
	wake   chan struct{}
	out    *stream
	listed time.Time
	logs   Logs // what the client may read
}

// followed is a file and how far its follower is.
type followed struct {
	tail  *tail
	leave func()
	pos   int64
	epoch int  // of the tail; negative = none yet
	done  bool // everything of that epoch is sent, and there is a later one
	live  bool // it was at the end once
}

// followNot are parameters that do not go with follow=1.
var followNot = []string{"to", "at", "direction", "context", "before", "after", "events", "download"}

// parseFollow tells whether lines are to be followed.
func parseFollow(values url.Values) (bool, error) {
	on, err := parseSwitch(values, "follow")
	if !on || err != nil {
		return false, err
	}
	for _, name := range followNot {
		if values.Has(name) {
			return false, fmt.Errorf("%s= does not go with follow=1", name)
		}
	}
	return true, nil
}

// follow answers a request with follow=1 for these files; none is all.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request, names []string, values url.Values) int {
	f, err := h.newFollower(r, values)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	leave, ok := h.followers.enter(r.RemoteAddr, h.limits)
	if !ok {
		w.Header().Set("Retry-After", "10")
		return fail(w, http.StatusTooManyRequests, "too many clients follow log files: end some, or try again later")
	}
	defer leave()
	defer f.end()
	f.ids = len(names) != 1 || r.URL.Path == "/search"
	if status := f.begin(w, r, names, values); status != 0 {
		return status
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	header.Set("Content-Type", [...]string{followText: textType, followJSON: "application/x-ndjson", followEvents: "text/event-stream"}[f.form])
	if r.Method == http.MethodHead {
		return headOnly(w)
	}
	f.out = newStream(w)
	defer f.out.abandon()
	if err := f.run(r.Context()); err != nil && r.Context().Err() == nil && f.out.failed() == nil {
		h.log.Error("following ended: a file cannot be read", "url", r.URL.String(), "err", err)
		panic(http.ErrAbortHandler)
	}
	_ = f.out.close()
	return http.StatusOK
}

func (h *Handler) newFollower(r *http.Request, values url.Values) (*follower, error) {
	f := &follower{h: h, wake: make(chan struct{}, 1), logs: h.logs(r)}
	switch form := negotiateFollow(r.Header["Accept"]); {
	case !values.Has("format"):
		f.form = form
	case values.Get("format") == "text":
		f.form = followText
	case values.Get("format") == "json":
		f.form = followJSON
	case values.Get("format") == "events":
		f.form = followEvents
	default:
		return nil, fmt.Errorf("format=%s: give text, json or events", quote(values.Get("format")))
	}
	q, err := parseFilters(values, time.Now())
	if err != nil {
		return nil, err
	}
	f.query = q
	cut, err := parseNumber(values, "cut", "a number of bytes", minCut, math.MaxInt32, 0)
	if err != nil {
		return nil, err
	}
	f.cut = int(cut)
	limit, err := parseNumber(values, "limit", "a number of lines", 1, maxTextHits, 0)
	if err != nil {
		return nil, err
	}
	f.limit = int(limit)
	key := url.Values{}
	for _, name := range append([]string{"cut"}, filterNames...) {
		if values.Has(name) {
			key[name] = values[name]
		}
	}
	if key.Has("since") || key.Has("until") { // which may be reckoned from now
		key.Set("since", q.Since.String())
		key.Set("until", q.Until.String())
	}
	f.key = strconv.Itoa(int(f.form)) + key.Encode()
	return f, nil
}

// negotiateFollow chooses the form for an Accept header.
func negotiateFollow(accept []string) followForm {
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			switch name, _, _ := strings.Cut(item, ";"); strings.ToLower(strings.TrimSpace(name)) {
			case "text/event-stream":
				return followEvents
			case "application/json", "application/x-ndjson":
				return followJSON
			}
		}
	}
	return followText
}

// begin finds where to begin in each file, and answers if that cannot be.
func (f *follower) begin(w http.ResponseWriter, r *http.Request, names []string, values url.Values) int {
	from, err := parseNumber(values, "from", "an offset", 0, 1<<62, -1)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	n, err := parseNumber(values, "n", "a number of lines", 0, int64(f.h.limits.Lines), 0)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	var at cursor
	given := r.Header.Get("Last-Event-ID")
	if given == "" {
		given = values.Get("cursor")
	}
	if given != "" {
		if at, err = parseCursor(given); err != nil && len(names) == 1 {
			id, numErr := strconv.ParseInt(given, 10, 64)
			if numErr != nil || id < 0 {
				return fail(w, http.StatusBadRequest, "Last-Event-ID="+quote(given)+": give the id of an event")
			}
			at, err = cursor{names[0]: id}, nil
		}
		if err != nil {
			return fail(w, http.StatusBadRequest, err.Error())
		}
	}
	if f.all = len(names) == 0; f.all {
		if names, err = f.list(); err != nil {
			return f.h.notOpenedAny(w, false, err)
		}
	}
	for _, name := range names {
		file, err := f.add(name)
		if err != nil {
			return f.h.notOpenedAny(w, false, &nameError{name, err})
		}
		text, epoch, err := file.tail.get(-1)
		if err != nil {
			return f.h.notOpenedAny(w, false, &nameError{name, err})
		}
		file.epoch = epoch
		if offset, ok := at[name]; ok {
			file.pos = offset
		} else if from >= 0 {
			if status := rangeError(w, false, text.Text, from, -1); status != 0 {
				file.tail.release(text)
				return status
			}
			file.pos = from
		} else {
			file.pos, err = f.start(r.Context(), text.Text, int(n), values.Has("since"))
		}
		file.tail.release(text)
		if err != nil {
			return f.h.notOpenedAny(w, false, &nameError{name, err})
		}
	}
	return 0
}

// start is where to begin in a file without a given offset: at the last n hits,
// at a time, or at the end.
func (f *follower) start(ctx context.Context, text *logstore.Text, n int, since bool) (int64, error) {
	if n == 0 && !since {
		return text.End(), nil
	}
	if n == 0 {
		return text.Start(), nil
	}
	q := f.query
	q.Backward, q.Limit = true, n
	f.h.bound(&q, time.Now())
	first := text.End()
	_, err := text.Scan(ctx, q, func(found *logstore.Found) error {
		first = min(first, found.Offset)
		return nil
	})
	return first, err
}

// list are the files that one follows who follows all.
func (f *follower) list() (names []string, err error) {
	f.listed = time.Now()
	list, err := f.logs.List()
	for _, file := range list {
		if file.PartOf == "" && !reserved[file.Name] && typeOf(file.Name) == textType {
			names = append(names, file.Name)
		}
	}
	return names, err
}

// add begins to follow a file that the client may read.
func (f *follower) add(name string) (*followed, error) {
	text, err := f.logs.OpenText(name)
	if err != nil {
		return nil, err
	}
	text.Close()
	t, leave, err := f.h.tails.follow(name, f.wake)
	if err != nil {
		return nil, err
	}
	file := &followed{tail: t, leave: leave}
	f.files = append(f.files, file)
	return file, nil
}

func (f *follower) end() {
	for _, file := range f.files {
		file.leave()
	}
}

// run sends until the client leaves, the server stops or the limit is reached.
func (f *follower) run(ctx context.Context) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	look := time.NewTicker(relist)
	defer look.Stop()
	if err := f.out.flushNow(); err != nil { // the client sees that it is connected
		return err
	}
	for {
		more, cost, err := f.step()
		if err != nil || f.limit > 0 && f.hits >= f.limit {
			return err
		}
		wait := f.h.pace.take(cost, f.h.limits.FollowRate)
		if more && wait == 0 {
			if ctx.Err() != nil || f.h.stopping() {
				return ctx.Err()
			}
			continue
		}
		wake := f.wake
		var due <-chan time.Time
		if wait > 0 || more {
			wake, due = nil, time.After(wait)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.h.stop:
			return nil
		case <-wake:
		case <-due:
		case <-beat.C:
			if err := f.beat(); err != nil {
				return err
			}
		case <-look.C:
			if err := f.lookForFiles(); err != nil {
				return err
			}
		}
	}
}

// lookForFiles follows files that have come into being, from their beginning.
func (f *follower) lookForFiles() error {
	if !f.all {
		return nil
	}
	names, err := f.list()
	if err != nil {
		return err
	}
	for _, name := range names {
		if slices.ContainsFunc(f.files, func(x *followed) bool { return x.tail.name == name }) {
			continue
		}
		if file, err := f.add(name); err == nil {
			file.epoch = -1
		}
	}
	return nil
}

// step sends what there is of every file, up to a chunk each. more: there is
// more at once. cost is what it took.
func (f *follower) step() (more bool, cost int, err error) {
	var chunks []*chunk
	var of []*followed
	for _, file := range f.files {
		c, again, spent, err := f.next(file)
		more = more || again
		cost += spent
		if err != nil {
			return false, cost, err
		}
		if c != nil {
			chunks, of = append(chunks, c), append(of, file)
		}
	}
	if len(chunks) == 0 {
		return more, cost, f.out.failed()
	}
	weight := 1
	for _, file := range of {
		weight = max(weight, file.tail.weight())
	}
	cost = (cost + f.sendChunks(chunks, of)) * weight
	return more, cost, f.out.flushNow()
}

// next gives the next chunk of a file; nil where there is none.
func (f *follower) next(file *followed) (c *chunk, more bool, cost int, err error) {
	if file.done {
		file.epoch++
	}
	text, epoch, err := file.tail.get(file.epoch)
	if err != nil {
		return nil, false, 0, err
	}
	defer file.tail.release(text)
	if (file.done || file.epoch >= 0 && epoch != file.epoch) && file.pos != text.ActiveStart() {
		f.gap(file, file.pos, text.ActiveStart(), "replaced")
	}
	file.done, file.epoch = false, epoch
	start, end := text.Start(), text.End()
	switch {
	case file.pos < start:
		f.gap(file, file.pos, start, "expired")
	case file.pos > end:
		// A place that this file never had: another one stood here.
		f.gap(file, file.pos, start, "replaced")
	case file.live && end-file.pos > maxLag:
		to, err := text.LineFrom(end - lagRest)
		if err != nil {
			return nil, false, 0, err
		}
		f.gap(file, file.pos, to, "slow")
	}
	if file.pos == end {
		file.live = true
		// Of a file that was replaced everything is sent.
		file.done = epoch < file.tail.present()
		return nil, file.done, 0, nil
	}
	from, to := text.Reach(file.pos)
	if from > file.pos {
		f.gap(file, file.pos, from, "expired")
	}
	to = min(to, file.pos+chunkSize)
	c, fresh := file.tail.chunk(text, f, file.pos, to)
	if c.err != nil {
		return nil, false, 0, c.err
	}
	if fresh {
		cost = int(to-file.pos) / 4
	}
	return c, true, cost, nil
}

// sendChunks sends the lines of the chunks by time, and moves the files' places.
func (f *follower) sendChunks(chunks []*chunk, of []*followed) (sent int) {
	heads := make([]int, len(chunks))
	for {
		best := -1
		for i, c := range chunks {
			if heads[i] < len(c.lines) && (best < 0 || c.lines[heads[i]].at < chunks[best].lines[heads[best]].at) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		c := chunks[best]
		l := c.lines[heads[best]]
		heads[best]++
		of[best].pos = l.next
		f.line(of[best], c.buf[l.start:l.end])
		sent += l.end - l.start
		if f.hits++; f.limit > 0 && f.hits >= f.limit {
			return sent
		}
	}
	for i, c := range chunks {
		of[i].pos = c.next
	}
	return sent
}

// line sends one line.
func (f *follower) line(file *followed, data []byte) {
	_ = f.out.append(func(buf []byte) []byte {
		switch f.form {
		case followEvents:
			buf = f.appendID(buf, file)
			buf = append(buf, "event: line\ndata: "...)
			return append(append(buf, data...), "\n\n"...)
		case followJSON:
			return append(append(buf, data...), '\n')
		}
		return append(buf, data...)
	})
}

// gap says that bytes of a file are not sent.
func (f *follower) gap(file *followed, from, to int64, reason string) {
	f.h.metrics.gaps.Inc()
	file.pos = to
	name := file.tail.name
	_ = f.out.append(func(buf []byte) []byte {
		if f.form == followText {
			return fmt.Appendf(buf, "[dalog: %s: bytes %d to %d are left out (%s)]\n", name, from, to, reason)
		}
		if f.form == followEvents {
			buf = append(f.appendID(buf, file), "event: gap\ndata: "...)
		}
		buf = appendJSONString(append(buf, `{"file":`...), name)
		if f.form == followJSON {
			buf = append(buf, `,"gap":true`...)
		}
		buf = fmt.Appendf(buf, `,"from":%d,"to":%d,"reason":%q}`, from, to, reason)
		if f.form == followEvents {
			buf = append(buf, '\n')
		}
		return append(buf, '\n')
	})
}

// appendID writes the id of an event: where to go on after it.
func (f *follower) appendID(buf []byte, file *followed) []byte {
	buf = append(buf, "id: "...)
	if !f.ids {
		return append(strconv.AppendInt(buf, file.pos, 10), '\n')
	}
	for i, x := range f.files {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(append(buf, x.tail.name...), '=')
		buf = strconv.AppendInt(buf, x.pos, 10)
	}
	return append(buf, '\n')
}

// beat shows that the connection lives, and how far the search is.
func (f *follower) beat() error {
	if f.form != followEvents {
		return nil
	}
	_ = f.out.append(func(buf []byte) []byte {
		buf = append(buf, ": \n"...)
		if len(f.files) > 0 {
			buf = f.appendID(buf, f.files[0])
		}
		return append(buf, '\n')
	})
	return f.out.flushNow()
}

// followers counts those who follow.
type followers struct {
	mu    sync.Mutex
	n     int
	peers map[string]int
}

// enter counts one of a peer, if there may be one more.
func (fs *followers) enter(addr string, l Limits) (leave func(), ok bool) {
	peer, _, err := net.SplitHostPort(addr)
	if err != nil {
		peer = addr
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.n >= l.Followers || fs.peers[peer] >= l.FollowersOfPeer {
		return nil, false
	}
	if fs.peers == nil {
		fs.peers = make(map[string]int)
	}
	fs.n++
	fs.peers[peer]++
	return func() {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		fs.n--
		if fs.peers[peer]--; fs.peers[peer] == 0 {
			delete(fs.peers, peer)
		}
	}, true
}

// pace spreads what all followers together cost over time, so that receiving
// goes on beside them.
type pace struct {
	mu   sync.Mutex
	free time.Time // when all that was taken is paid for
}

const followBurst = 50 * time.Millisecond

// take notes a cost, of which there may be rate a second, and tells how long its
// causer waits.
func (p *pace) take(cost int, rate int64) time.Duration {
	if cost == 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(cost) * time.Second / time.Duration(rate))
	return max(0, p.free.Sub(now)-followBurst)
}
