package logstore

import (
	"bytes"
	"time"
)

const (
	// searchTimes is how large a file without a summary is where a range of time
	// is searched by halving. Smaller ones are looked through.
	searchTimes = 64 << 20
	// disorder is how far a line may stand from where its time would put it, in
	// such a file, and be found.
	disorder  = 15 * time.Minute
	timeProbe = 16 << 10
)

// timeStretch narrows a stretch of section i, which has no summary, to where
// the times are that the filter wants, by halving. That holds as long as lines
// are not more than disorder out of order.
func (p *planner) timeStretch(i int, within stretch) stretch {
	f := p.s.filter
	if !f.timed || within.to-within.from < p.s.t.store.cfg.searchTimes {
		return within
	}
	m := f.matcher()
	var b block
	// first is the first offset in [low, high), to within a probe, of which reached
	// tells that its time is passed.
	first := func(low, high int64, reached func(least, most int64) bool) (int64, bool) {
		for high-low > timeProbe {
			mid := low + (high-low)/2
			least, most, ok := p.s.t.timesAt(i, mid, m, &b)
			if !ok {
				return 0, false
			}
			if reached(least, most) {
				high = mid
			} else {
				low = mid
			}
		}
		return low, true
	}
	narrow := within
	if f.since > minTime {
		at, ok := first(within.from, within.to, func(_, most int64) bool { return most >= f.since-int64(disorder) })
		if !ok {
			return within
		}
		narrow.from = at
	}
	if f.until < maxTime {
		at, ok := first(narrow.from, within.to, func(least, _ int64) bool { return least >= f.until+int64(disorder) })
		if !ok {
			return within
		}
		narrow.to = min(within.to, at+timeProbe)
	}
	return narrow
}

// timesAt are the least and the greatest time of the lines at off.
func (t *Text) timesAt(i int, off int64, m *matcher, b *block) (least, most int64, ok bool) {
	if t.read(i, off, min(off+timeProbe, t.sections[i].end), b) != nil {
		return 0, 0, false
	}
	least, most = maxTime, minTime
	for rest := b.text; len(rest) > 0; {
		line := rest
		if n := bytes.IndexByte(rest, '\n'); n >= 0 {
			line, rest = rest[:n], rest[n+1:]
		} else {
			rest = nil
		}
		if at, _, _ := m.lines.stamp(line); at.Valid {
			ns := at.Sec*1e9 + int64(at.Nsec)
			least, most, ok = min(least, ns), max(most, ns), true
		}
	}
	return least, most, ok
}
