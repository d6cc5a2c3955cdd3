package syslog

import (
	"encoding/binary"
	"time"
)

// dayAhead is how far a sender's clock may be ahead before a date without a
// year is taken to be the year before, in seconds.
const dayAhead = secondsPerDay

// resolve turns w into a point of time. offset counts where zoned is true,
// else the parser's zone does.
func (p *Parser) resolve(w *wall, offset int32, zoned bool, received int64) Timestamp {
	year := w.year
	if year == 0 {
		year = p.inferYear(w, offset, zoned, received)
	}
	local := w.seconds(year)
	return p.at(local, w.nsec, offset, zoned, received)
}

// at is the time at which a clock showed local.
func (p *Parser) at(local int64, nsec, offset int32, zoned bool, received int64) Timestamp {
	if !zoned {
		offset = p.offset(local, received)
	}
	return Timestamp{Sec: local - int64(offset), Nsec: nsec, Offset: offset, Valid: true}
}

func (p *Parser) offset(local, received int64) int32 {
	zone := p.Zone
	if zone == nil {
		zone = time.Local
	}
	if zone == time.UTC {
		return 0
	}
	return p.zone.forWall(zone, local, received)
}

// inferYear is the latest of last year, this year and next year in which w is
// not more than a day after received; for a leap day, the latest leap year.
func (p *Parser) inferYear(w *wall, offset int32, zoned bool, received int64) int64 {
	const widestZone = secondsPerDay
	limit := received + dayAhead
	year := p.year.of(limit)
	leapDay := w.month == 2 && w.day == 29
	for year++; ; year-- {
		if leapDay && !isLeapYear(year) {
			continue
		}
		local := w.seconds(year)
		if local <= limit-widestZone {
			return year
		}
		if local > limit+widestZone {
			continue
		}
		if !zoned {
			offset = p.offset(local, received)
		}
		if local-int64(offset) <= limit {
			return year
		}
	}
}

// yearCache holds the year, in UTC, that was asked for last.
type yearCache struct {
	from, to int64 // UTC seconds, to exclusive; both 0: none
	year     int64
}

func (c *yearCache) of(utc int64) int64 {
	if utc < c.from || utc >= c.to {
		c.year, _, _ = civilFromDays(floorDiv(utc, secondsPerDay))
		c.from = daysFromCivil(c.year, 1, 1) * secondsPerDay
		c.to = daysFromCivil(c.year+1, 1, 1) * secondsPerDay
	}
	return c.year
}

// dateCache holds the date that was read last, as its text has it: most messages
// are of the same day.
type dateCache struct {
	head, tail uint64 // the first 8 of the 10 bytes, and the last 8
	wall       wall
	midnight   int64 // UTC
}

// read reads "YYYY-MM-DD" at the start of b, which holds at least 10 bytes, and
// gives its beginning as if it were UTC.
func (c *dateCache) read(b []byte, w *wall) (midnight int64, ok bool) {
	head, tail := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[2:])
	if head == c.head && tail == c.tail && c.wall.valid {
		*w = c.wall
		return c.midnight, true
	}
	if !w.readDate(b) {
		return 0, false
	}
	if w.valid {
		*c = dateCache{head, tail, *w, w.seconds(w.year)}
	}
	return c.midnight, true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// isoTime reads a date and time of RFC 3339 at the start of b, also in lower
// case, with a blank for the T, with a comma, with an offset without colon and
// without an offset. n is its length; 0: there is none. What has the form but
// cannot be comes back as not valid.
func (p *Parser) isoTime(b []byte, received int64) (t Timestamp, n int, leap bool) {
	if len(b) < 19 || b[10]|0x20 != 't' && b[10] != ' ' {
		return t, 0, false
	}
	var w wall
	midnight, ok := p.date.read(b, &w)
	if !ok {
		return t, 0, false
	}
	clock := w.readClock(b[11:])
	if clock == 0 {
		return t, 0, false
	}
	n = 11 + clock
	offset, size, valid := readOffset(b[n:])
	n += size
	if !w.valid || size > 0 && !valid || w.year == 0 {
		return t, n, false
	}
	return p.at(midnight+w.second, w.nsec, offset, size > 0, received), n, w.leap
}

// epochTime reads seconds since 1970, exactly ten digits with an optional
// fraction, and the blank behind them. n is the length; 0: there is none.
func epochTime(b []byte) (t Timestamp, n int) {
	for n < len(b) && n < 11 && isDigit(b[n]) {
		t.Sec = t.Sec*10 + int64(b[n]-'0')
		n++
	}
	if n != 10 {
		return Timestamp{}, 0
	}
	t.Nsec, n = readFraction(b, n)
	if n == len(b) || b[n] != ' ' {
		return Timestamp{}, 0
	}
	t.Valid = true
	return t, n + 1
}
