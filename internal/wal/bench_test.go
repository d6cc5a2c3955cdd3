package wal_test

import (
	"fmt"
	"io"
	"io/fs"
	"testing"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
	"github.com/dalog-project/dalog/internal/wal"
)

// BenchmarkAppendSync is one group commit, with a checkpoint each 64 MiB.
func BenchmarkAppendSync(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			benchmarkAppend(b, size, true)
		})
	}
}

// BenchmarkAppend is the same without fdatasync.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			benchmarkAppend(b, size, false)
		})
	}
}

func benchmarkAppend(b *testing.B, size int, sync bool) {
	log := create(b, realFolder(b), wal.Options{}, 1)
	parts := make([][]byte, 10)
	for i := range parts {
		parts[i] = make([]byte, size/len(parts))
	}
	// First once around, so that segments are used again.
	for written := 0; written < 130<<20; written += size {
		appendOne(b, log, parts, false, size)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		appendOne(b, log, parts, sync, size)
	}
}

func appendOne(b *testing.B, log *wal.Log, parts [][]byte, sync bool, size int) {
	lsn, err := log.Append(1, parts)
	if err == nil && sync {
		_, err = log.Sync()
	}
	if err == nil && lsn%uint64(64<<20/size) == 0 {
		err = log.Trim(lsn)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkChecksum is Append without the system: next to all of it is the
// checksum.
func BenchmarkChecksum(b *testing.B) {
	log := create(b, discard{vfstest.New(vfstest.Options{}).FS()}, wal.Options{}, 1)
	parts := [][]byte{make([]byte, 64<<10)}
	b.SetBytes(64 << 10)
	b.ReportAllocs()
	for b.Loop() {
		lsn, err := log.Append(1, parts)
		if err == nil && lsn%1000 == 0 {
			err = log.Trim(lsn)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecover reads a log of 128 MiB in records of 1 MiB and of 1 KiB.
func BenchmarkRecover(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			fsys := realFolder(b)
			log := create(b, fsys, wal.Options{}, 1)
			parts := [][]byte{make([]byte, size)}
			for written := 0; written < 128<<20; written += size {
				if _, err := log.Append(1, parts); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(128 << 20)
			b.ReportAllocs()
			for b.Loop() {
				readAll(b, fsys, wal.Options{})
			}
		})
	}
}

// BenchmarkTornTail is the search behind the end, in a segment used before.
func BenchmarkTornTail(b *testing.B) {
	fsys := realFolder(b)
	log := create(b, fsys, wal.Options{}, 1)
	parts := [][]byte{make([]byte, 100_000)}
	for i := range parts[0] {
		parts[0][i] = byte('a' + i%26)
	}
	lsn := uint64(0)
	var err error
	for range 700 {
		if lsn, err = log.Append(1, parts); err != nil {
			b.Fatal(err)
		}
	}
	log.Close()
	create(b, fsys, wal.Options{}, lsn+1)
	b.SetBytes(64 << 20)
	for b.Loop() {
		r, err := wal.OpenReader(fsys, wal.Options{}, lsn)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Next(); err != io.EOF {
			b.Fatal(err)
		}
	}
}

func readAll(b *testing.B, fsys vfs.FS, opt wal.Options) {
	r, err := wal.OpenReader(fsys, opt, 0)
	for err == nil {
		_, err = r.Next()
	}
	if err != io.EOF {
		b.Fatal(err)
	}
	r.Close()
}

// discard writes no records.
type discard struct{ vfs.FS }

func (d discard) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := d.FS.OpenFile(name, flag, perm)
	return discardFile{f}, err
}

type discardFile struct{ vfs.File }

func (discardFile) WritevAt(parts [][]byte, _ int64) (n int, err error) {
	for _, p := range parts {
		n += len(p)
	}
	return n, nil
}

// BenchmarkPreparedTail is the search behind the end where nothing was written yet, in
// three segments.
func BenchmarkPreparedTail(b *testing.B) {
	fsys := realFolder(b)
	create(b, fsys, wal.Options{Prepare: time.Hour}, 1)
	b.SetBytes(3 * 64 << 20)
	for b.Loop() {
		readAll(b, fsys, wal.Options{})
	}
}
