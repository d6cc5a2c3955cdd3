package fault

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

// Somebody renames, compresses and removes files as fast as he can, without a word to
// dalogd, which is killed now and then: many a rotation hits a write.
func TestRotatedAtOnce(t *testing.T) {
	t.Parallel()
	random := chance(t)
	s := newSetup(t, filepath.Join(t.TempDir(), "log"), "--rotate-size", "0", "--rotate-every", "never")
	l := startLoad(t, s.addr, mix{relp: 4, programs: 2, window: 512})
	d := s.run()
	n, kills := 0, 0
	var said string
	for i := range repeat(t, 200, 20_000) {
		for p := range 2 {
			rotateAtOnce(t, random, filepath.Join(s.dir, fmt.Sprintf("p%02d.log", p)), i)
			n++
		}
		if i%100 == 99 {
			kills++
			said += d.output.String()
			d.kill()
			d = s.run()
		}
		time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
	}
	l.hold()
	said += d.output.String()
	d.stop()
	a := l.requireAll(s.dir)
	again := len(regexp.MustCompile(`once_more=|written once more"`).FindAllString(said, -1))
	t.Logf("rotated %d times, killed %d times, lines written once more in %d of them, lines acknowledged %d: %s", n, kills, again, l.acked(), a)
}

// rotateAtOnce does what mv and gzip do. number makes the names, which come before
// those of lower ones.
func rotateAtOnce(t *testing.T, random *rand.Rand, name string, number int) {
	t.Helper()
	old := fmt.Sprintf("%s.%d", name, 900_000-number)
	if err := os.Rename(name, old); err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
		return
	}
	in, err := os.Open(old)
	require.NoError(t, err)
	defer in.Close()
	out, err := os.OpenFile(old+".gz", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(t, err)
	defer out.Close()
	z := gzip.NewWriter(out)
	_, err = io.Copy(z, in)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	if random.IntN(4) == 0 {
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond) // fsync
	}
	require.NoError(t, os.Remove(old))
}
