package httpindex

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// whenForms is what parseWhen says that it takes.
const whenForms = "give a time such as 2026-11-23T08:00:00-05:00, 2026-11-23, '2026-11-23 08:00', 08:00 or -2h"

// parseWhen reads a point in time:
//
//	2026-11-23T08:00:00-05:00     RFC 3339; without the zone, or the seconds, as the next ones
//	2026-11-23 08:00[:05[.123]]   in zone
//	2026-11-23                    its beginning, in zone
//	08:00[:05]                    the last such time before now, in zone
//	-2h, -1h30m, -3d, -1w         before now
//	now, today, yesterday         the beginning of the day; "yesterday 17:00"
func parseWhen(s string, zone *time.Location, now time.Time) (time.Time, error) {
	now = now.In(zone)
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, checkYear(t)
	}
	// A plus sign that is not escaped in a URL is a blank.
	if i := strings.LastIndexByte(s, ' '); i > 0 && strings.Contains(s[:i], "T") {
		if t, err := time.Parse(time.RFC3339, s[:i]+"+"+s[i+1:]); err == nil {
			return t, checkYear(t)
		}
	}
	if ago, ok := strings.CutPrefix(s, "-"); ok {
		d, err := parseAgo(ago)
		if err != nil {
			return time.Time{}, err
		}
		return now.Add(-d), nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, checkYear(t)
		}
	}
	day, clock, both := strings.Cut(s, " ")
	switch day {
	case "now":
		if !both {
			return now, nil
		}
	case "today", "yesterday":
		back := 0
		if day == "yesterday" {
			back = 1
		}
		if !both {
			clock = "00:00"
		}
		if t, ok := onDay(now, -back, clock); ok {
			return t, nil
		}
	default:
		if t, ok := onDay(now, 0, s); ok {
			if t.After(now) {
				t, _ = onDay(now, -1, s)
			}
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s", whenForms)
}

// checkYear refuses times that no log has, and that arithmetic would not bear.
func checkYear(t time.Time) error {
	if y := t.Year(); y < 1970 || y > 2199 {
		return fmt.Errorf("the year %d is out of range", y)
	}
	return nil
}

// onDay is the time of day clock, so many days after that of now.
func onDay(now time.Time, days int, clock string) (time.Time, bool) {
	for _, layout := range []string{"15:04:05", "15:04"} {
		if c, err := time.Parse(layout, clock); err == nil {
			y, m, d := now.Date()
			return time.Date(y, m, d+days, c.Hour(), c.Minute(), c.Second(), c.Nanosecond(), now.Location()), true
		}
	}
	return time.Time{}, false
}

// parseAgo reads a duration of time.ParseDuration, or one that begins with
// days or weeks: 3d, 1w2d, 1d12h.
func parseAgo(s string) (time.Duration, error) {
	rest, total := s, time.Duration(0)
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		if count, after, ok := strings.Cut(rest, unit.name); ok {
			n, err := strconv.ParseFloat(count, 64)
			if err != nil || !(n >= 0 && n*unit.length.Hours() <= maxAgo.Hours()) {
				return 0, fmt.Errorf("%s", whenForms)
			}
			total += time.Duration(n * float64(unit.length))
			rest = after
		}
	}
	if rest == "" && total > 0 {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || strings.HasPrefix(rest, "+") {
		return 0, fmt.Errorf("%s", whenForms)
	}
	return total + min(d, maxAgo), nil
}

// maxAgo is how far back a duration may reach.
const maxAgo = 100 * 365 * 24 * time.Hour
