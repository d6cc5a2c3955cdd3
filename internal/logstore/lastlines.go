package logstore

import (
	"bytes"
	"io"
	"sync"
)

const (
	// readBlock is how much is read at a time in search of line ends.
	readBlock = 64 << 10
	// maxPartial is how far back the last line end is looked for.
	maxPartial = 16 << 20
)

// blocks recycles the buffers of the search.
var blocks = sync.Pool{New: func() any { return new([readBlock]byte) }}

// LastLines is the offset at which the last n lines begin: 0 where there are
// no more than n, Size where n is not positive. It reads as many bytes as those
// lines have, and one block more.
func (sn *Snapshot) LastLines(n int) (int64, error) {
	if n <= 0 || sn.Size == 0 {
		return sn.Size, nil
	}
	off, _, err := lastLines(sn.text, sn.Size, n)
	return off, err
}

// lastLines is the offset at which the last n lines of f's first size bytes
// begin, and how many lines they are where f has no more.
func lastLines(f io.ReaderAt, size int64, n int) (off int64, have int, err error) {
	// The line end at the very end, if there is one, begins no further line.
	off, left, err := nthLineEnd(f, size-1, n, size)
	if off >= 0 || err != nil {
		return off, n, err
	}
	return 0, n - left + 1, nil
}

// lineEnd is the length of f's first size bytes up to their last line end. A
// partial line of more than 16 MiB is taken for no text, and counted in.
func lineEnd(f io.ReaderAt, size int64) (int64, error) {
	off, _, err := nthLineEnd(f, size, 1, maxPartial)
	if off < 0 {
		if size > maxPartial {
			return size, err
		}
		return 0, err
	}
	return off, err
}

// nthLineEnd is the offset behind the n-th line end from the back of f's first
// size bytes, or -1 if the last limit bytes of them do not have as many: then
// left more were wanted.
func nthLineEnd(f io.ReaderAt, size int64, n int, limit int64) (off int64, left int, err error) {
	block := blocks.Get().(*[readBlock]byte)
	defer blocks.Put(block)
	stop := max(0, size-limit)
	// The first read is short: often the answer is in the last few bytes.
	for length := int64(512); size > stop; length = readBlock {
		b := block[:min(length, size-stop)]
		size -= int64(len(b))
		if k, err := f.ReadAt(b, size); k < len(b) {
			return -1, n, err
		}
		if have := bytes.Count(b, []byte{'\n'}); have < n {
			n -= have
			continue
		}
		for ; ; n-- {
			i := lastNewline(b)
			if n == 1 {
				return size + int64(i) + 1, 0, nil
			}
			b = b[:i]
		}
	}
	return -1, n, nil
}
