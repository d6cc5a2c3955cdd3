package syslog

import "time"

// zoneCache answers for one zone which offset a wall clock showed. It holds
// the two periods it was asked for last, for around a change of the offset
// both sides are asked for.
type zoneCache struct {
	last, other period
}

// period is a stretch of time without a change of offset: UTC seconds from
// (inclusive) to (exclusive). The zero value holds no time at all.
type period struct {
	from, to int64
	offset   int32
}

// ambiguous is how near to a change of offset, in seconds, a wall clock
// reading may have two meanings or none: more than any change ever was.
const ambiguous = 2 * secondsPerDay

// at is the offset at a point of time, in UTC seconds.
func (c *zoneCache) at(zone *time.Location, utc int64) int32 {
	if utc >= c.last.from && utc < c.last.to {
		return c.last.offset
	}
	c.last, c.other = c.other, c.last
	if utc >= c.last.from && utc < c.last.to {
		return c.last.offset
	}
	t := time.Unix(utc, 0).In(zone)
	_, offset := t.Zone()
	c.last = period{from: -1 << 62, to: 1 << 62, offset: int32(offset)}
	from, to := t.ZoneBounds()
	if !from.IsZero() {
		c.last.from = from.Unix()
	}
	if !to.IsZero() {
		c.last.to = to.Unix()
	}
	return c.last.offset
}

// forWall is the offset that a clock on a wall in zone had when it showed
// local, given in seconds as if it were UTC. Where it showed that twice, the
// time nearer to received is meant; where it never did, because it was put
// forward, the offset before the change counts.
func (c *zoneCache) forWall(zone *time.Location, local, received int64) int32 {
	if utc := local - int64(c.last.offset); utc >= c.last.from+ambiguous && utc < c.last.to-ambiguous {
		return c.last.offset
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
