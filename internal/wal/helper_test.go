package wal_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
	"github.com/dalog-project/dalog/internal/wal"
)

var small = wal.Options{Store: [16]byte{0xda, 0x10, 9}, SegmentSize: 4 << 10}

func payload(lsn uint64, size int) []byte {
	b := bytes.Repeat([]byte{byte('a' + lsn%26)}, size)
	return fmt.Appendf(b, "record %d", lsn)
}

// writeLog appends one record for each size, and syncs after those in syncs.
func writeLog(t testing.TB, log *wal.Log, sizes []int, syncs ...uint64) {
	t.Helper()
	for _, size := range sizes {
		p := payload(peek(log), size)
		lsn, err := log.Append(byte(size), [][]byte{p[:size/2], p[size/2:]})
		require.NoError(t, err)
		require.Equal(t, string(p[size:]), fmt.Sprintf("record %d", lsn))
		for _, s := range syncs {
			if s == lsn {
				durable, err := log.Sync()
				require.NoError(t, err)
				require.Equal(t, lsn, durable)
			}
		}
	}
}

// peek tells which LSN the next record gets; records of the tests carry it.
func peek(log *wal.Log) uint64 { return wal.NextLSN(log) }

// read gives the payloads after the LSN, and how the log ended.
func read(fsys vfs.FS, opt wal.Options, after uint64) (got []string, last uint64, err error) {
	got = []string{}
	r, err := wal.OpenReader(fsys, opt, after)
	if err != nil {
		return got, after, err
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return got, r.Last(), nil
		}
		if err != nil {
			return got, r.Last(), err
		}
		got = append(got, string(rec.Payload))
	}
}

// image is the content of a folder.
type image map[string][]byte

func save(t testing.TB, fsys vfs.FS) image {
	t.Helper()
	list, err := fsys.ReadDir(".")
	require.NoError(t, err)
	img := image{}
	for _, e := range list {
		f, err := fsys.OpenFile(e.Name, os.O_RDONLY, 0)
		require.NoError(t, err)
		img[e.Name], err = io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	return img
}

func (img image) load(t testing.TB) vfs.FS {
	t.Helper()
	fsys := vfstest.New(vfstest.Options{}).FS()
	copyTo(t, fsys, img)
	return fsys
}

func copyTo(t testing.TB, fsys vfs.FS, img image) {
	t.Helper()
	for name, content := range img {
		f, err := fsys.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
		require.NoError(t, err)
		_, err = f.WriteAt(content, 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

// with gives a copy in which one file differs.
func (img image) with(name string, content []byte) image {
	other := image{}
	for n, c := range img {
		other[n] = c
	}
	delete(other, name)
	if content != nil {
		other[name] = content
	}
	return other
}

func (img image) names(suffix string) (names []string) {
	for name := range img {
		if strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	return names
}
