package logstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// One bit of the checkpoints or of the write-ahead log is another one: the Store
// starts with every line that was acknowledged, or says what is damaged.
func TestBitRot(t *testing.T) {
	t.Parallel()
	n := simEpisodes(t) / 5
	refused := 0
	for seed := range uint64(n) {
		rng := rand.New(rand.NewPCG(seed, 11))
		d := vfstest.New(vfstest.Options{Seed: seed})
		s := twinStore(t, d, Config{segmentSize: 16 << 10})
		acked := 0
		for range 4 + rng.IntN(40) {
			commitOnly(t, s, message([]string{"celery", "new"}[acked%2], fmt.Sprintf("%d %s", acked, strings.Repeat("x", rng.IntN(300)))))
			acked++
			switch rng.IntN(20) {
			case 0:
				require.NoError(t, s.checkpoint())
			case 1:
				_, err := s.applyStep(true)
				require.NoError(t, err)
			}
		}
		// Which says that everything before it was durable.
		require.NoError(t, s.Submit(t.Context(), testTime, lines(1, "cron"), nil))
		_, err := s.commitStep(t.Context())
		require.NoError(t, err)
		d.Kill()

		what := flip(t, d, rng)
		s, err = openTwin(d.FS(), Config{segmentSize: 16 << 10})
		if err != nil {
			var damage *DamageError
			var newer *CheckpointVersionError
			require.True(t, errors.As(err, &damage) || errors.As(err, &newer) || strings.Contains(err.Error(), "version"), "seed %d, %s: %v", seed, what, err)
			refused++
			continue
		}
		have := strings.Split(onDisk(t, d, "worker.log")+onDisk(t, d, "new.log"), "\n")
		for i := range acked {
			there := 0
			for _, line := range have {
				if strings.Contains(line, fmt.Sprintf(": %d ", i)) {
					there++
				}
			}
			require.Equal(t, 1, there, "seed %d, %s: line %d of %d", seed, what, i, acked)
		}
		require.NoError(t, s.Close())
	}
	t.Logf("one bit changed %d times: refused %d, started with everything %d", n, refused, n-refused)
	require.Greater(t, refused, n/4)
	require.Less(t, refused, n)
}

// flip changes one bit of the state, and says which.
func flip(t *testing.T, d *vfstest.Disk, rng *rand.Rand) string {
	t.Helper()
	names := []string{checkpointName, checkpointOld}
	segments, err := d.Outside().ReadDir(".dalogd/" + walDir)
	require.NoError(t, err)
	for _, e := range segments {
		name := walDir + "/" + e.Name
		switch {
		case !strings.HasSuffix(e.Name, ".wal"):
		case strings.Trim(onDisk(t, d, ".dalogd/"+name)[64:], "\x00") == "": // made ahead
			names = append(names, name)
		default:
			names = append(names, name, name, name, name)
		}
	}
	name := ".dalogd/" + names[rng.IntN(len(names))]
	text := strings.TrimRight(onDisk(t, d, name), "\x00")
	at := int64(rng.IntN(len(text)))
	if rng.IntN(3) == 0 {
		at = int64(rng.IntN(min(len(text), 100)))
	}
	f, err := d.Outside().OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	bit := byte(1) << rng.IntN(8)
	_, err = f.WriteAt([]byte{text[at] ^ bit}, at)
	require.NoError(t, err)
	return fmt.Sprintf("bit %#02x of byte %d of %s", bit, at, name)
}
