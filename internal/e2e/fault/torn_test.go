package fault

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A write ends after any number of bytes: in a log file or in dalogd's own
// records. dalogd goes on when there is room, or is killed then and there.
func TestTornWrite(t *testing.T) {
	t.Parallel()
	random := chance(t)
	s := newSetup(t, filepath.Join(memoryFolder(t), "log"))
	l := startLoad(t, s.addr, mix{relp: 2, programs: 3})
	p := s.run()
	l.waitProgress(10)
	killed, torn := 0, map[string]int{}
	for i := range repeat(t, 30, 2*450) {
		l.hold()
		name, end := tearAt(t, s.dir, i)
		limit := end + int64(i/2%450)
		if !*full {
			limit = end + random.Int64N(450)
		}
		require.NoError(t, limitFiles(p.PID(), uint64(limit)))
		before := l.acked()
		l.resume()
		within(20*time.Millisecond, func() bool { return l.acked() > before+200 })
		if random.IntN(2) == 0 {
			p.kill()
			killed++
			p = s.run()
		} else {
			require.NoError(t, limitFiles(p.PID(), unix.RLIM_INFINITY))
		}
		l.waitProgress(1)
		require.False(t, p.Ended(), "dalogd has ended: %s", &p.output)
		torn[name]++
	}
	l.hold()
	p.stop()
	a := l.requireAll(s.dir)
	t.Logf("writes torn in %v, killed then %d times, lines acknowledged %d: %s", torn, killed, l.acked(), a)
}

func limitFiles(pid int, size uint64) error {
	return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil)
}

// tearAt chooses where the next write is to end: at the end of the longest log
// file, or where dalogd's own record has come to.
func tearAt(t *testing.T, dir string, i int) (what string, end int64) {
	t.Helper()
	var newest time.Time
	for _, name := range files(t, dir) {
		own := strings.HasSuffix(name, ".wal")
		if own != (i%2 == 0) || !own && filepath.Ext(name) != ".log" {
			continue
		}
		if !own {
			what, end = "log files", max(end, contentEnd(t, name))
			continue
		}
		info, err := os.Stat(name)
		require.NoError(t, err)
		if info.ModTime().After(newest) { // not those made ahead, which may hold old records
			newest = info.ModTime()
			what, end = "the log of dalogd", contentEnd(t, name)
		}
	}
	if what == "" {
		return tearAt(t, dir, i+1)
	}
	return what, end
}

// contentEnd is the size of a file without the zeros at its end, which are
// room for more.
func contentEnd(t *testing.T, name string) int64 {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	buf := make([]byte, 64<<10)
	for end := info.Size(); end > 0; {
		from := max(0, end-int64(len(buf)))
		b := buf[:end-from]
		_, err := f.ReadAt(b, from)
		require.NoError(t, err, fmt.Sprint(name, " at ", from))
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] != 0 {
				return from + int64(i) + 1
			}
		}
		end = from
	}
	return 0
}
