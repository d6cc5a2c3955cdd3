package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
	"github.com/dalog-project/dalog/internal/wal"
)

func create(t testing.TB, fsys vfs.FS, opt wal.Options, next uint64) *wal.Log {
	t.Helper()
	log, err := wal.Create(fsys, opt, next)
	require.NoError(t, err)
	t.Cleanup(func() { log.Close() })
	return log
}

// realFolder is a folder on the disk.
func realFolder(t testing.TB) vfs.FS {
	t.Helper()
	fsys, err := vfs.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, fsys.Close()) })
	return fsys
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 7, 8, 9, 100, 4000 - 9, 3, 5000, 30_000, 0, 64}
	for name, open := range map[string]func() vfs.FS{
		"real": func() vfs.FS { return realFolder(t) },
		"twin": func() vfs.FS { return vfstest.New(vfstest.Options{}).FS() },
		"cannot allocate": func() vfs.FS {
			return vfstest.New(vfstest.Options{NoAllocate: true}).FS()
		},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := open()
			opt := wal.Options{Store: small.Store, SegmentSize: 32 << 10}
			log := create(t, fsys, opt, 1)
			writeLog(t, log, sizes, 3, 10)
			var want []string
			for i, size := range sizes {
				want = append(want, string(payload(uint64(i+1), size)))
			}
			for after := range uint64(len(sizes) + 1) {
				got, last, err := read(fsys, opt, after)
				require.NoError(t, err)
				require.Equal(t, want[after:], got)
				require.EqualValues(t, len(sizes), last)
			}

			r, err := wal.OpenReader(fsys, opt, 3)
			require.NoError(t, err)
			defer r.Close()
			rec, err := r.Next()
			require.NoError(t, err)
			require.EqualValues(t, 4, rec.LSN)
			require.EqualValues(t, 3, rec.Synced)
			require.EqualValues(t, 8, rec.Type)
			require.EqualValues(t, 1, rec.Segment)
		})
	}
}

func TestManyParts(t *testing.T) {
	t.Parallel()
	fsys := realFolder(t)
	opt := wal.Options{SegmentSize: 64 << 10}
	log := create(t, fsys, opt, 1)
	var parts [][]byte
	for i := range 3000 {
		parts = append(parts, fmt.Append(nil, i))
	}
	_, err := log.Append(7, parts)
	require.NoError(t, err)
	_, err = log.Append(7, nil)
	require.NoError(t, err)
	got, _, err := read(fsys, opt, 0)
	require.NoError(t, err)
	require.Equal(t, []string{string(bytes.Join(parts, nil)), ""}, got)
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	fsys := vfstest.New(vfstest.Options{}).FS()
	for _, after := range []uint64{0, 5} {
		got, last, err := read(fsys, small, after)
		require.NoError(t, err)
		require.Empty(t, got)
		require.Equal(t, after, last)
	}
	create(t, fsys, small, 6)
	got, last, err := read(fsys, small, 5)
	require.NoError(t, err)
	require.Empty(t, got)
	require.EqualValues(t, 5, last)
	_, err = wal.Create(fsys, small, 0)
	require.Error(t, err)
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	fsys := vfstest.New(vfstest.Options{}).FS()
	log := create(t, fsys, small, 1)
	most := small.MaxRecord()
	require.EqualValues(t, 4096-96, most)
	_, err := log.Append(1, [][]byte{make([]byte, most), {1}})
	require.ErrorIs(t, err, wal.ErrTooLarge)
	for want := uint64(1); want < 4; want++ {
		lsn, err := log.Append(1, [][]byte{make([]byte, most)})
		require.NoError(t, err)
		require.Equal(t, want, lsn)
	}
	got, _, err := read(fsys, small, 0)
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.EqualValues(t, 64<<20-96, wal.Options{}.MaxRecord())
}

// TestTrim asks that segments go when they may, and that the folder does not
// grow.
func TestTrim(t *testing.T) {
	t.Parallel()
	fsys := vfstest.New(vfstest.Options{}).FS()
	log := create(t, fsys, small, 1)
	for lsn := uint64(1); lsn < 100; lsn++ {
		writeLog(t, log, []int{1500}, lsn) // two in a segment
		if lsn%5 == 0 {
			require.NoError(t, log.Trim(lsn-3))
			got, last, err := read(fsys, small, lsn-3)
			require.NoError(t, err)
			require.Len(t, got, 3)
			require.Equal(t, lsn, last)
			require.LessOrEqual(t, len(save(t, fsys)), 5)
		}
	}
	require.NoError(t, log.Trim(99))
	names := save(t, fsys)
	require.Len(t, names.names(".wal"), 1, "the one being written stays")
	require.Len(t, names.names(".spare"), 1)
	require.Len(t, names, 2)

	// A record gone by Trim is missed by a reader who needs it.
	writeLog(t, log, []int{10, 10}, 100, 101)
	_, _, err := read(fsys, small, 50)
	corruption := (*wal.CorruptionError)(nil)
	require.ErrorAs(t, err, &corruption)
	require.EqualValues(t, 51, corruption.LSN)
	require.ErrorContains(t, err, "the segment that held it is gone")
}

