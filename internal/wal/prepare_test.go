package wal_test

import (
	"bytes"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs/vfstest"
	"github.com/dalog-project/dalog/internal/wal"
)

var prepared = wal.Options{Store: small.Store, SegmentSize: 4 << 10, Spares: 2, Prepare: time.Hour}

// What is needed next is there and filled, and a later start finds it: none is made anew.
func TestPrepare(t *testing.T) {
	t.Parallel()
	for _, noAllocate := range []bool{false, true} {
		disk := vfstest.New(vfstest.Options{NoAllocate: noAllocate})
		made := 0
		log := create(t, counting{disk.FS(), &made}, prepared, 1)
		require.Equal(t, 5, made)
		img := save(t, disk.Outside())
		require.Len(t, img.names(".wal"), 3)
		require.Len(t, img.names(".spare"), 2)
		for name, content := range img {
			if name != "00000000000000000001.wal" {
				require.Len(t, content, 4<<10, name)
			}
			require.Empty(t, bytes.Trim(content[64:], "\x00"), name)
		}
		writeLog(t, log, []int{2500, 2500, 2500, 2500, 2500}, 5)
		require.Equal(t, 5, made, "appending made one")
		for last := uint64(5); last < 25; last += 5 {
			disk.Kill()
			_, got, err := read(disk.FS(), prepared, last)
			require.NoError(t, err)
			require.Equal(t, last, got)
			made = 0
			log = create(t, counting{disk.FS(), &made}, prepared, last+1)
			if noAllocate && last == 5 {
				require.Equal(t, 1, made, "the first segment has no more than was written to it")
			} else {
				require.Zero(t, made, "a later start made some anew")
			}
			require.Len(t, save(t, disk.Outside()), 5)
			writeLog(t, log, []int{2500, 2500, 2500, 2500, 2500}, last+5)
		}
	}
}

// Of two logs one after the other, the second of which prepares nothing, no more is
// left than it wants.
func TestPrepareNoMore(t *testing.T) {
	t.Parallel()
	disk := vfstest.New(vfstest.Options{})
	create(t, disk.FS(), prepared, 1)
	disk.Kill()
	create(t, disk.FS(), small, 1)
	img := save(t, disk.Outside())
	require.Len(t, img.names(".wal"), 1)
	require.Empty(t, img.names(".spare"))
}

// Killed while it prepares, at any call.
func TestPrepareKilled(t *testing.T) {
	t.Parallel()
	for after := 1; after < 100; after++ {
		disk := vfstest.New(vfstest.Options{Seed: uint64(after)})
		disk.CrashAt(after)
		_, err := wal.Create(disk.FS(), prepared, 1)
		if err == nil {
			require.Greater(t, after, 20)
			return
		}
		if after%2 == 0 {
			disk.PowerLoss()
		} else {
			disk.Kill()
		}
		_, last, err := read(disk.FS(), prepared, 0)
		require.NoError(t, err)
		require.Zero(t, last)
		writeLog(t, create(t, disk.FS(), prepared, 1), []int{2500, 2500}, 2)
		require.Len(t, save(t, disk.Outside()), 5)
	}
	t.Fatal("it does not end")
}

// A disk with too little room gets what fits, and a failure is told.
func TestPrepareOnFullDisk(t *testing.T) {
	t.Parallel()
	for room := 1; room <= 5; room++ {
		disk := vfstest.New(vfstest.Options{})
		disk.SetFree(int64(room)*4<<10, -1)
		log := create(t, disk.FS(), prepared, 1)
		require.Len(t, save(t, disk.Outside()), room)
		writeLog(t, log, slices.Repeat([]int{2500}, min(room, 3)), 1)
	}
	for _, fault := range []vfstest.Fault{
		{Op: vfstest.Write, Name: "*.spare", Err: syscall.EIO},
		{Op: vfstest.Write, Name: "*.wal", After: 3, Err: syscall.EIO},
		{Op: vfstest.Datasync, Name: "*.wal", After: 1, Err: syscall.ENOSPC},
	} {
		disk := vfstest.New(vfstest.Options{})
		disk.Inject(fault)
		_, err := wal.Create(disk.FS(), prepared, 1)
		require.ErrorIs(t, err, fault.Err)
	}
}

// Wherever in what was filled a record begins, it is found.
func TestSearchBlank(t *testing.T) {
	t.Parallel()
	const size = 16 << 10
	head := wal.FakeHead(0, 1, 0) // it begins as what is before it
	for at := 0; at+len(head) <= size; at += 8 {
		b := make([]byte, size)
		copy(b[at:], head)
		require.Equal(t, at, wal.BeforeHead(b))
	}
	require.GreaterOrEqual(t, wal.BeforeHead(make([]byte, size)), size-len(head)-8)
}

// Where the time is over nothing more is filled, and what there is can be used.
func TestPrepareInTime(t *testing.T) {
	t.Parallel()
	disk := vfstest.New(vfstest.Options{NoAllocate: true})
	opt := prepared
	opt.Prepare = 1
	log := create(t, disk.FS(), opt, 1)
	img := save(t, disk.Outside())
	require.Len(t, img, 5)
	for name, content := range img {
		require.LessOrEqual(t, len(content), 64, name)
	}
	writeLog(t, log, []int{2500, 2500, 2500, 2500, 2500}, 5)
	_, last, err := read(disk.FS(), opt, 5)
	require.NoError(t, err)
	require.Equal(t, uint64(5), last)
}
