package syslogsrv

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/delivery"
)

// A source that a session has is not forgotten; one that nobody has is, and
// begins anew.
func TestForget(t *testing.T) {
	t.Parallel()
	b := newBook()
	r := startBook(t, Config{}, b)
	s := r.sender(r.dial(TCP), 1, 1)
	s.open(1, 2)
	s.batch(1, "one\n", 0)
	s.wantTaken(4, 1)
	key := delivery.SourceKey{ID: delivery.SourceID{1}}
	require.ErrorIs(t, r.Forget(t.Context(), key), ErrSending)
	require.Zero(t, r.ForgetIdle(t.Context(), time.Now().Add(-time.Hour)))
	require.Equal(t, 1, b.SourceCount())

	s.client.Abort()
	require.Eventually(t, func() bool { return r.Stats().Dalog.Live == 0 }, 10*time.Second, 5*time.Millisecond)
	require.Zero(t, r.ForgetIdle(t.Context(), time.Now().Add(-time.Hour)), "it was claimed a moment ago")
	require.Equal(t, 1, r.ForgetIdle(t.Context(), time.Now().Add(time.Hour)))
	require.Zero(t, b.SourceCount())
	require.EqualValues(t, 1, r.Stats().Dalog.SourcesForgot)
	require.Empty(t, r.Sources())

	s = r.sender(r.dial(TCP), 1, 2)
	require.False(t, s.open(1).Sources[0].Known)
	s.batch(1, "one\n", 0)
	s.wantTaken(4, 1)
}

// Above the limit new sources wait, and the others go on.
func TestMaxSources(t *testing.T) {
	t.Parallel()
	b := newBook()
	r := startBook(t, Config{Rules: Rules{MaxSources: 2}}, b)
	s := r.sender(r.dial(TCP), 1, 1)
	s.open(1, 2, 3)
	for id := range byte(2) {
		s.batch(id+1, "one\n", 0)
		s.wantTaken(4, 1)
	}
	s.batch(3, "one\n", 0)
	s.want(delivery.CodeLater)
	s.batch(1, "one\ntwo\n", 4)
	s.wantTaken(8, 1)
	require.EqualValues(t, 1, r.Stats().Dalog.SourcesFull)
	r.SetRules(Rules{MaxSources: 3})
	s.batch(3, "one\n", 0)
	s.wantTaken(4, 1)
}
