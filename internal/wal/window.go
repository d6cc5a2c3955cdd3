package wal

import (
	"errors"
	"io"

	"github.com/dalog-project/dalog/internal/vfs"
)

// readAhead is how much is read at once.
const readAhead = 2 << 20

// window shows parts of a file, read ahead and kept as long as the reading goes
// forward.
type window struct {
	f    vfs.File
	size int64

	buf   []byte
	start int64 // offset of buf in the file
}

// bytes gives n bytes at off, which must lie within the file, until the next
// call.
func (w *window) bytes(off int64, n int) ([]byte, error) {
	b, err := w.from(off, n)
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// from gives at least n bytes at off, and all that was read behind them.
func (w *window) from(off int64, n int) ([]byte, error) {
	if off >= w.start && off+int64(n) <= w.start+int64(len(w.buf)) {
		return w.buf[off-w.start:], nil
	}
	want := int(min(max(int64(n), readAhead), w.size-off))
	kept := w.buf[:0]
	if off >= w.start && off < w.start+int64(len(w.buf)) {
		kept = w.buf[off-w.start:]
	}
	buf := w.buf
	if cap(buf) < want {
		buf = make([]byte, want)
	}
	buf = buf[:want]
	have := copy(buf, kept)
	w.buf, w.start = buf[:0], off
	if _, err := w.f.ReadAt(buf[have:], off+int64(have)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the file is shorter than it was
		}
		return nil, err
	}
	w.buf = buf
	return buf, nil
}

func (w *window) close() error { return w.f.Close() }
