package httpindex

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

// Limits bound what one request and all together may cost. Zero is the default.
type Limits struct {
	Searches int           // at one time; default 32
	Wait     time.Duration // for one's turn; default 2 s
	Scan     int64         // bytes that one search looks through; default 64 GiB
	Time     time.Duration // that it takes; default 30 s
	Lines    int           // of one answer in JSON; default 10,000

	Followers       int   // of log files at one time; default 200
	FollowersOfPeer int   // of them, those of one address; default 20
	FollowRate      int64 // bytes a second that they get together; default 64 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Searches <= 0 {
		l.Searches = 32
	}
	if l.Wait <= 0 {
		l.Wait = 2 * time.Second
	}
	if l.Scan <= 0 {
		l.Scan = 64 << 30
	}
	if l.Time <= 0 {
		l.Time = 30 * time.Second
	}
	if l.Lines <= 0 {
		l.Lines = 10_000
	}
	if l.FollowRate <= 0 {
		l.FollowRate = 64 << 20
	}
	if l.Followers <= 0 {
		l.Followers = 200
	}
	if l.FollowersOfPeer <= 0 {
		l.FollowersOfPeer = 20
	}
	return l
}

var errBusy = errors.New("too many searches")

// admit waits for a search's turn. done ends it.
func (h *Handler) admit(ctx context.Context) (done func(), err error) {
	select {
	case h.searches <- struct{}{}:
	default:
		timer := time.NewTimer(h.limits.Wait)
		defer timer.Stop()
		select {
		case h.searches <- struct{}{}:
		case <-timer.C:
			return nil, errBusy
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return func() { <-h.searches }, nil
}

// bound sets what one search may cost.
func (h *Handler) bound(q *logstore.Query, now time.Time) {
	q.MaxScan, q.Deadline = h.limits.Scan, now.Add(h.limits.Time)
}

// busy answers for a search whose turn does not come.
func (h *Handler) busy(w http.ResponseWriter, json bool) int {
	w.Header().Set("Retry-After", "2")
	return failAs(w, json, http.StatusTooManyRequests, "too many searches are under way: try again in a moment")
}