func TestTrimFailsAndGoesOn(t *testing.T) {
	t.Parallel()
	disk := vfstest.New(vfstest.Options{})
	log := create(t, disk.FS(), small, 1)
	writeLog(t, log, []int{3000, 3000, 3000, 3000}, 4)
	disk.Inject(vfstest.Fault{Op: vfstest.Rename | vfstest.Remove, Times: 2, Err: syscall.EIO})
	require.ErrorIs(t, log.Trim(3), syscall.EIO)
	writeLog(t, log, []int{10}, 5)
	require.ErrorIs(t, log.Trim(3), syscall.EIO)
	require.NoError(t, log.Trim(3))
	require.Len(t, save(t, disk.Outside()).names(".wal"), 1)
	// Somebody removed it before us.
	writeLog(t, log, []int{3500, 3500}, 7)
	require.NoError(t, disk.Outside().Remove(fmt.Sprintf("%020d.wal", 4)))
	require.NoError(t, log.Trim(6))
}

// TestSpareIsGone has the spare taken away by somebody.
func TestSpareIsGone(t *testing.T) {
	t.Parallel()
	disk := vfstest.New(vfstest.Options{})
	log := create(t, disk.FS(), small, 1)
	writeLog(t, log, []int{3000, 3000}, 2)
	require.NoError(t, log.Trim(1))
	for _, name := range save(t, disk.Outside()).names(".spare") {
		require.NoError(t, disk.Outside().Remove(name))
	}
	writeLog(t, log, []int{3000}, 3)
	got, _, err := read(disk.FS(), small, 1)
	require.NoError(t, err)
	require.Len(t, got, 2)
}

// TestConcurrentTrim is for the race detector.
func TestConcurrentTrim(t *testing.T) {
	t.Parallel()
	fsys := realFolder(t)
	log := create(t, fsys, small, 1)
	durable := make(chan uint64, 1)
	var trimmer sync.WaitGroup
	trimmer.Go(func() {
		for lsn := range durable {
			if err := log.Trim(lsn); err != nil {
				t.Error(err)
			}
		}
	})
	for lsn := uint64(1); lsn < 300; lsn++ {
		_, err := log.Append(1, [][]byte{make([]byte, 1500)})
		require.NoError(t, err)
		if lsn%7 == 0 {
			_, err := log.Sync()
			require.NoError(t, err)
		}
		select {
		case durable <- lsn: // a checkpoint may know of more than Sync
		default:
		}
	}
	close(durable)
	trimmer.Wait()
	require.NoError(t, log.Close())
}

// TestFullDisk fills the disk at each byte of a record, frees it, and goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, noAllocate := range []bool{false, true} {
		for tear := 0; tear < 700; tear += 13 {
			disk := vfstest.New(vfstest.Options{NoAllocate: noAllocate, Page: 64})
			log := create(t, disk.FS(), small, 1)
			writeLog(t, log, []int{200}, 1)
			disk.Inject(vfstest.Fault{Op: vfstest.Write, Err: syscall.ENOSPC, Tear: tear, Times: 2})
			for range 2 {
				_, err := log.Append(1, [][]byte{make([]byte, 600)})
				require.True(t, vfs.IsFull(err), "%v", err)
				require.NotErrorIs(t, err, wal.ErrFailed)
			}
			got, _, err := read(disk.FS(), small, 0)
			require.NoError(t, err)
			require.Equal(t, []string{string(payload(1, 200))}, got, "no half record is left")
			writeLog(t, log, []int{20, 30, 3000}, 4)
			disk.PowerLoss()
			got, _, err = read(disk.FS(), small, 0)
			require.NoError(t, err)
			require.Len(t, got, 4)
		}
	}
}

