package syslog

import "encoding/binary"

const secondsPerDay = 86400

// wall is a reading of a clock on a wall: without a zone, and the year may be
// missing.
type wall struct {
	year       int64
	month, day int64
	second     int64 // of the day
	nsec       int32
	leap       bool // the second was 60
	valid      bool // every part is in its range
}

// seconds is w in the given year as if it were UTC, since 1970-01-01.
func (w *wall) seconds(year int64) int64 {
	return daysFromCivil(year, w.month, w.day)*secondsPerDay + w.second
}

// daysFromCivil counts the days from 1970-01-01 to a date of the proleptic
// Gregorian calendar: whole 400-year cycles, then years that begin in March,
// so that the leap day is the last one.
func daysFromCivil(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	cycle := year / 400
	if year < 0 {
		cycle = (year - 399) / 400
	}
	y := year - cycle*400
	return cycle*146097 + y*365 + y/4 - y/100 + (153*(month-3)+2)/5 + day - 1 - 719468
}

// civilFromDays is the inverse of daysFromCivil.
func civilFromDays(days int64) (year, month, day int64) {
	days += 719468
	cycle := days / 146097
	if days < 0 {
		cycle = (days - 146096) / 146097
	}
	d := days - cycle*146097
	y := (d - d/1460 + d/36524 - d/146096) / 365
	d -= y*365 + y/4 - y/100
	m := (5*d + 2) / 153
	day = d - (153*m+2)/5 + 1
	month = m + 3
	year = y + cycle*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

func isLeapYear(year int64) bool {
	return year%4 == 0 && (year%100 != 0 || year%400 == 0)
}

var monthDays = [13]int64{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// Eight bytes at a time: XOR with the digits' and separators' own codes leaves
// 0 to 9 at digits and 0 at separators; adding what is missing to 0x80 then
// raises a byte's top bit where it is more than that.
const (
	dateMask  = 0x2d30302d30303030 // "0000-00-"
	dateRoom  = 0x7f76767f76767676
	clockMask = 0x30303a30303a3030 // "00:00:00"
	clockRoom = 0x76767f76767f7676
	topBits   = 0x8080808080808080
)

// readDate reads "YYYY-MM-DD" at the start of b, which holds at least 10 bytes.
func (w *wall) readDate(b []byte) bool {
	x := binary.LittleEndian.Uint64(b) ^ dateMask
	if (x|(x+dateRoom))&topBits != 0 || !isDigit(b[8]) || !isDigit(b[9]) {
		return false
	}
	w.year = int64(x&15)*1000 + int64(x>>8&15)*100 + int64(x>>16&15)*10 + int64(x>>24&15)
	w.month = int64(x>>40&15)*10 + int64(x>>48&15)
	w.day = int64(b[8]-'0')*10 + int64(b[9]-'0')
	w.valid = w.month >= 1 && w.month <= 12 && w.day >= 1 && w.day <= monthDays[w.month] &&
		(w.month != 2 || w.day != 29 || isLeapYear(w.year))
	return true
}

// readClock reads "hh:mm:ss" or "h:mm:ss" with an optional fraction at the
// start of b, and says how many bytes that was; 0: none.
func (w *wall) readClock(b []byte) int {
	var x uint64
	n := 8
	switch {
	case len(b) >= 8 && b[2] == ':':
		x = binary.LittleEndian.Uint64(b)
	case len(b) >= 7 && b[1] == ':':
		n = 7
		x = '0' | uint64(binary.LittleEndian.Uint32(b))<<8 | uint64(b[4])<<40 | uint64(b[5])<<48 | uint64(b[6])<<56
	default:
		return 0
	}
	x ^= clockMask
	if (x|(x+clockRoom))&topBits != 0 {
		return 0
	}
	hour := int64(x&15)*10 + int64(x>>8&15)
	minute := int64(x>>24&15)*10 + int64(x>>32&15)
	second := int64(x>>48&15)*10 + int64(x>>56)
	w.second = hour*3600 + minute*60 + second
	w.leap = second == 60
	w.valid = w.valid && hour <= 23 && minute <= 59 && second <= 60

	w.nsec, n = readFraction(b, n)
	return n
}

// readFraction reads the fraction of a second at b[n], if one is there, and
// says where b goes on. Digits behind the ninth are passed over.
func readFraction(b []byte, n int) (nsec int32, next int) {
	if n+1 >= len(b) || b[n] != '.' && b[n] != ',' || !isDigit(b[n+1]) {
		return 0, n
	}
	if n+8 <= len(b) && (n+7 == len(b) || !isDigit(b[n+7])) { // microseconds
		const zeros, room = 0x303030303030, 0x767676767676
		x := binary.LittleEndian.Uint64(b[n:])>>8&0xffffffffffff ^ zeros
		if (x|(x+room))&topBits == 0 {
			us := (x&15*10+x>>8&15)*10000 + (x>>16&15*10+x>>24&15)*100 + x>>32&15*10 + x>>40&15
			return int32(us) * 1000, n + 7
		}
	}
	scale := int32(1e9)
	for n++; n < len(b) && isDigit(b[n]); n++ {
		if scale > 1 {
			scale /= 10
			nsec += int32(b[n]-'0') * scale
		}
	}
	return nsec, n
}

// readOffset reads "Z", "+hh:mm" or "+hhmm" at the start of b. n is 0 where
// there is none of these.
func readOffset(b []byte) (offset int32, n int, valid bool) {
	if len(b) == 0 {
		return 0, 0, false
	}
	if b[0]|0x20 == 'z' {
		return 0, 1, true
	}
	if b[0] != '+' && b[0] != '-' || len(b) < 5 || !isDigit(b[1]) || !isDigit(b[2]) {
		return 0, 0, false
	}
	minute := 3
	if b[3] == ':' {
		minute = 4
	}
	n = minute + 2
	if len(b) < n || !isDigit(b[minute]) || !isDigit(b[minute+1]) {
		return 0, 0, false
	}
	h := int32(b[1]-'0')*10 + int32(b[2]-'0')
	m := int32(b[minute]-'0')*10 + int32(b[minute+1]-'0')
	offset = h*3600 + m*60
	if b[0] == '-' {
		offset = -offset
	}
	return offset, n, h <= 23 && m <= 59
}
