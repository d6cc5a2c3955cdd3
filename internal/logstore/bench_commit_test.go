package logstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// BenchmarkCommit is one group from Submit to its confirmation, on a real disk:
// so many bytes of messages, spread over so many files.
func BenchmarkCommit(b *testing.B) {
	const onWire = 238 // bytes of a message
	for _, kib := range []int{64, 1024} {
		b.Run(fmt.Sprintf("bare write and fdatasync/KiB=%d", kib), func(b *testing.B) { benchBareCommit(b, kib<<10) })
	}
	for _, c := range []struct{ files, kib int }{{1, 64}, {16, 1024}, {64, 1024}, {256, 1024}} {
		b.Run(fmt.Sprintf("files=%d/KiB=%d", c.files, c.kib), func(b *testing.B) {
			s, stop := runStore(b, Config{Dir: b.TempDir(), MaxFilesPerPeer: 1000})
			msgs := benchMessages(c.kib<<10/onWire, manyPrograms(c.files))
			done := make(chan error, 1)
			commit := func() {
				require.NoError(b, s.Submit(context.Background(), testTime, msgs, func(err error) { done <- err }))
				require.NoError(b, <-done)
			}
			commit() // creates the files
			before := bytesWritten(b)
			groups := 0
			for b.Loop() {
				commit()
				groups++
			}
			elapsed := b.Elapsed()
			stop() // which writes what the files lack
			received := float64(groups * len(msgs) * onWire)
			b.ReportMetric(elapsed.Seconds()*1000/float64(groups), "ms/group")
			b.ReportMetric(float64(bytesWritten(b)-before)/received, "written/received")
			b.ReportMetric(received/elapsed.Seconds()/1e6, "MB/s")
			b.ReportMetric(0, "ns/op") // which is ms/group
		})
	}
}

// benchBareCommit writes so many bytes to a file that has room for them, and syncs
// it: less is not possible on this disk.
func benchBareCommit(b *testing.B, size int) {
	f, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	require.NoError(b, err)
	defer f.Close()
	const room = 64 << 20
	data := make([]byte, size)
	for at := 0; at < room; at += size { // as a segment that is used again
		_, err := f.WriteAt(data, int64(at))
		require.NoError(b, err)
	}
	require.NoError(b, f.Sync())
	at, n := 0, 0
	for b.Loop() {
		_, err := f.WriteAt(data, int64(at))
		require.NoError(b, err)
		require.NoError(b, unix.Fdatasync(int(f.Fd())))
		at, n = (at+size)%room, n+1
	}
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(n), "ms/group")
	b.ReportMetric(0, "ns/op")
}

// bytesWritten is what this process has given to write calls so far.
func bytesWritten(b *testing.B) (n int64) {
	text, err := os.ReadFile("/proc/self/io")
	require.NoError(b, err)
	var read int64
	_, err = fmt.Sscanf(string(text), "rchar: %d\nwchar: %d\n", &read, &n)
	require.NoError(b, err)
	return n
}