// TestFailingCalls lets each call of a short run fail once, for different
// reasons, and asks what is left of the log.
func TestFailingCalls(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC, syscall.EMFILE} {
		for after := 0; ; after++ {
			disk := vfstest.New(vfstest.Options{Seed: uint64(after)})
			log := create(t, disk.FS(), small, 1)
			disk.Inject(vfstest.Fault{Op: vfstest.Any &^ vfstest.Read, After: after, Err: cause, Tear: after})
			var want []string
			var failure error
			synced := uint64(0)
			for range 6 {
				p := payload(peek(log), 1500)
				_, err := log.Append(1, [][]byte{p})
				if err == nil {
					want = append(want, string(p))
					var durable uint64
					if durable, err = log.Sync(); err == nil {
						synced = durable
						err = log.Trim(1)
					}
				}
				failure = errors.Join(failure, err)
			}
			if failure == nil {
				require.Greater(t, after, 10)
				break
			}
			require.ErrorIs(t, failure, cause)
			if errors.Is(failure, wal.ErrFailed) {
				disk.PowerLoss()
			} else {
				require.GreaterOrEqual(t, len(want), 5, "%v: all but the one that failed", failure)
				disk.Kill()
			}
			got, last, err := read(disk.FS(), small, 1)
			require.NoError(t, err, "%v", failure)
			require.GreaterOrEqual(t, last, max(1, synced), "%v", failure)
			for i, p := range got {
				require.Equal(t, string(payload(uint64(i)+2, 1500)), p)
			}
		}
	}
}

// TestSyncFails asks that nothing goes on, and nothing is tried again, after a
// failed fdatasync.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	disk := vfstest.New(vfstest.Options{})
	log := create(t, disk.FS(), small, 1)
	writeLog(t, log, []int{10})
	disk.Inject(vfstest.Fault{Op: vfstest.Datasync, Err: syscall.EIO})
	_, err := log.Sync()
	require.ErrorIs(t, err, wal.ErrFailed)
	require.ErrorIs(t, err, syscall.EIO)
	before := disk.Ops()
	_, err = log.Sync()
	require.ErrorIs(t, err, wal.ErrFailed)
	_, err = log.Append(1, nil)
	require.ErrorIs(t, err, wal.ErrFailed)
	require.Equal(t, before, disk.Ops(), "nothing was tried")
}

// TestWriteFails asks that only a full disk is taken as passing.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	disk := vfstest.New(vfstest.Options{})
	log := create(t, disk.FS(), small, 1)
	disk.Inject(vfstest.Fault{Op: vfstest.Write, Err: syscall.EIO, Tear: 10})
	_, err := log.Append(1, nil)
	require.ErrorIs(t, err, wal.ErrFailed)
	require.ErrorIs(t, err, syscall.EIO)
	_, err = log.Append(1, nil)
	require.ErrorIs(t, err, wal.ErrFailed)
}

// TestUndoFails asks that half a record which cannot be taken back ends the log.
func TestUndoFails(t *testing.T) {
	t.Parallel()
	for _, op := range []vfstest.Op{vfstest.Truncate, vfstest.Allocate} {
		disk := vfstest.New(vfstest.Options{})
		log := create(t, disk.FS(), small, 1)
		disk.Inject(vfstest.Fault{Op: vfstest.Write, Err: syscall.ENOSPC, Tear: 10})
		disk.Inject(vfstest.Fault{Op: op, Err: syscall.EIO})
		_, err := log.Append(1, nil)
		require.ErrorIs(t, err, wal.ErrFailed)
		require.ErrorIs(t, err, syscall.EIO)
		_, err = log.Append(1, nil)
		require.ErrorIs(t, err, wal.ErrFailed)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	log := create(t, realFolder(t), small, 1)
	require.NoError(t, log.Close())
	_, err := log.Append(1, nil)
	require.ErrorIs(t, err, wal.ErrFailed)
	require.ErrorContains(t, err, "closed")
}

func TestForeignSegments(t *testing.T) {
	t.Parallel()
	fsys := vfstest.New(vfstest.Options{}).FS()
	writeLog(t, create(t, fsys, small, 1), []int{10}, 1)
	name := fmt.Sprintf("%020d.wal", 1)
	img := save(t, fsys)

	t.Run("of another store", func(t *testing.T) {
		other := small
		other.Store = [16]byte{0xff}
		_, _, err := read(fsys, other, 0)
		foreign := (*wal.StoreError)(nil)
		require.ErrorAs(t, err, &foreign)
		require.Equal(t, small.Store, foreign.Store)
		require.ErrorContains(t, err, name)
		_, err = wal.Salvage(fsys, other, 0)
		require.ErrorAs(t, err, &foreign)
	})
	t.Run("of a newer version", func(t *testing.T) {
		newer := img.with(name, wal.WithVersion(img[name], 2)).load(t)
		_, _, err := read(newer, small, 0)
		version := (*wal.VersionError)(nil)
		require.ErrorAs(t, err, &version)
		require.EqualValues(t, 2, version.Version)
		require.ErrorContains(t, err, "newer program")
		segments, err := wal.Segments(newer)
		require.NoError(t, err)
		require.EqualValues(t, 2, segments[0].Version)
		require.False(t, segments[0].HeaderOK)
	})
	t.Run("other files are left alone", func(t *testing.T) {
		more := img.with("README", []byte("x")).with("00000000000000000007.wal.broken", []byte("y")).
			with("x0000000000000000001.wal", []byte("z")).load(t)
		got, _, err := read(more, small, 0)
		require.NoError(t, err)
		require.Len(t, got, 1)
		create(t, more, small, 2)
		after := save(t, more)
		require.Contains(t, after, "README")
		require.Contains(t, after, "00000000000000000007.wal.broken")
		require.Contains(t, after, "x0000000000000000001.wal")
		require.Contains(t, after, "00000000000000000008.wal", "numbers set aside are not used again")
	})
	t.Run("a link in place of a segment", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(dir+"/outside", img[name], 0o600))
		require.NoError(t, os.Mkdir(dir+"/wal", 0o700))
		require.NoError(t, os.Symlink(dir+"/outside", dir+"/wal/"+name))
		real, err := vfs.Open(dir + "/wal")
		require.NoError(t, err)
		defer real.Close()
		_, _, err = read(real, small, 0)
		require.ErrorIs(t, err, vfs.ErrNotRegular)
	})
}

