package fault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bits of dalogd's own records change, or their ends are lost, while it is down:
// it starts with everything that was acknowledged, or says what is wrong and
// what to do; it never crashes, and never leaves anything out without a word.
func TestBitRot(t *testing.T) {
	t.Parallel()
	random := chance(t)
	root := memoryFolder(t)
	s := newSetup(t, filepath.Join(root, "log"))
	l := startLoad(t, s.addr, mix{relp: 2, programs: 3})
	d := s.run()
	l.waitProgress(300)
	l.hold()
	l.waitStored(s.dir)
	d.kill()
	pristine := filepath.Join(root, "pristine")
	restore := preserve(t, s.dir, pristine)
	state := files(t, filepath.Join(pristine, ".dalogd"))

	counts := map[string]int{}
	n := 0
	again := newSetup(t, s.dir) // on an address of its own: nobody sends anything
	for i := range repeat(t, 40, 20_000) {
		n++
		restore()
		name := state[random.IntN(len(state))]
		what := damage(t, random, filepath.Join(s.dir, strings.TrimPrefix(name, pristine)))
		d := again.start()
		if !d.waitReady() {
			code := d.waitEnd()
			require.Equal(t, exitFolder, code, "%s\n%s", what, &d.output)
			require.Contains(t, d.output.String(), again.dir, "%s: the message does not tell where", what)
			counts["refused"]++
			continue
		}
		require.NoError(t, d.Kill())
		d.examine()
		a := l.audit(s.dir, law{})
		if len(a.problems) > 0 {
			t.Fatalf("round %d, %s: %s\n%s\n%s", i, what, a, strings.Join(a.problems, "\n"), &d.output)
		}
		counts["started"]++
	}
	t.Logf("damaged %d times: refused %d, started with everything %d; lines acknowledged %d", n, counts["refused"], counts["started"], l.acked())
}

// preserve copies a folder. The function that it returns makes it again what it
// was: the same files, not copies of them.
func preserve(t *testing.T, dir, pristine string) (restore func()) {
	t.Helper()
	copyFolder(t, dir, pristine, nil)
	same := pristine + "-same"
	for _, name := range files(t, dir) {
		if isState(strings.TrimPrefix(name, dir+"/")) {
			to := same + strings.TrimPrefix(name, dir)
			require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o700))
			require.NoError(t, os.Link(name, to))
		}
	}
	return func() {
		t.Helper()
		for _, name := range files(t, dir) {
			if isState(strings.TrimPrefix(name, dir+"/")) {
				require.NoError(t, os.Remove(name))
			}
		}
		for _, name := range files(t, same) {
			require.NoError(t, os.Link(name, dir+strings.TrimPrefix(name, same)))
		}
		copyFolder(t, pristine, dir, nil)
	}
}

// damage changes a file a little and says how.
func damage(t *testing.T, random *rand.Rand, name string) string {
	t.Helper()
	end := contentEnd(t, name)
	if end == 0 {
		return "nothing changed in " + name
	}
	if random.IntN(5) == 0 {
		size := random.Int64N(end)
		require.NoError(t, os.Truncate(name, size))
		return fmt.Sprintf("%s cut to %d bytes of %d", name, size, end)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	at := random.Int64N(end)
	if random.IntN(2) == 0 { // headers, most of all
		at = random.Int64N(min(end, 256))
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	require.NoError(t, err)
	bit := byte(1) << random.IntN(8)
	b[0] ^= bit
	_, err = f.WriteAt(b[:], at)
	require.NoError(t, err)
	return fmt.Sprintf("%s with bit %#02x of byte %d of %d changed", name, bit, at, end)
}
