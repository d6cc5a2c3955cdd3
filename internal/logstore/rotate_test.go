package logstore

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

func TestPeriodBegin(t *testing.T) {
	t.Parallel()
	zone := func(name string) *time.Location {
		l, err := time.LoadLocation(name)
		require.NoError(t, err)
		return l
	}
	ny, cairo, kolkata := zone("America/New_York"), zone("Africa/Cairo"), zone("Asia/Kolkata")
	for _, c := range []struct {
		name    string
		p       Period
		t, want time.Time
	}{
		{"never", Never, time.Date(2026, 11, 23, 8, 27, 0, 5, ny), time.Time{}},
		{"hour", Hourly, time.Date(2026, 11, 23, 8, 27, 3, 5, ny), time.Date(2026, 11, 23, 8, 0, 0, 0, ny)},
		{"hour of a zone with half hours", Hourly, time.Date(2026, 11, 23, 8, 27, 3, 5, kolkata), time.Date(2026, 11, 23, 8, 0, 0, 0, kolkata)},
		{"first of two hours of the same name", Hourly, time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC).In(ny), time.Date(2026, 11, 1, 5, 0, 0, 0, time.UTC)},
		{"second of two hours of the same name", Hourly, time.Date(2026, 11, 1, 6, 30, 0, 0, time.UTC).In(ny), time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC)},
		{"day", Daily, time.Date(2026, 11, 23, 8, 27, 0, 5, ny), time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)},
		{"day at midnight", Daily, time.Date(2026, 11, 23, 0, 0, 0, 0, ny), time.Date(2026, 11, 23, 0, 0, 0, 0, ny)},
		{"day of 25 hours", Daily, time.Date(2026, 11, 1, 23, 59, 0, 0, ny), time.Date(2026, 11, 1, 4, 0, 0, 0, time.UTC)},
		{"day without midnight", Daily, time.Date(2026, 4, 24, 1, 10, 0, 0, cairo), time.Date(2026, 4, 23, 22, 0, 0, 0, time.UTC)},
		{"week on a Monday", Weekly, time.Date(2026, 11, 23, 8, 0, 0, 0, ny), time.Date(2026, 11, 23, 0, 0, 0, 0, ny)},
		{"week on a Sunday", Weekly, time.Date(2026, 11, 22, 8, 0, 0, 0, ny), time.Date(2026, 11, 16, 0, 0, 0, 0, ny)},
		{"week over the end of a month", Weekly, time.Date(2026, 12, 3, 8, 0, 0, 0, ny), time.Date(2026, 11, 30, 0, 0, 0, 0, ny)},
	} {
		got := c.p.begin(c.t)
		require.True(t, c.want.Equal(got), "%s: %v", c.name, got)
		require.False(t, got.After(c.t), c.name)
	}
	for _, name := range []string{"never", "hour", "day", "week"} {
		_, err := ParsePeriod(name)
		require.NoError(t, err)
	}
	_, err := ParsePeriod("month")
	require.Error(t, err)
}

func TestRotationDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := new(Store)
		s.rules.Store(&Config{RotateSize: 1000, RotateEvery: Daily})
		f := newLogFile("worker.log", 0)
		f.inode = 7
		midnight := Daily.begin(time.Now()).AddDate(0, 0, 1)

		require.False(t, s.rotationDue(f, 0), "an empty file")
		require.False(t, s.rotationDue(f, 999))
		require.True(t, s.rotationDue(f, 1000))

		time.Sleep(time.Until(midnight) - time.Second)
		require.False(t, s.rotationDue(f, 10), "the day it began")
		time.Sleep(2 * time.Second)
		require.True(t, s.rotationDue(f, 10), "the day after")
		require.False(t, s.rotationDue(f, 0), "there is nothing in it")
		require.False(t, s.rotationDue(f, 10), "it began with its first line, not when it was made")

		time.Sleep(24 * time.Hour)
		require.True(t, s.rotationDue(f, 10))
		f.rotation.blocked = time.Now().Add(rotateRetry)
		require.False(t, s.rotationDue(f, 5000), "it failed just before")
		time.Sleep(rotateRetry)
		require.True(t, s.rotationDue(f, 5000))

		s.rules.Store(&Config{})
		require.False(t, s.rotationDue(f, 1<<40))
		s.rules.Store(&Config{RotateEvery: Weekly}) // it began on a Sunday
		require.True(t, s.rotationDue(f, 1))
		require.False(t, s.rotationDue(f, 0))
		time.Sleep(6 * 24 * time.Hour)
		require.False(t, s.rotationDue(f, 1<<40))
	})
}

