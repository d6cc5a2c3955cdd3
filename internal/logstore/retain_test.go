package logstore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	// Parts of 100 bytes text and 10 on the disk, as old as given, in hours.
	file := func(name string, active int64, ages ...int) stock {
		f := stock{name: name, active: active}
		for i, a := range ages {
			f.parts = append(f.parts, logPart{offset: int64(100 * i), size: 100, disk: 10, modified: now.Add(-time.Duration(a) * time.Hour), packed: true})
		}
		return f
	}
	turning := func(f stock) stock { f.parts[len(f.parts)-1].turning = true; return f }
	a, b := file("a.log", 5, 50, 40, 30), file("b.log", 5, 45, 35, 2)
	plenty := vfs.Space{FreeBytes: 500, TotalBytes: 1000, FreeInodes: 50, TotalInodes: 100}
	hours := func(n int) time.Duration { return time.Duration(n) * time.Hour }

	for _, c := range []struct {
		name  string
		l     limits
		files []stock
		space vfs.Space
		want  string // name/offset why, in order; ! = the newest of its file
	}{
		{"no limits", limits{}, []stock{a, b}, plenty, ""},
		{"nothing there", limits{keep: Keep{1, 1, 1}, free: Reserve{Percent: 99}}, nil, plenty, ""},
		{"no parts", limits{keep: Keep{1, 1, 1}, free: Reserve{Percent: 99}}, []stock{file("a.log", 1000)}, plenty, ""},

		{"count", limits{keep: Keep{Count: 2}}, []stock{a, b}, plenty, "a/0 count, b/0 count"},
		{"count exactly", limits{keep: Keep{Count: 3}}, []stock{a, b}, plenty, ""},

		{"age", limits{keep: Keep{Age: hours(38)}}, []stock{a, b}, plenty, "a/0 age, a/100 age, b/0 age"},
		{"age of all", limits{keep: Keep{Age: hours(1)}}, []stock{b}, plenty, "b/0 age, b/100 age, b/200 age!"},
		{"age exactly", limits{keep: Keep{Age: hours(50)}}, []stock{a}, plenty, ""},
		{"age and a clock that was put back", limits{keep: Keep{Age: hours(20)}}, []stock{file("a.log", 0, 10, 30, 5)}, plenty, ""},
		{"age in the future", limits{keep: Keep{Age: hours(20)}}, []stock{file("a.log", 0, -500, 30, 5)}, plenty, ""},

		{"bytes, oldest of all first", limits{keep: Keep{Bytes: 40}}, []stock{a, b}, plenty, "a/0 bytes, b/0 bytes, a/100 bytes"},
		{"bytes exactly", limits{keep: Keep{Bytes: 70}}, []stock{a, b}, plenty, ""},
		{"bytes of the active files alone are too many", limits{keep: Keep{Bytes: 3}}, []stock{a}, plenty, "a/0 bytes, a/100 bytes, a/200 bytes!"},
		{"bytes after age", limits{keep: Keep{Age: hours(38), Bytes: 30}}, []stock{a, b}, plenty, "a/0 age, a/100 age, b/0 age, b/100 bytes"},

		{"free", limits{free: Reserve{Percent: 52}}, []stock{a, b}, plenty, "a/0 free, b/0 free"},
		{"free exactly", limits{free: Reserve{Percent: 50}}, []stock{a, b}, plenty, ""},
		{"free in bytes", limits{free: Reserve{Bytes: 501}}, []stock{a, b}, plenty, "a/0 free"},
		{"free in bytes and percent: the greater", limits{free: Reserve{Bytes: 501, Percent: 53}}, []stock{a, b}, plenty, "a/0 free, b/0 free, a/100 free"},
		{"free is helped by what goes anyway", limits{keep: Keep{Count: 2}, free: Reserve{Bytes: 520}}, []stock{a, b}, plenty, "a/0 count, b/0 count"},
		{"free inodes", limits{free: Reserve{Percent: 52}}, []stock{a, b}, vfs.Space{FreeBytes: 1000, TotalBytes: 1000, FreeInodes: 50, TotalInodes: 100}, "a/0 free, b/0 free"},
		{"inodes that are not counted", limits{free: Reserve{Percent: 52}}, []stock{a}, vfs.Space{FreeBytes: 1000, TotalBytes: 1000}, ""},
		{"free that others use up", limits{free: Reserve{Percent: 99}}, []stock{a}, plenty, "a/0 free, a/100 free, a/200 free!"},

		{"a rotation under way", limits{keep: Keep{Age: 1}}, []stock{turning(file("a.log", 0, 9, 8, 7))}, plenty, "a/0 age, a/100 age"},
		{"a rotation under way and count", limits{keep: Keep{Count: 1}}, []stock{turning(file("a.log", 0, 9, 8, 7))}, plenty, "a/0 count"},

		{"rule: bytes of one file", limits{rules: []KeepRule{{Files: "a.log", Keep: Keep{Bytes: 25}}}}, []stock{a, b}, plenty, "a/0 file_bytes"},
		{"rule: pattern", limits{rules: []KeepRule{{Files: "?.log", Keep: Keep{Count: 1}}}}, []stock{a, b}, plenty, "a/0 count, a/100 count, b/0 count, b/100 count"},
		{"rule: the first one counts", limits{rules: []KeepRule{{Files: "b*", Keep: Keep{Count: 2}}, {Files: "*", Keep: Keep{Count: 1}}}}, []stock{a, b}, plenty, "a/0 count, a/100 count, b/0 count"},
		{"rule: the rest stays in force", limits{keep: Keep{Count: 2}, rules: []KeepRule{{Files: "a.log", Keep: Keep{Age: hours(35)}}}}, []stock{a}, plenty, "a/0 count, a/100 age"},
		{"rule: lifts", limits{keep: Keep{Count: 1, Age: hours(1)}, rules: []KeepRule{{Files: "a.log", Keep: Keep{Count: -1, Age: -1}}}}, []stock{a, b}, plenty,
			"b/0 count, b/100 count, b/200 age!"},
		{"rule: does not lift what all have", limits{keep: Keep{Bytes: 40}, rules: []KeepRule{{Files: "a.log", Keep: Keep{Bytes: -1}}}}, []stock{a, b}, plenty, "a/0 bytes, b/0 bytes, a/100 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, e := range c.l.plan(c.files, c.space, now) {
				newest := ""
				if e.newest {
					newest = "!"
				}
				got = append(got, fmt.Sprintf("%s/%d %s%s", strings.TrimSuffix(e.name, ".log"), e.part.offset, e.why, newest))
			}
			require.Equal(t, c.want, strings.Join(got, ", "))
		})
	}
}

