package logstore

import (
	"bytes"
	"errors"
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

const (
	seekProbe = 16 << 10
	seekLook  = maxLine // how far a line with a time is looked for
)

// Seek is where the lines of a time begin: the offset of the first line that is
// not before at, or the end. It halves the text, so where lines are out of order
// it comes near the place.
func (t *Text) Seek(at time.Time, zone *time.Location, now time.Time) (int64, error) {
	want := nanos(at)
	w := &window{t: t, lines: NewLineReader(zone, now)}
	low, high := t.Start(), t.End() // a line begins at low
	for high-low > seekProbe {
		mid := low + (high-low)/2
		behind, when, err := w.timed(mid, min(high, mid+seekLook))
		switch {
		case err != nil:
			return 0, err
		case when >= want:
			high = mid
		default:
			low = behind
		}
	}
	first, to := low, min(high+seekLook, t.End())
	err := w.each(low, to, func(p place, raw []byte) error {
		if at, _, _ := w.lines.stamp(raw); at.Valid && nanosOf(at) >= want {
			first = p.start
			return errEnough
		}
		if p.next >= t.End() {
			first = t.End()
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return first, err
}

// timed is the time of the first line in [from, to) that has one, and the offset
// behind that line; maxTime where there is none.
func (w *window) timed(from, to int64) (behind, when int64, err error) {
	for size := int64(seekProbe); from < to; size *= 4 {
		i := w.t.find(from)
		if i == len(w.t.sections) {
			break
		}
		sec := w.t.sections[i]
		from = max(from, sec.start)
		until := min(from+size, to, sec.end)
		if from >= until {
			break
		}
		switch err := w.t.read(i, from, until, &w.b); {
		case isEvicted(err):
			from = sec.end
			continue
		case err != nil:
			return 0, 0, err
		}
		behind = w.b.offset
		for line := range bytes.Lines(w.b.text) {
			behind += int64(len(line))
			if at, _, _ := w.lines.stamp(line); at.Valid {
				return behind, nanosOf(at), nil
			}
		}
		from = until
	}
	return 0, maxTime, nil
}

func nanosOf(at syslog.Timestamp) int64 { return at.Sec*1e9 + int64(at.Nsec) }
