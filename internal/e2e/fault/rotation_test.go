package fault

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dalogd closes and compresses its files all the time, and is killed meanwhile:
// every line is in one part, and no part is left behind or begun twice.
func TestRotationUnderKill(t *testing.T) {
	t.Parallel()
	random := chance(t)
	s := newSetup(t, filepath.Join(memoryFolder(t), "log"), "--rotate-size", "64KiB", "--keep-age", "0", "--keep-bytes", "0")
	l := startLoad(t, s.addr, mix{relp: 3, plain: 1, programs: 2})
	kills, rotations, enough := 0, 0, rounds(30, 3000)
	for range repeat(t, 120, 12_000) {
		if rotations >= enough {
			break
		}
		d := s.run()
		l.waitProgress(1)
		time.Sleep(time.Duration(random.IntN(60_000)) * time.Microsecond)
		d.kill()
		kills++
		rotations = len(parts(t, s.dir))
	}
	require.GreaterOrEqual(t, rotations, 30, "rotations in %d runs", kills)
	a := s.settle(l)
	requireContiguous(t, s.dir)
	t.Logf("kills %d, rotations %d, lines acknowledged %d: %s", kills, rotations, l.acked(), a)
}

// With retention the oldest parts go, and nothing else.
func TestRetentionUnderKill(t *testing.T) {
	t.Parallel()
	random := chance(t)
	s := newSetup(t, filepath.Join(memoryFolder(t), "log"), "--rotate-size", "16KiB", "--keep-count", "3")
	l := startLoad(t, s.addr, mix{relp: 3, programs: 2})
	n := 0
	for range repeat(t, 10, 500) {
		n++
		d := s.run()
		l.waitProgress(200)
		time.Sleep(time.Duration(random.IntN(20_000)) * time.Microsecond)
		d.kill()
	}
	d := s.run()
	l.hold()
	eventually(t, "three parts of each file to be left", func() bool {
		return len(parts(t, s.dir)) <= 2*3
	})
	d.stop()
	a := l.require(s.dir, law{headless: true})
	requireContiguous(t, s.dir)
	t.Logf("kills %d, lines acknowledged %d, gone with their parts %d: %s", n, l.acked(), a.gone, a)
}

// parts are the closed parts of all files.
func parts(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.d/*.log", "*.d/*.log.zst"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		all = append(all, names...)
	}
	return all
}
