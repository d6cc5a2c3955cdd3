package logstore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// In lines that are in order, some of them long or without a time, in parts
// compressed or not, Seek finds the first line that is not before a time.
func TestSeek(t *testing.T) {
	t.Parallel()
	p := &plan{name: "worker.log"}
	random := rand.New(rand.NewPCG(3, 4))
	at := planStart
	for i := range 20_000 {
		at = at.Add(time.Duration(random.IntN(3)) * 100 * time.Millisecond)
		l := planned{at: at.UnixNano(), raw: fmt.Sprintf("%s web1 celery[7]: line %d", at.Format("2006-01-02T15:04:05.000000-07:00"), i)}
		switch random.IntN(1000) {
		case 0:
			l.raw += strings.Repeat(" and on", 3000)
		case 1, 2, 3, 4:
			l = planned{raw: "somebody else's line"}
		}
		if i == 9000 {
			l.raw += strings.Repeat(" and on", 400_000)
		}
		p.lines = append(p.lines, l)
	}
	for _, packed := range []bool{true, false} {
		s := layOut(t, p, []int{3_000, 12_000, 16_000}, func(int) bool { return packed }, 1000)
		defer s.Close()
		text, err := s.OpenText(p.name)
		require.NoError(t, err)
		defer text.Close()
		seek := func(at time.Time) int64 {
			place, err := text.Seek(at, time.UTC, time.Now())
			require.NoError(t, err)
			return place
		}
		require.Equal(t, text.Start(), seek(planStart.Add(-time.Hour)))
		require.Equal(t, text.End(), seek(at.Add(time.Hour)))
		for range 300 {
			want := planStart.Add(time.Duration(random.Int64N(int64(at.Sub(planStart)))))
			first := text.End()
			for i, l := range p.lines {
				if l.at >= want.UnixNano() {
					first = p.places[i]
					break
				}
			}
			require.Equal(t, first, seek(want), "%v", want)
		}
	}
}

// A file without times has a place for every time all the same.
func TestSeekWithoutTimes(t *testing.T) {
	t.Parallel()
	p := &plan{name: "worker.log", lines: []planned{{raw: "one"}, {raw: "two"}}}
	for range 50_000 {
		p.lines = append(p.lines, planned{raw: "neither time nor host"})
	}
	for _, n := range []int{1, len(p.lines)} {
		some := *p
		some.lines = p.lines[:n]
		s := layOut(t, &some, nil, func(int) bool { return false }, 1000)
		defer s.Close()
		text, err := s.OpenText(p.name)
		require.NoError(t, err)
		defer text.Close()
		place, err := text.Seek(planStart, time.UTC, time.Now())
		require.NoError(t, err)
		require.Contains(t, append(some.places, text.End()), place)
	}
}
