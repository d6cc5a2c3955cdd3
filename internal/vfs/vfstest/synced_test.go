package vfstest_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// TestSyncedSurvives does anything for a while, syncs all there is, and finds
// just that after the loss of power.
func TestSyncedSurvives(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 2))
		d := vfstest.New(vfstest.Options{Seed: seed, Page: 64, Writeback: 0.3})
		require.NoError(t, d.FS().Mkdir("d", 0o750))
		for round := range 4 {
			anything(rng, d.FS())
			if round == 1 {
				d.Kill()
			}
			var want map[string]string
			if seed%2 == 0 {
				want = syncAll(t, d.FS())
			} else {
				require.NoError(t, d.FS().SyncAll())
				want = contents(t, d.FS())
			}
			d.PowerLoss()
			require.Equal(t, want, contents(t, d.FS()), "seed %d", seed)
		}
	}
}

func anything(rng *rand.Rand, f vfs.FS) {
	name := func() string { return []string{"a", "b", "d/a", "d/b"}[rng.IntN(4)] }
	for range rng.IntN(30) {
		switch rng.IntN(8) {
		case 0:
			f.Rename(name(), name())
		case 1:
			f.Remove(name())
		case 2:
			f.SyncDir([]string{".", "d"}[rng.IntN(2)])
		default:
			file, err := f.OpenFile(name(), os.O_RDWR|os.O_CREATE, 0o640)
			if err != nil {
				continue
			}
			for range rng.IntN(4) {
				switch rng.IntN(6) {
				case 0:
					file.Truncate(rng.Int64N(400))
				case 1:
					file.Allocate(1 + rng.Int64N(400))
				case 2:
					file.Datasync()
				default:
					file.WriteAt(fmt.Append(nil, rng.Uint64(), rng.Uint64()), rng.Int64N(300))
				}
			}
			file.Close()
		}
	}
}

// syncAll makes everything durable, one after the other, and tells what it is.
func syncAll(t *testing.T, f vfs.FS) map[string]string {
	for _, name := range files {
		file, err := f.OpenFile(name, os.O_RDWR, 0)
		if err == nil {
			require.NoError(t, file.Datasync())
			require.NoError(t, file.Close())
		}
	}
	require.NoError(t, f.SyncDir("d"))
	require.NoError(t, f.SyncDir("."))
	return contents(t, f)
}

var files = []string{"a", "b", "d/a", "d/b"}

func contents(t *testing.T, f vfs.FS) map[string]string {
	all := map[string]string{}
	for _, name := range files {
		all[name] = content(t, f, name)
	}
	return all
}
