package syslog

import "time"

// zoneCache answers for one zone which offset a wall clock showed. It holds
// the period without a change of offset that it was asked for last.
type zoneCache struct {
	from, to int64 // UTC seconds: [from, to) has one offset
	offset   int32
	known    bool
}

// ambiguous is how near to a change of offset, in seconds, a wall clock
// reading may have two meanings or none: more than any change ever was.
const ambiguous = 2 * secondsPerDay

// at is the offset at a point of time, in UTC seconds.
func (c *zoneCache) at(zone *time.Location, utc int64) int32 {
	if c.known && utc >= c.from && utc < c.to {
		return c.offset
	}
	t := time.Unix(utc, 0).In(zone)
	_, offset := t.Zone()
	from, to := t.ZoneBounds()
	*c = zoneCache{from: -1 << 62, to: 1<<62 - 1, offset: int32(offset), known: true}
	if !from.IsZero() {
		c.from = from.Unix()
	}
	if !to.IsZero() {
		c.to = to.Unix()
	}
	return c.offset
}

// forWall is the offset that a clock on a wall in zone had when it showed
// local, given in seconds as if it were UTC. Where it showed that twice, the
// time nearer to received is meant; where it never did, because it was put
// forward, the offset before the change counts.
func (c *zoneCache) forWall(zone *time.Location, local, received int64) int32 {
	if utc := local - int64(c.offset); c.known && utc >= c.from+ambiguous && utc < c.to-ambiguous {
		return c.offset
	}
	before := c.at(zone, local-ambiguous/2)
	after := c.at(zone, local+ambiguous/2)
	if before == after {
		return before
	}
	early, late := local-int64(before), local-int64(after)
	earlyIs := c.at(zone, early) == before
	lateIs := c.at(zone, late) == after
	if lateIs && (!earlyIs || distance(late, received) < distance(early, received)) {
		return after
	}
	return before
}

func distance(a, b int64) int64 {
	if a < b {
		return b - a
	}
	return a - b
}
