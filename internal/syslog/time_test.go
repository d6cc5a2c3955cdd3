package syslog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDaysFromCivil(t *testing.T) {
	t.Parallel()
	day := time.Date(-801, 1, 1, 0, 0, 0, 0, time.UTC)
	for ; day.Year() < 2500; day = day.AddDate(0, 0, 1) {
		days := day.Unix() / secondsPerDay
		year, month, d := civilFromDays(days)
		if year != int64(day.Year()) || month != int64(day.Month()) || d != int64(day.Day()) {
			require.Fail(t, "civilFromDays", "%v: %d-%d-%d", day, year, month, d)
		}
		if got := daysFromCivil(year, month, d); got != days {
			require.Fail(t, "daysFromCivil", "%v: %d, want %d", day, got, days)
		}
	}
}

// A wall clock in a zone is read back as the point of time it showed, the
// message being received right then: also in an hour that comes twice.
func TestZones(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"UTC", "America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Asia/Kolkata", "Antarctica/Troll",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(name)
			require.NoError(t, err)
			var cache zoneCache
			from := time.Date(2010, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
			to := time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
			for utc := from; utc < to; utc += 15 * 60 {
				_, offset := time.Unix(utc, 0).In(zone).Zone()
				if got := cache.forWall(zone, utc+int64(offset), utc); got != int32(offset) {
					require.Fail(t, "offset", "%v: %d, want %d", time.Unix(utc, 0).In(zone), got, offset)
				}
			}
		})
	}
}

func TestChangesOfOffset(t *testing.T) {
	t.Parallel()
	zone := newYork(t)
	p := Parser{Zone: zone}
	for _, c := range []struct{ name, clock, received, want string }{
		{"before it is put forward", "Mar  8 01:59:59", "2026-03-08T06:59:59Z", "2026-03-08T01:59:59-05:00"},
		{"after it was put forward", "Mar  8 03:00:00", "2026-03-08T07:00:00Z", "2026-03-08T03:00:00-04:00"},
		{"never shown: the offset before", "Mar  8 02:30:00", "2026-03-08T07:30:00Z", "2026-03-08T02:30:00-05:00"},
		{"shown twice, received the first time", "Nov  1 01:30:00", "2026-11-01T05:30:01Z", "2026-11-01T01:30:00-04:00"},
		{"shown twice, received the second time", "Nov  1 01:30:00", "2026-11-01T06:30:01Z", "2026-11-01T01:30:00-05:00"},
		{"shown twice, received much later", "Nov  1 01:30:00", "2026-11-23T08:00:00Z", "2026-11-01T01:30:00-05:00"},
		{"after it was put back", "Nov  1 02:00:00", "2026-11-01T07:00:00Z", "2026-11-01T02:00:00-05:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			received, err := time.Parse(time.RFC3339, c.received)
			require.NoError(t, err)
			var m Message
			p.Parse([]byte("<13>"+c.clock+" gate7 app: text"), received, &m)
			assert.Equal(t, c.want, timeText(m.Time))
		})
	}
}

// The year is the latest that puts the time at most a day ahead, at every
// moment of the years around a leap year.
func TestInferYear(t *testing.T) {
	t.Parallel()
	zone := newYork(t)
	p := Parser{Zone: zone}
	var m Message
	for received := time.Date(2026, 12, 25, 0, 0, 0, 0, time.UTC); received.Year() < 2030; received = received.Add(37 * time.Hour) {
		for _, sent := range []time.Time{
			received, received.Add(-time.Minute), received.Add(24 * time.Hour), received.Add(-363 * 24 * time.Hour), received.Add(-300 * 24 * time.Hour),
		} {
			sent = sent.In(zone)
			p.Parse([]byte("<13>"+sent.Format(time.Stamp)+" gate7 app: text"), received, &m)
			if m.Time.Sec != sent.Unix() {
				require.Fail(t, "year", "%v received %v: %v", sent, received, m.Time.Time())
			}
		}
	}
}

func TestZoneNames(t *testing.T) {
	t.Parallel()
	for name, hours := range map[string]int{
		"UTC": 0, "GMT": 0, "UT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9,
		"AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13, "EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7,
		"PST": -8, "AKDT": -8, "AKST": -9, "HST": -10,
	} {
		var p Parser
		var m Message
		p.Parse([]byte("<13>Mar 17 04:05:06 "+name+": gate7 app: text"), november, &m)
		want := time.Date(2026, 3, 17, 4, 5, 6, 0, time.FixedZone("", hours*3600))
		assert.Equal(t, At(want), m.Time, name)
		assert.Equal(t, "gate7", string(m.Host), name)
	}
}

func BenchmarkZoneAtChange(b *testing.B) {
	zone := newYork(b)
	p := Parser{Zone: zone}
	received := time.Date(2026, 11, 1, 5, 30, 1, 0, time.UTC)
	raw := []byte("<13>Nov  1 01:30:00 gate7 app: text")
	var m Message
	b.ReportAllocs()
	for b.Loop() {
		p.Parse(raw, received, &m)
	}
}
