package logstore

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/dalog-project/dalog/internal/vfs"
)

// A packer compresses parts. It belongs to one goroutine.
type packer struct {
	enc    *zstd.Encoder
	dec    *zstd.Decoder
	text   []byte // the frame at hand
	packed []byte
	proof  []byte
}

// newPacker makes a packer that compares by means of dec.
func newPacker(dec *zstd.Decoder) (*packer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(frameText),
		zstd.WithEncoderCRC(true), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return nil, err
	}
	return &packer{enc: enc, dec: dec}, nil
}

// pack writes the n.size bytes of src to dst, compressed, and returns how many
// bytes that made. Each frame is unpacked again and compared.
func (p *packer) pack(ctx context.Context, dst vfs.File, src io.ReaderAt, n note) (size int64, err error) {
	var entries []byte
	for at := int64(0); at < n.size; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := p.readFrame(src, at, n.size-at); err != nil {
			return 0, err
		}
		p.packed = p.enc.EncodeAll(p.text, p.packed[:0])
		if p.proof, err = p.dec.DecodeAll(p.packed, sized(p.proof, len(p.text))); err != nil {
			return 0, err
		}
		if !bytes.Equal(p.proof, p.text) {
			return 0, errors.New("compressed text comes out as another")
		}
		if _, err := dst.WriteAt(p.packed, size); err != nil {
			return 0, err
		}
		entries = appendEntry(entries, len(p.packed), len(p.text))
		at += int64(len(p.text))
		size += int64(len(p.packed))
	}
	tail := appendNote(p.packed[:0], n)
	tail = appendTable(tail, appendEntry(entries, len(tail), 0))
	p.packed = tail
	_, err = dst.WriteAt(tail, size)
	return size + int64(len(tail)), err
}

// readFrame reads the text of the next frame, which begins at and of which
// there are at most rest bytes.
func (p *packer) readFrame(src io.ReaderAt, at, rest int64) error {
	if err := p.read(src, at, min(frameText, rest)); err != nil || rest <= frameText {
		return err
	}
	if i := bytes.LastIndexByte(p.text, '\n'); i >= 0 {
		p.text = p.text[:i+1]
		return nil
	}
	if err := p.read(src, at, min(maxFrameText, rest)); err != nil {
		return err
	}
	if i := bytes.IndexByte(p.text[frameText:], '\n'); i >= 0 {
		p.text = p.text[:frameText+i+1]
	}
	return nil
}

func (p *packer) read(src io.ReaderAt, at, length int64) error {
	p.text = sized(p.text, int(length))[:length]
	n, err := src.ReadAt(p.text, at)
	if n < len(p.text) {
		return err
	}
	return nil
}

// sized returns an empty slice with room for n bytes, b's if it has it.
func sized(b []byte, n int) []byte {
	if cap(b) >= n {
		return b[:0]
	}
	return make([]byte, 0, n)
}