// numbered are messages of which each becomes one line of lineBytes bytes, so
// that line i stands at the absolute offset i * lineBytes.
func numbered(program string, first, n int) []syslog.Message {
	msgs := make([]syslog.Message, n)
	for i := range msgs {
		msgs[i] = message(program, fmt.Sprintf("%09d", first+i))
	}
	return msgs
}

var lineBytes = len(testHeader) + 10

// requireStretch checks that a snapshot is exactly the lines that belong at its
// offset, and returns where it ends.
func requireStretch(t require.TestingT, sn *Snapshot) (end int64) {
	text := make([]byte, sn.Size)
	n, err := sn.ReadAt(text, 0)
	require.EqualValues(t, sn.Size, n, "%s: %v", sn.Name, err)
	require.Zero(t, sn.Start%int64(lineBytes), sn.Name)
	i := int(sn.Start) / lineBytes
	for line := range strings.Lines(string(text)) {
		require.Equal(t, fmt.Sprintf("%s%09d\n", testHeader, i), line, sn.Name)
		i++
	}
	return sn.Start + sn.Size
}

// requireWhole checks that worker.log and its parts, read as one, are the lines
// up to last without one missing or twice, and returns the first line there is.
func requireWhole(t require.TestingT, s *Store, last int) (first int) {
	first, end := requireContiguous(t, s)
	require.Equal(t, last, end, "the line after the last one")
	return first
}

// requireContiguous checks that worker.log and its parts, read as one, are lines
// without one missing or twice, and returns the first one and that after the
// last one.
func requireContiguous(t require.TestingT, s *Store) (first, end int) {
	list, err := s.List()
	require.NoError(t, err)
	list = slices.DeleteFunc(list, func(f FileInfo) bool { return !strings.HasPrefix(f.Name, "worker.log") })
	slices.SortStableFunc(list, func(a, b FileInfo) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Size, b.Size)) })
	require.NotEmpty(t, list)
	require.Equal(t, "worker.log", list[len(list)-1].Name, "%v", list)
	at := list[0].Start
	for _, f := range list {
		require.Equal(t, at, f.Start, "%s of %v", f.Name, list)
		sn, err := s.OpenFile(f.Name)
		require.NoError(t, err, "%s of %v", f.Name, list)
		require.Equal(t, f.Start, sn.Start)
		require.Equal(t, f.Size, sn.Size)
		at = requireStretch(t, sn)
		require.NoError(t, sn.Close())
	}
	return int(list[0].Start) / lineBytes, int(at) / lineBytes
}

// submitNow hands over messages of which last is the number after the last one,
// and waits until they are in the file, and the rotation that they may lead to
// is over.
func submitNow(t require.TestingT, s *Store, msgs []syslog.Message, last int) {
	done := make(chan error, 1)
	require.NoError(t, s.Submit(context.Background(), testTime, msgs, func(err error) { done <- err }))
	require.NoError(t, <-done)
	settled(t, s, last)
}

