package wal_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs/vfstest"
	"github.com/dalog-project/dalog/internal/wal"
)

// Records are appended while others are made durable and segments dropped: what
// Sync said to be durable is there after a loss of power.
func TestSyncBesideAppends(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		disk := vfstest.New(vfstest.Options{Seed: seed, Page: 64})
		opt := wal.Options{Store: small.Store, SegmentSize: 4 << 10, Spares: 2}
		log := create(t, disk.FS(), opt, 1)
		var appended, durable, trimmed atomic.Uint64
		var group sync.WaitGroup
		const records = 400
		group.Go(func() {
			for lsn := uint64(1); lsn <= records; lsn++ {
				got, err := log.Append(1, [][]byte{payload(lsn, int(lsn%300))})
				if err != nil || got != lsn {
					t.Errorf("append %d: %d, %v", lsn, got, err)
					return
				}
				appended.Store(lsn)
			}
		})
		for range 2 {
			group.Go(func() {
				for durable.Load() < records-50 && !t.Failed() {
					before := appended.Load()
					lsn, err := log.Sync()
					if err != nil || lsn < before {
						t.Errorf("sync: %d, %v, and %d was appended before", lsn, err, before)
						return
					}
					for now := durable.Load(); lsn > now && !durable.CompareAndSwap(now, lsn); now = durable.Load() {
					}
				}
			})
		}
		group.Go(func() {
			for durable.Load() < records-50 && !t.Failed() {
				through := durable.Load() / 2
				if err := log.Trim(through); err != nil {
					t.Error(err)
				}
				trimmed.Store(through)
			}
		})
		group.Wait()
		require.False(t, t.Failed())
		disk.PowerLoss()

		got, last, err := read(disk.FS(), opt, trimmed.Load())
		require.NoError(t, err)
		require.GreaterOrEqual(t, last, durable.Load())
		for i, text := range slices.All(got) {
			require.Contains(t, text, fmt.Sprintf("record %d", trimmed.Load()+uint64(i)+1))
		}
	}
}
