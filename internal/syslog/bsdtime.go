package syslog

// bsdTime reads the time of RFC 3164, section 4.1.2, at the start of b, with
// what senders add to it: a year before the month, before the clock or behind
// it; a fraction; an offset or the name of a zone; a colon at the end. The
// answer is where the text goes on behind the blank; 0: there is no time.
// What has the form but cannot be sets BadTime.
func (p *Parser) bsdTime(b []byte, received int64, m *Message) int {
	w := wall{valid: true}
	i := 0
	if year, ok := yearAt(b, 0); ok {
		w.year, i = year, 5
	}
	n := w.readMonthDay(b[i:])
	if n == 0 {
		return 0
	}
	i += n
	if year, ok := yearAt(b, i); ok && w.year == 0 {
		w.year, i = year, i+5
	}
	n = w.readClock(b[i:])
	if n == 0 {
		return 0
	}
	i += n

	offset, n, valid := readOffset(b[i:])
	zoned := n > 0
	w.valid = w.valid && (valid || !zoned)
	i += n
	if i < len(b) && b[i] == ' ' && w.year == 0 {
		if year, ok := yearAt(b, i+1); ok && i+6 < len(b) && b[i+5] == ' ' {
			w.year, i = year, i+5
		}
	}
	if i < len(b) && b[i] == ' ' && !zoned {
		offset, n, zoned = zoneName(b[i+1:])
		if n > 0 {
			i += 1 + n
		}
	}
	end := timeEnd(b, i)
	if end == 0 {
		return 0
	}
	if w.month == 2 && w.day == 29 && w.year != 0 && !isLeapYear(w.year) {
		w.valid = false
	}
	if !w.valid {
		m.Flags |= BadTime
		return end
	}
	setTime(m, p.resolve(&w, offset, zoned, received), w.leap)
	return end
}

// yearAt reads four digits and a blank at b[i], as a year that a clock may show.
func yearAt(b []byte, i int) (year int64, ok bool) {
	if len(b) < i+5 || b[i+4] != ' ' {
		return 0, false
	}
	for _, c := range b[i : i+4] {
		if !isDigit(c) {
			return 0, false
		}
		year = year*10 + int64(c-'0')
	}
	return year, year >= 1970 && year < 2100
}

// readMonthDay reads "Mmm dd " at the start of b, the day padded with a blank,
// a zero or nothing, and says how many bytes that was; 0: none.
func (w *wall) readMonthDay(b []byte) int {
	if len(b) < 6 || b[3] != ' ' {
		return 0
	}
	w.month = monthNumber(b)
	if w.month == 0 {
		return 0
	}
	i := 4
	if b[i] == ' ' {
		i++
	}
	if !isDigit(b[i]) {
		return 0
	}
	w.day = int64(b[i] - '0')
	i++
	if i < len(b) && isDigit(b[i]) {
		w.day = w.day*10 + int64(b[i]-'0')
		i++
	}
	if i >= len(b) || b[i] != ' ' {
		return 0
	}
	w.valid = w.valid && w.day >= 1 && w.day <= monthDays[w.month]
	return i + 1
}

// monthNumber is 1 to 12 for the first three letters of b, in any case, or 0.
func monthNumber(b []byte) int64 {
	const lower = 0x202020
	switch (uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])) | lower {
	case 'j'<<16 | 'a'<<8 | 'n':
		return 1
	case 'f'<<16 | 'e'<<8 | 'b':
		return 2
	case 'm'<<16 | 'a'<<8 | 'r':
		return 3
	case 'a'<<16 | 'p'<<8 | 'r':
		return 4
	case 'm'<<16 | 'a'<<8 | 'y':
		return 5
	case 'j'<<16 | 'u'<<8 | 'n':
		return 6
	case 'j'<<16 | 'u'<<8 | 'l':
		return 7
	case 'a'<<16 | 'u'<<8 | 'g':
		return 8
	case 's'<<16 | 'e'<<8 | 'p':
		return 9
	case 'o'<<16 | 'c'<<8 | 't':
		return 10
	case 'n'<<16 | 'o'<<8 | 'v':
		return 11
	case 'd'<<16 | 'e'<<8 | 'c':
		return 12
	}
	return 0
}