// Whatever the limits and the parts: of each file the oldest ones go, each
// once, and as many as are needed.
func TestPlanHolds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		var files []stock
		var total int64
		for i := range rng.IntN(4) {
			f := stock{name: fmt.Sprintf("%d.log", i), active: rng.Int64N(50)}
			total += f.active
			for j := range rng.IntN(6) {
				p := logPart{offset: int64(j), disk: 1 + rng.Int64N(20), modified: now.Add(-time.Duration(rng.IntN(100)) * time.Hour)}
				f.parts = append(f.parts, p)
				total += p.disk
			}
			files = append(files, f)
		}
		pick := func(n int) int { return max(0, rng.IntN(2*n)-n) }
		l := limits{
			keep: Keep{Count: pick(5), Age: time.Duration(pick(90)) * time.Hour, Bytes: int64(pick(150))},
			free: Reserve{Bytes: int64(pick(200))},
		}
		space := vfs.Space{FreeBytes: uint64(rng.IntN(150)), TotalBytes: 1000}
		gone := make(map[string]int)
		var freed int64
		var last eviction
		for _, e := range l.plan(files, space, now) {
			require.Equal(t, int64(gone[e.name]), e.part.offset, "the oldest first")
			require.NotEmpty(t, e.why)
			gone[e.name]++
			freed += e.part.disk
			last = e
		}
		left := 0
		for _, f := range files {
			n := len(f.parts) - gone[f.name]
			left += n
			if l.keep.Count > 0 {
				require.LessOrEqual(t, n, l.keep.Count)
			}
		}
		if left > 0 && l.keep.Bytes > 0 {
			require.LessOrEqual(t, total-freed, l.keep.Bytes)
		}
		if left > 0 && l.free.Bytes > 0 {
			require.GreaterOrEqual(t, int64(space.FreeBytes)+freed, l.free.Bytes)
		}
		if last.why == byFree {
			require.Less(t, int64(space.FreeBytes)+freed-last.part.disk, l.free.Bytes, "not more than needed")
		}
		if last.why == byBytes {
			require.Greater(t, total-freed+last.part.disk, l.keep.Bytes, "not more than needed")
		}
	}
}

func TestCheckKeepRule(t *testing.T) {
	t.Parallel()
	require.NoError(t, CheckKeepRule(KeepRule{Files: "access*.log"}))
	require.Error(t, CheckKeepRule(KeepRule{Files: "[a"}))
	require.Error(t, CheckKeepRule(KeepRule{}))
}
