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

// unpacked is the text of a packed part.
type unpacked struct {
	file   io.ReaderAt // not owned
	frames []frame     // and the ends
	dec    *zstd.Decoder

	mu   sync.Mutex // protects last
	last unpacking
}

// An unpacking is what one reader needs to unpack frames. It holds the last
// frame of which a part was wanted.
type unpacking struct {
	of   *unpacked
	have int    // which frame text is
	text []byte // of it; empty = none
	raw  []byte
}

// unpack makes the packed file of size bytes readable as text.
func unpack(dec *zstd.Decoder, file io.ReaderAt, size int64) (*unpacked, note, error) {
	frames, n, err := readTable(file, size)
	if err != nil {
		return nil, note{}, err
	}
	return &unpacked{file: file, frames: frames, dec: dec}, n, nil
}

// size is the number of bytes of text.
func (u *unpacked) size() int64 { return u.frames[len(u.frames)-1].plain }

// ReadAt implements [io.ReaderAt].
func (u *unpacked) ReadAt(p []byte, off int64) (n int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.read(&u.last, p, off)
}

// read is ReadAt for any number of readers at one time, each with an x of its
// own.
func (u *unpacked) read(x *unpacking, p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, damaged("offset %d", off)
	}
	i := u.find(off)
	for ; n < len(p) && i < len(u.frames)-1; i++ {
		f, end := u.frames[i], u.frames[i+1]
		if room := p[n:]; off == f.plain && int64(len(room)) >= end.plain-f.plain {
			// The whole frame is wanted: it needs no way round.
			if err := u.decode(x, i, room[:0:end.plain-f.plain]); err != nil {
				return n, err
			}
			n += int(end.plain - f.plain)
		} else {
			if err := u.load(x, i); err != nil {
				return n, err
			}
			n += copy(room, x.text[off-f.plain:])
		}
		off = end.plain
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// startsLine tells whether a line surely begins at off: where a frame does, the
// one before which was not cut inside a line.
func (u *unpacked) startsLine(off int64) bool {
	i := u.find(off)
	return u.frames[i].plain == off && (i == 0 || off-u.frames[i-1].plain < maxFrameText)
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

// load sees to it that x.text is frame i.
func (u *unpacked) load(x *unpacking, i int) error {
	if x.of == u && x.have == i && len(x.text) > 0 {
		return nil
	}
	x.text = x.text[:0]
	length := u.frames[i+1].plain - u.frames[i].plain
	text := sized(x.text, int(length))
	if err := u.decode(x, i, text[:0:length]); err != nil {
		return err
	}
	x.of, x.have, x.text = u, i, text[:length]
	return nil
}

// decode fills dst, whose capacity is that of the text of frame i.
func (u *unpacked) decode(x *unpacking, i int, dst []byte) error {
	f, end := u.frames[i], u.frames[i+1]
	length := end.packed - f.packed
	x.raw = sized(x.raw, int(length))[:length]
	if n, err := u.file.ReadAt(x.raw, f.packed); n < len(x.raw) {
		return err
	}
	text, err := u.dec.DecodeAll(x.raw, dst)
	if err != nil || len(text) != cap(dst) {
		return damaged("the frame at %d, text from %d on (%v)", f.packed, f.plain, err)
	}
	return nil
}
