package logstore

import (
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// newFrameDecoder makes a decoder that any number of readers may share. It
// unpacks one frame into no more memory than it is given.
func newFrameDecoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(maxFrameText), zstd.WithDecoderLowmem(true))
}

// unpacked is the text of a packed part. It holds one unpacked frame.
type unpacked struct {
	file   io.ReaderAt // not owned
	frames []frame     // and the ends
	dec    *zstd.Decoder

	mu   sync.Mutex // protects what follows
	text []byte     // of the frame
	have int        // which one that is; -1 = none
	raw  []byte
}

// unpack makes the packed file of size bytes readable as text.
func unpack(dec *zstd.Decoder, file io.ReaderAt, size int64) (*unpacked, note, error) {
	frames, n, err := readTable(file, size)
	if err != nil {
		return nil, note{}, err
	}
	return &unpacked{file: file, frames: frames, dec: dec, have: -1}, n, nil
}

// size is the number of bytes of text.
func (u *unpacked) size() int64 { return u.frames[len(u.frames)-1].plain }

// ReadAt implements [io.ReaderAt].
func (u *unpacked) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, damaged("offset %d", off)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	i := u.find(off)
	for ; n < len(p) && i < len(u.frames)-1; i++ {
		f, end := u.frames[i], u.frames[i+1]
		if room := p[n:]; off == f.plain && int64(len(room)) >= end.plain-f.plain {
			// The whole frame is wanted: it needs no way round.
			if err := u.decode(i, room[:0:end.plain-f.plain]); err != nil {
				return n, err
			}
			n += int(end.plain - f.plain)
		} else {
			if err := u.load(i); err != nil {
				return n, err
			}
			n += copy(room, u.text[off-f.plain:])
		}
		off = end.plain
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// find is the frame that has the byte at off, or the number of frames.
func (u *unpacked) find(off int64) int {
	low, high := 0, len(u.frames)-1
	for low < high {
		if mid := (low + high) / 2; u.frames[mid+1].plain <= off {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// load sees to it that u.text is frame i.
func (u *unpacked) load(i int) error {
	if u.have == i {
		return nil
	}
	u.have = -1
	length := u.frames[i+1].plain - u.frames[i].plain
	u.text = sized(u.text, int(length))
	if err := u.decode(i, u.text[:0:length]); err != nil {
		return err
	}
	u.text, u.have = u.text[:length], i
	return nil
}

// decode fills dst, whose capacity is that of the text of frame i.
func (u *unpacked) decode(i int, dst []byte) error {
	f, end := u.frames[i], u.frames[i+1]
	length := end.packed - f.packed
	u.raw = sized(u.raw, int(length))[:length]
	if n, err := u.file.ReadAt(u.raw, f.packed); n < len(u.raw) {
		return err
	}
	text, err := u.dec.DecodeAll(u.raw, dst)
	if err != nil || len(text) != cap(dst) {
		return damaged("the frame at %d, text from %d on (%v)", f.packed, f.plain, err)
	}
	return nil
}