// TestNamesExchanged has two segments renamed by somebody.
func TestNamesExchanged(t *testing.T) {
	t.Parallel()
	s := samples(t)["many segments"]
	names := s.image.names(".wal")
	slices.Sort(names)
	for i, a := range names {
		for _, b := range names[i+1:] {
			img := s.image.with(a, s.image[b]).with(b, s.image[a])
			kept, err := s.damaged(t, img, func(p place) bool { return p.file == a || p.file == b })
			if err == nil {
				require.Equal(t, len(s.want), kept)
			}
			s.mend(t, img, kept, err)
		}
	}
}

// TestInspect sees records, damage and what was never written.
func TestInspect(t *testing.T) {
	t.Parallel()
	fsys := vfstest.New(vfstest.Options{}).FS()
	writeLog(t, create(t, fsys, small, 1), []int{100, 100, 100}, 2)
	name := fmt.Sprintf("%020d.wal", 1)
	img := save(t, fsys)
	content := slices.Clone(img[name])
	content[64+144+50] ^= 1
	fsys = img.with(name, content).load(t)
	segments, err := wal.Segments(fsys)
	require.NoError(t, err)
	require.Equal(t, []wal.SegmentInfo{{Name: name, Number: 1, Size: 4096, HeaderOK: true, Version: 1, Store: small.Store, First: 1}}, segments)
	var seen []string
	for e, err := range wal.Entries(fsys, segments[0]) {
		require.NoError(t, err)
		seen = append(seen, fmt.Sprintf("at %d lsn %d synced %d type %d length %d ok %v %s", e.Offset, e.LSN, e.Synced, e.Type, e.Length, e.OK, e.Reason))
	}
	require.Equal(t, strings.Split(`at 64 lsn 1 synced 0 type 100 length 108 ok true 
at 208 lsn 2 synced 0 type 100 length 144 ok false its checksum is wrong
at 352 lsn 3 synced 2 type 100 length 108 ok true 
at 496 lsn 0 synced 0 type 0 length 3600 ok false nothing was written here`, "\n"), seen)
}

// TestSearchIsBounded has contents made to look like heads of long records.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	fsys := vfstest.New(vfstest.Options{}).FS()
	opt := wal.Options{Store: small.Store, SegmentSize: 1 << 20}
	log := create(t, fsys, opt, 1)
	fake := wal.FakeHead(500_000, 77, 76)
	_, err := log.Append(1, [][]byte{bytes.Repeat(fake, 600_000/len(fake))})
	require.NoError(t, err)
	name := fmt.Sprintf("%020d.wal", 1)
	img := save(t, fsys)
	img[name][64+4] ^= 1
	_, _, err = read(img.load(t), opt, 0)
	corruption := (*wal.CorruptionError)(nil)
	require.ErrorAs(t, err, &corruption, "what cannot be told is not taken for a torn tail")
	segments, err := wal.Segments(img.load(t))
	require.NoError(t, err)
	for _, err := range wal.Entries(img.load(t), segments[0]) {
		require.NoError(t, err)
	}
}
