package wal_test

import (
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
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
			for appended.Load() < records && !t.Failed() {
				if err := log.Ahead(); err != nil {
					t.Error(err)
				}
			}
		})
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

// What is appended while the disk is at it is not said to be durable.
func TestAppendDuringSync(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 3000} { // within the segment, and into the next one
		disk := vfstest.New(vfstest.Options{})
		opt := wal.Options{Store: small.Store, SegmentSize: 4 << 10}
		during := func() {}
		log := create(t, synced{disk.FS(), &during}, opt, 1)
		writeLog(t, log, []int{1500})
		during = func() {
			during = func() {}
			writeLog(t, log, []int{size})
		}
		lsn, err := log.Sync()
		require.NoError(t, err)
		require.EqualValues(t, 1, lsn)
		disk.PowerLoss()
		_, last, err := read(disk.FS(), opt, 0)
		require.NoError(t, err)
		require.GreaterOrEqual(t, last, lsn)
	}
	disk := vfstest.New(vfstest.Options{})
	during := func() {}
	log := create(t, synced{disk.FS(), &during}, wal.Options{SegmentSize: 4 << 10}, 1)
	writeLog(t, log, []int{1500})
	during = func() {
		during = func() {}
		writeLog(t, log, []int{3000})
	}
	for want := range uint64(2) {
		lsn, err := log.Sync()
		require.NoError(t, err)
		require.Equal(t, want+1, lsn)
	}
	disk.PowerLoss()
	_, last, err := read(disk.FS(), wal.Options{}, 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, last)
}

// synced does something each time a file has become durable.
type synced struct {
	vfs.FS
	after *func()
}

func (s synced) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	file, err := s.FS.OpenFile(name, flag, perm)
	return syncedFile{file, s.after}, err
}

type syncedFile struct {
	vfs.File
	after *func()
}

func (f syncedFile) Datasync() error {
	err := f.File.Datasync()
	(*f.after)()
	return err
}