// settled waits until worker.log has all lines before last.
func settled(t require.TestingT, s *Store, last int) {
	require.Eventually(t, func() bool {
		sn, err := s.OpenFile("worker.log")
		if err != nil {
			return false
		}
		defer sn.Close()
		return sn.Start+sn.Size == int64(last*lineBytes)
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, s.Reopen(context.Background()))
}

func TestRotateBySize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := Config{Dir: dir, RotateSize: int64(50 * lineBytes)}
	s, stop := runStore(t, cfg)
	for i := range 20 {
		submitNow(t, s, numbered("celery", 20*i, 20), 20*i+20)
	}
	require.Zero(t, requireWhole(t, s, 400))
	st := s.Stats()
	require.EqualValues(t, 6, st.Rotated, "each time 60 lines were reached")
	eventually(t, func() bool { return s.Stats().Packed == 6 }, "all are compressed")
	require.Zero(t, requireWhole(t, s, 400))
	require.Len(t, partFiles(t, dir, "worker.log"), 6)
	require.Equal(t, fmt.Sprintf("%020d.log.zst", 60*lineBytes), partFiles(t, dir, "worker.log")[1])
	stop()

	s, _ = runStore(t, cfg)
	require.Zero(t, requireWhole(t, s, 400))
	for i := range 20 {
		submitNow(t, s, numbered("celery", 400+20*i, 20), 400+20*i+20)
	}
	require.Zero(t, requireWhole(t, s, 800))
}

// The file that somebody opened is never changed under him.
func TestReadersOfRotatedFiles(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{RotateSize: int64(50 * lineBytes)})
	submitNow(t, s, numbered("celery", 0, 30), 30)
	active, err := s.OpenFile("worker.log")
	require.NoError(t, err)
	defer active.Close()

	submitNow(t, s, numbered("celery", 30, 30), 60)
	part, err := s.OpenFile("worker.log.1")
	require.NoError(t, err)
	defer part.Close()
	eventually(t, func() bool { return s.Stats().Packed == 1 }, "compression")
	packed, err := s.OpenFile("worker.log.1")
	require.NoError(t, err)
	defer packed.Close()

	s.SetRules(Config{RotateSize: int64(50 * lineBytes), Keep: Keep{Count: 1}})
	submitNow(t, s, numbered("celery", 60, 60), 120)
	s.keeper.kick()
	eventually(t, func() bool { return s.Stats().Evicted == 1 }, "eviction")
	require.EqualValues(t, 30*lineBytes, requireStretch(t, active))
	require.EqualValues(t, 60*lineBytes, requireStretch(t, part))
	require.EqualValues(t, 60*lineBytes, requireStretch(t, packed))
	require.Equal(t, 60, requireWhole(t, s, 120))
}

// While files are rotated, compressed and removed as fast as they can be, every
// reader finds every listed file, at its offset, and worker.log at any moment.
func TestReadWhileRotating(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{RotateSize: int64(20 * lineBytes), Keep: Keep{Count: 5}})
	submitNow(t, s, numbered("celery", 0, 1), 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers sync.WaitGroup
	var reads atomic.Int64
	for range 3 {
		readers.Go(func() {
			shown := int64(0)
			for ctx.Err() == nil {
				sn, err := s.OpenFile("worker.log")
				if err != nil {
					t.Error(err)
					return
				}
				end := requireStretch(t, sn)
				sn.Close()
				if end < shown {
					t.Errorf("lines up to %d were shown, now only up to %d", shown, end)
				}
				shown = end

				list, err := s.List()
				if err != nil || !slices.ContainsFunc(list, func(f FileInfo) bool { return f.Name == "worker.log" }) {
					t.Errorf("no worker.log in %v (%v)", list, err)
				}
				for _, f := range list {
					if !strings.HasPrefix(f.Name, "worker.log.") {
						continue
					}
					sn, err := s.OpenFile(f.Name)
					if err != nil {
						continue // removed meanwhile
					}
					requireStretch(t, sn)
					sn.Close()
				}
				reads.Add(1)
			}
		})
	}
	n := 1
	for deadline := time.Now().Add(500 * time.Millisecond); time.Now().Before(deadline) || s.Stats().Rotated < 20 || reads.Load() < 20; n += 10 {
		submit(t, s, numbered("celery", n, 10)...)
	}
	cancel()
	readers.Wait()
	settled(t, s, n)
	eventually(t, func() bool { return s.Stats().Parts <= 5 }, "the removal of the oldest")
	requireWhole(t, s, n)
}

func TestRotationThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "worker.log.d"), []byte("in the way"), 0o600))
	var log logBuffer
	s, _ := runStore(t, Config{Dir: dir, RotateSize: int64(5 * lineBytes), Logger: log.logger()})
	for i := range 5 {
		submitNow(t, s, numbered("celery", 10*i, 10), 10*i+10)
	}
	sn, err := s.OpenFile("worker.log")
	require.NoError(t, err)
	defer sn.Close()
	require.EqualValues(t, 50*lineBytes, requireStretch(t, sn))
	require.Zero(t, s.Stats().Rotated)
	require.Equal(t, 1, strings.Count(log.String(), "cannot be rotated"))
	require.Contains(t, log.String(), "worker.log.d is not a folder")
}

// A part that is there already is never replaced.
func TestRotationReplacesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log logBuffer
	s, _ := runStore(t, Config{Dir: dir, RotateSize: int64(5 * lineBytes), Logger: log.logger()})
	writePart(t, dir, "worker.log", 0, "somebody's\n")
	submitNow(t, s, numbered("celery", 0, 10), 10)
	require.Contains(t, log.String(), "is there already")
	b, err := os.ReadFile(filepath.Join(dir, partPath("worker.log", 0, plainSuffix)))
	require.NoError(t, err)
	require.Equal(t, "somebody's\n", string(b))
}

// Over any course of submissions, rotations, compressions, evictions and
// restarts, worker.log and its parts are the lines that were submitted, from
// the first one kept.
func TestRotationProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		d := vfstest.New(vfstest.Options{})
		cfg := Config{RotateSize: int64(rapid.IntRange(1, 40).Draw(r, "lines a file") * lineBytes)}
		var s *Store
		var stop func()
		start := func(kept int) {
			s = twinStore(t, d, cfg)
			if kept > 0 {
				fewer := cfg
				fewer.Keep.Count = kept
				s.SetRules(fewer)
				s.evict(false)
				s.SetRules(cfg)
			}
			stop = startStore(t, s)
		}
		start(0)
		defer func() { stop() }()

		n, first := 0, 0
		var open []*Snapshot
		defer func() {
			for _, sn := range open {
				requireStretch(r, sn)
				sn.Close()
			}
		}()
		for range rapid.IntRange(3, 12).Draw(r, "steps") {
			switch rapid.SampledFrom([]string{"submit", "submit", "submit", "evict", "restart", "open", "real"}).Draw(r, "step") {
			case "submit":
				k := rapid.IntRange(1, 60).Draw(r, "lines")
				submitNow(r, s, numbered("celery", n, k), n+k)
				n += k
			case "evict":
				stop()
				start(rapid.IntRange(1, 3).Draw(r, "kept"))
			case "restart":
				stop()
				start(0)
			case "open":
				list, err := s.List()
				require.NoError(r, err)
				list = slices.DeleteFunc(list, func(f FileInfo) bool { return !strings.HasPrefix(f.Name, "worker.log") })
				sn, err := s.OpenFile(rapid.SampledFrom(list).Draw(r, "file").Name)
				require.NoError(r, err)
				open = append(open, sn)
			case "real": // takes a number from the parts, and gives it back
				name := fmt.Sprintf("worker.log.%d", rapid.IntRange(1, 4).Draw(r, "number"))
				f, err := d.Outside().OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
				require.NoError(r, err)
				require.NoError(r, f.Close())
				list, err := s.List()
				require.NoError(r, err)
				require.True(r, slices.ContainsFunc(list, func(f FileInfo) bool { return f.Name == name && f.Size == 0 }))
				require.NoError(r, d.Outside().Remove(name))
			}
			now := requireWhole(r, s, n)
			require.GreaterOrEqual(r, now, first, "what was removed comes back")
			first = now
		}
	})
}

