package syslog

// zoneName reads a zone's name at the start of b, which stands behind a time
// and a blank. A word is one only where it is in the list and either a colon
// or two more words follow: it may as well be a host. A word in capitals that
// a colon and a Cisco mnemonic follow is a zone too, if an unknown one.
func zoneName(b []byte) (offset int32, n int, known bool) {
	for n < len(b) && n < 6 && b[n] >= 'A' && b[n] <= 'Z' {
		n++
	}
	if n < 2 || n > 5 || n == len(b) {
		return 0, 0, false
	}
	offset, known = zoneOffset(string(b[:n]))
	switch {
	case b[n] == ':' && (known || len(b) > n+2 && b[n+1] == ' ' && b[n+2] == '%'):
		return offset, n, known
	case b[n] == ' ' && known && twoWords(b[n+1:]):
		return offset, n, true
	}
	return 0, 0, false
}

func twoWords(b []byte) bool {
	for i, c := range b {
		if c == ' ' {
			return i > 0 && i+1 < len(b) && b[i+1] != ' '
		}
	}
	return false
}

// zoneOffset knows the names of RFC 822, section 5.1, and those beside them
// that stand for one offset in the practice of network devices.
func zoneOffset(name string) (offset int32, known bool) {
	const hour = 3600
	switch name {
	case "UTC", "GMT", "UT", "WET":
		return 0, true
	case "CET", "WEST", "BST":
		return 1 * hour, true
	case "CEST", "EET":
		return 2 * hour, true
	case "EEST", "MSK":
		return 3 * hour, true
	case "JST", "KST":
		return 9 * hour, true
	case "AEST":
		return 10 * hour, true
	case "AEDT":
		return 11 * hour, true
	case "NZST":
		return 12 * hour, true
	case "NZDT":
		return 13 * hour, true
	case "EDT":
		return -4 * hour, true
	case "EST", "CDT":
		return -5 * hour, true
	case "CST", "MDT":
		return -6 * hour, true
	case "MST", "PDT":
		return -7 * hour, true
	case "PST", "AKDT":
		return -8 * hour, true
	case "AKST":
		return -9 * hour, true
	case "HST":
		return -10 * hour, true
	}
	return 0, false
}
