package logstore

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// testRange is lines of 10 bytes from the first to before the last.
func testRange(first, last int) (r Range, msgs []syslog.Message) {
	anchor := func(at int64) uint32 { return uint32(at) + 1000 }
	r = Range{Key: testKey, Start: int64(first) * 10, Before: anchor(int64(first) * 10), After: anchor(int64(last) * 10)}
	for i := first; i < last; i++ {
		msgs = append(msgs, message("celery", fmt.Sprint(i)))
		r.Ends = append(r.Ends, int64(i+1)*10)
	}
	return r, msgs
}

func TestSources(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	s := twinStore(t, d, Config{})
	confirmed := 0
	send := func(first, last int, change ...func(*Range)) error {
		r, msgs := testRange(first, last)
		for _, c := range change {
			c(&r)
		}
		return s.SubmitRange(t.Context(), testTime, r, msgs, func(err error) { require.NoError(t, err); confirmed++ })
	}
	commit := func() {
		t.Helper()
		_, err := s.commitStep(context.Background())
		require.NoError(t, err)
	}
	refused := func(err error, committed int64, content bool) {
		t.Helper()
		var refusal *PositionError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, PositionError{Key: testKey, Start: refusal.Start, Committed: committed, Content: content}, *refusal)
	}

	refused(send(1, 2), 0, false) // a source begins at its beginning
	require.Empty(t, s.Sources())
	require.NoError(t, send(0, 2))
	_, ok := s.Position(testKey)
	require.True(t, ok)
	require.Empty(t, s.Sources(), "nothing is committed")
	refused(send(3, 4), 20, false)
	require.NoError(t, send(2, 4))
	require.Zero(t, confirmed)
	commit()
	require.Equal(t, 2, confirmed)
	p, _ := s.Position(testKey)
	require.EqualValues(t, 40, p.Offset)
	require.EqualValues(t, 1040, p.Anchor)

	require.NoError(t, send(1, 6), "the first three are left out")
	require.NoError(t, send(2, 3), "nothing is left")
	commit()
	require.Equal(t, 4, confirmed)
	refused(send(6, 7, func(r *Range) { r.Before++ }), 60, true)
	refused(send(4, 6, func(r *Range) { r.After++ }), 60, true)
	require.ErrorContains(t, send(6, 8, func(r *Range) { r.Ends[0], r.Ends[1] = r.Ends[1], r.Ends[0] }), "not in order")
	require.ErrorContains(t, send(6, 8, func(r *Range) { r.Ends = r.Ends[:1] }), "not in order")

	d.Kill()
	s = twinStore(t, d, Config{})
	want := ""
	for i := range 6 {
		want += fmt.Sprintf("%s%d\n", testHeader, i)
	}
	require.Equal(t, want, onDisk(t, d, "worker.log"))
	require.Len(t, s.Sources(), 1)
	require.Equal(t, testKey, s.Sources()[0].SourceKey)
	require.EqualValues(t, 60, s.Sources()[0].Offset)
	refused(send(7, 8), 60, false)

	// Forgotten in between, the source begins again.
	require.NoError(t, send(6, 7))
	require.NoError(t, s.Forget(t.Context(), testKey, func(err error) { require.NoError(t, err); confirmed++ }))
	require.NoError(t, send(0, 1))
	commit()
	require.Equal(t, 7, confirmed)
	p, _ = s.Position(testKey)
	require.EqualValues(t, 10, p.Offset)
	require.NoError(t, s.Forget(t.Context(), testKey, nil))
	commit()
	_, ok = s.Position(testKey)
	require.False(t, ok)
	d.Kill()
	s = twinStore(t, d, Config{})
	require.Empty(t, s.Sources())
	require.Equal(t, want+testHeader+"6\n"+testHeader+"0\n", onDisk(t, d, "worker.log"))
	require.NoError(t, s.Close())
}

// A sender that knows the Store for a new one lets its source begin where it is.
func TestSourceThatBeginsLater(t *testing.T) {
	t.Parallel()
	s := twinStore(t, vfstest.New(vfstest.Options{}), Config{})
	send := func(first, last int, begin bool) error {
		r, msgs := testRange(first, last)
		if begin {
			r.Start, r.Skip = 0, r.Start
		}
		return s.SubmitRange(t.Context(), testTime, r, msgs, nil)
	}
	var refusal *PositionError
	require.ErrorAs(t, send(5, 6, false), &refusal)
	require.NoError(t, send(5, 6, true))
	require.ErrorAs(t, send(7, 8, true), &refusal, "it is known by now")
	require.EqualValues(t, 60, refusal.Committed)
	require.NoError(t, send(4, 7, false), "the first two are left out")
	_, err := s.commitStep(t.Context())
	require.NoError(t, err)
	p, ok := s.Position(testKey)
	require.True(t, ok)
	require.EqualValues(t, 70, p.Offset)
	require.EqualValues(t, 2, s.Stats().Messages)
}

func TestRangeTooLarge(t *testing.T) {
	t.Parallel()
	s := twinStore(t, vfstest.New(vfstest.Options{}), Config{segmentSize: 8 << 10})
	r, msgs := testRange(0, 1000)
	require.ErrorIs(t, s.SubmitRange(t.Context(), testTime, r, msgs, nil), ErrRangeTooLarge)
	require.Zero(t, s.Stats().Uncommitted)
	// Without a source it is cut.
	require.NoError(t, s.Submit(t.Context(), testTime, msgs, nil))
	startStore(t, s)()
}

// What is left out on purpose is counted, over crashes too, and a range
// without messages moves its source.
func TestSourceSkips(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	s := twinStore(t, d, Config{})
	send := func(r Range, texts ...string) {
		t.Helper()
		var msgs []syslog.Message
		for _, text := range texts {
			msgs = append(msgs, message("celery", text))
		}
		r.Key = testKey
		require.NoError(t, s.SubmitRange(t.Context(), testTime, r, msgs, func(err error) { require.NoError(t, err) }))
	}
	standing := func(want Position) {
		t.Helper()
		_, err := s.commitStep(t.Context())
		require.NoError(t, err)
		check := func() {
			p, _ := s.Position(testKey)
			p.Seen = 0
			require.Equal(t, want, p)
		}
		check()
		d.Kill()
		s = twinStore(t, d, Config{})
		check()
	}
	send(Range{Skip: 100, Ends: []int64{110}, End: 112, After: 1}, "a")
	standing(Position{Offset: 112, Anchor: 1, First: 100})
	send(Range{Start: 112, Before: 1, End: 120, After: 2})
	standing(Position{Offset: 120, Anchor: 2, First: 100})
	send(Range{Start: 120, Before: 2, Skip: 30, Ends: []int64{151}, After: 3}, "b")
	send(Range{Start: 151, Before: 3, Skip: 1, Ends: []int64{160}, After: 4}, "c")
	standing(Position{Offset: 160, Anchor: 4, First: 100, Skipped: 31})
	require.Equal(t, testHeader+"a\n"+testHeader+"b\n"+testHeader+"c\n", onDisk(t, d, "worker.log"))
}