// rotateUntilCrash submits lines that lead to rotations, one group after the
// other, until the file system in memory ends the process or all is done, and
// returns how many were confirmed.
func rotateUntilCrash(t *testing.T, d *vfstest.Disk, cfg Config, groups int) (confirmed int) {
	s, err := openTwin(d.FS(), cfg)
	if err != nil {
		require.ErrorIs(t, err, vfstest.ErrCrashed)
		return 0
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	for ; confirmed < 4*groups; confirmed += 4 {
		done := make(chan error, 1)
		if s.Submit(ctx, testTime, numbered("celery", confirmed, 4), func(err error) { done <- err }) != nil || <-done != nil {
			break
		}
	}
	cancel()
	<-ran
	s.Close()
	return confirmed
}

// Killed, or without power, at any call while files are rotated, compressed
// and removed: every confirmed line is there once, in order, at its offset; no
// part is left over, and none replaced.
func TestCrashWhileRotating(t *testing.T) {
	t.Parallel()
	seeds := max(3, simEpisodes(t)/1000)
	if testing.Short() {
		seeds = 1
	}
	for _, power := range []bool{false, true} {
		crashes, rotations := 0, 0
		for seed := range seeds {
			before := crashes
			for crashed := true; crashed; {
				// In a bubble, whose clock costs no time.
				synctest.Test(t, func(t *testing.T) { crashed = crashWhileRotating(t, uint64(seed), crashes-before+1, power, &rotations) })
				crashes++
			}
			require.Greater(t, crashes-before, 60)
		}
		t.Logf("power loss: %t, %d crashes, %d rotations", power, crashes-seeds, rotations)
	}
}

// crashWhileRotating is the episode that ends with the n-th call. It reports
// whether there was such a call, and adds to rotations how many parts there were.
func crashWhileRotating(t *testing.T, seed uint64, n int, power bool, rotations *int) bool {
	cfg := Config{RotateSize: int64(6 * lineBytes)}
	d := vfstest.New(vfstest.Options{Seed: seed<<32 + uint64(n), Writeback: float64(seed%4) / 10})
	end := func() {
		if power {
			d.PowerLoss()
		} else {
			d.Kill()
		}
	}
	d.CrashAt(n)
	confirmed := rotateUntilCrash(t, d, cfg, 8)
	if !d.Crashed() {
		require.Equal(t, 32, confirmed)
		return false
	}
	end()
	d.CrashAt(n % 23) // in the course of recovery
	if s, err := openTwin(d.FS(), cfg); err == nil {
		s.Close()
	}
	end()

	s := twinStore(t, d, cfg)
	stop := startStore(t, s)
	first, last := requireContiguous(t, s)
	require.Zero(t, first, "seed %d, crash at %d", seed, n)
	require.GreaterOrEqual(t, last, confirmed, "seed %d, crash at %d: of the confirmed lines", seed, n)
	for ; last < 60; last += 6 {
		submitNow(t, s, numbered("celery", last, 6), last+6)
	}
	require.Zero(t, requireWhole(t, s, last), "seed %d, crash at %d", seed, n)
	stop()

	s = twinStore(t, d, cfg)
	s.keep(t.Context())
	require.Zero(t, requireWhole(t, s, last), "seed %d, crash at %d", seed, n)
	entries, err := d.Outside().ReadDir("worker.log.d")
	require.NoError(t, err)
	require.EqualValues(t, s.Stats().Parts, len(entries), "seed %d, crash at %d: %v", seed, n, entries)
	*rotations += len(entries)
	require.NoError(t, s.Close())
	return true
}
