package logstore

import (
	"bytes"
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

// Columns are what stands in a stored line. The slices point into the line.
type Columns struct {
	Time    syslog.Timestamp // not Valid where the line has none
	Host    []byte
	Program []byte
	PID     []byte
	Text    []byte // what follows the header; the whole line where it has none
}

// maxColumn bounds a column of the header: what is longer is text.
const maxColumn = 512

// A LineReader takes stored lines apart, as format.go writes them, and copes
// with what other programs write to the files. Not for concurrent use.
type LineReader struct {
	zone *time.Location // of times that name none
	now  time.Time      // what the year of times without one is reckoned from

	day  [10]byte // the last date seen, and
	days int64    // when that begins, in seconds since 1970
}

// NewLineReader makes one. Times without a zone are in zone, those without a
// year are the last such time before now.
func NewLineReader(zone *time.Location, now time.Time) *LineReader {
	return &LineReader{zone: zone, now: now}
}

// Columns takes apart one stored line, without its line end.
func (r *LineReader) Columns(line []byte) Columns {
	at, n, ours := r.stamp(line)
	return columnsBehind(line, at, n, ours)
}

// columnsBehind takes apart a line whose stamp is known.
func columnsBehind(line []byte, at syslog.Timestamp, n int, ours bool) Columns {
	c := Columns{Time: at, Text: line[n:]}
	if !ours {
		return c
	}
	rest := line[n:]
	host, rest, ok := column(rest)
	if !ok {
		return c
	}
	c.Host, c.Text = host, rest
	// A program ends in a colon; without one, all of the rest is text.
	program, text, ok := column(rest)
	if !ok || len(program) < 2 || program[len(program)-1] != ':' {
		return c
	}
	c.Program, c.Text = program[:len(program)-1], text
	if end := len(c.Program) - 1; c.Program[end] == ']' {
		if i := bytes.IndexByte(c.Program, '['); i > 0 {
			c.Program, c.PID = c.Program[:i], c.Program[i+1:end]
		}
	}
	return c
}

// column cuts off what stands before the first blank.
func column(b []byte) (col, rest []byte, ok bool) {
	i := bytes.IndexByte(b[:min(len(b), maxColumn)], ' ')
	if i <= 0 {
		return nil, b, false
	}
	return b[:i], b[i+1:], true
}

// stamp reads the time at the beginning of line and tells how many bytes it
// has, the blank behind it included. ours: it is as stored lines have it, so
// columns follow.
func (r *LineReader) stamp(line []byte) (at syslog.Timestamp, n int, ours bool) {
	if len(line) < 16 {
		return at, 0, false
	}
	if c := line[0]; c >= '0' && c <= '9' {
		return r.isoStamp(line)
	} else if c >= 'A' && c <= 'Z' {
		return r.bsdStamp(line)
	}
	return at, 0, false
}

// isoStamp reads 2026-11-23T08:27:00.123456-05:00, with T or a blank, any
// number of digits of the second after a dot or comma, and the zone left out or Z.
func (r *LineReader) isoStamp(b []byte) (at syslog.Timestamp, n int, ours bool) {
	if len(b) < 19 || b[4] != '-' || b[7] != '-' || b[10] != 'T' && b[10] != ' ' || b[13] != ':' || b[16] != ':' {
		return at, 0, false
	}
	if r.day != [10]byte(b[:10]) {
		y, ok1 := number(b[:4])
		m, ok2 := number(b[5:7])
		d, ok3 := number(b[8:10])
		if !ok1 || !ok2 || !ok3 || m < 1 || m > 12 || d < 1 || d > 31 {
			return at, 0, false
		}
		r.day, r.days = [10]byte(b[:10]), time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).Unix()
	}
	h, ok1 := number(b[11:13])
	mi, ok2 := number(b[14:16])
	s, ok3 := number(b[17:19])
	if !ok1 || !ok2 || !ok3 || h > 23 || mi > 59 || s > 60 {
		return at, 0, false
	}
	wall := r.days + int64(h*3600+mi*60+s)
	nsec, i := int32(0), 19
	if i+1 < len(b) && (b[i] == '.' || b[i] == ',') && isDigit(b[i+1]) {
		scale := int32(100_000_000)
		for i++; i < len(b) && isDigit(b[i]); i++ {
			nsec += int32(b[i]-'0') * scale
			scale /= 10
		}
	}
	offset, zoned := 0, false
	switch {
	case i < len(b) && b[i] == 'Z':
		i, zoned = i+1, true
	case i+5 < len(b) && (b[i] == '+' || b[i] == '-') && b[i+3] == ':':
		oh, ok1 := number(b[i+1 : i+3])
		om, ok2 := number(b[i+4 : i+6])
		if !ok1 || !ok2 || oh > 23 || om > 59 {
			return at, 0, false
		}
		if offset = oh*3600 + om*60; b[i] == '-' {
			offset = -offset
		}
		i, zoned = i+6, true
	}
	if i < len(b) && b[i] != ' ' {
		return at, 0, false
	}
	if zoned {
		at = syslog.Timestamp{Sec: wall - int64(offset), Nsec: nsec, Offset: int32(offset), Valid: true}
	} else {
		at = r.local(wall, nsec)
	}
	return at, min(i+1, len(b)), zoned && b[10] == 'T'
}

// bsdStamp reads Nov 23 08:27:00.
func (r *LineReader) bsdStamp(b []byte) (at syslog.Timestamp, n int, ours bool) {
	if b[3] != ' ' || b[6] != ' ' || b[9] != ':' || b[12] != ':' || len(b) > 15 && b[15] != ' ' {
		return at, 0, false
	}
	month := 0
	for i := range 12 {
		if string(b[:3]) == months[3*i:3*i+3] {
			month = i + 1
		}
	}
	day := b[4:6]
	if day[0] == ' ' {
		day = day[1:]
	}
	d, ok1 := number(day)
	h, ok2 := number(b[7:9])
	mi, ok3 := number(b[10:12])
	s, ok4 := number(b[13:15])
	if month == 0 || !ok1 || !ok2 || !ok3 || !ok4 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60 {
		return at, 0, false
	}
	wall := time.Date(r.now.In(r.zone).Year(), time.Month(month), d, h, mi, s, 0, time.UTC)
	at = r.local(wall.Unix(), 0)
	// A day ahead is a sender's clock or zone; more is last year.
	if at.Sec > r.now.Unix()+86400 {
		at = r.local(wall.AddDate(-1, 0, 0).Unix(), 0)
	}
	return at, min(16, len(b)), true
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// local is the time that a clock in r.zone shows as wall, in seconds as if it
// were UTC.
func (r *LineReader) local(wall int64, nsec int32) syslog.Timestamp {
	t := time.Unix(wall, int64(nsec)).UTC()
	return syslog.At(time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), r.zone))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// number reads a few digits.
func number(b []byte) (n int, ok bool) {
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}
