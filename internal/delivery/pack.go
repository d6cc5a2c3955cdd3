package delivery

import (
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// minPacked is the size in bytes from which on packing is worth the try.
const minPacked = 128

// Packer packs bodies. It belongs to one goroutine at a time.
type Packer struct {
	encoder *zstd.Encoder
	huffman huff0.Scratch
	block   []byte // of S2
	fast    int    // bodies packed in a hurry
}

// NewPacker makes a Packer. It holds about a MiB, and most of another one once it has
// packed large bodies in a hurry.
func NewPacker() *Packer {
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(MaxBody), zstd.WithEncoderCRC(true))
	if err != nil {
		panic(err) // the options are what they always are
	}
	return &Packer{encoder: encoder, huffman: huff0.Scratch{Reuse: huff0.ReusePolicyNone}}
}

// AppendBody appends lines to dst, packed where that makes them smaller. Fast says
// that time matters more than bytes: then they are packed by S2, which takes a third
// of zstd's time, and two of three bodies by Huffman's codes after that.
func (p *Packer) AppendBody(dst, lines []byte, fast bool) (out []byte, encoding Encoding) {
	if len(lines) < minPacked {
		return append(dst, lines...), Plain
	}
	start := len(dst)
	if fast {
		dst, encoding = p.appendFast(dst, lines)
	} else {
		dst, encoding = p.encoder.EncodeAll(lines, dst), Zstd
	}
	if len(dst)-start >= len(lines) {
		return append(dst[:start], lines...), Plain
	}
	return dst, encoding
}

func (p *Packer) appendFast(dst, lines []byte) ([]byte, Encoding) {
	p.block = slices.Grow(p.block[:0], s2.MaxEncodedLen(len(lines)))
	block := s2.Encode(p.block[:cap(p.block)], lines)
	p.fast++
	if p.fast%3 != 0 {
		// It fails where nothing is to be had, or the block is too large.
		if codes, _, err := huff0.Compress4X(block, &p.huffman); err == nil {
			return append(le.AppendUint32(dst, uint32(len(block))), codes...), S2Huffman
		}
	}
	return append(dst, block...), S2
}

// decoder unpacks; it may be used by all goroutines. Nothing of a frame makes it
// take more memory than MaxBody and a window of as much.
var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderMaxMemory(MaxBody), zstd.WithDecoderMaxWindow(MaxBody))
	if err != nil {
		panic(err) // the options are what they always are
	}
	return d
})

// Unpack gives the lines of the batch: a part of the body where that is plain,
// otherwise in buf, which is grown if it is too small for Size bytes.
func (b *Batch) Unpack(buf []byte) (lines, newBuf []byte, err error) {
	if b.Encoding == Plain {
		return b.Body, buf, nil
	}
	if cap(buf) < b.Size {
		buf = make([]byte, 0, max(b.Size, 256<<10))
	}
	switch b.Encoding {
	case Zstd:
		lines, err = decoder().DecodeAll(b.Body, buf[:0])
	case S2:
		lines, err = unpackBlock(buf[:b.Size], b.Body)
	default:
		u := unpackers.Get().(*unpacker)
		defer unpackers.Put(u)
		var block []byte
		if block, err = u.decode(b.Body); err == nil {
			lines, err = unpackBlock(buf[:b.Size], block)
		}
	}
	if err != nil {
		return nil, buf, fmt.Errorf("%w: body: %w", ErrMalformed, err)
	}
	if len(lines) != b.Size {
		return nil, buf, fmt.Errorf("%w: body unpacks to %d bytes, not %d", ErrMalformed, len(lines), b.Size)
	}
	return lines, buf, nil
}

// unpackBlock unpacks a block of S2 to exactly as many bytes as dst has.
func unpackBlock(dst, block []byte) ([]byte, error) {
	if n, err := s2.DecodedLen(block); err != nil || n != len(dst) {
		return nil, fmt.Errorf("the block is of %d bytes, not %d", n, len(dst))
	}
	return s2.Decode(dst, block)
}

// unpacker undoes Huffman's codes.
type unpacker struct {
	table *huff0.Scratch
	block []byte
}

var unpackers = sync.Pool{New: func() any { return new(unpacker) }}

// decode gives the block that a body of S2Huffman holds, valid until the next call.
func (u *unpacker) decode(body []byte) (block []byte, err error) {
	if len(body) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	size := int64(le.Uint32(body))
	if size > huff0.BlockSizeMax {
		return nil, fmt.Errorf("a block of %d bytes, the limit is %d", size, huff0.BlockSizeMax)
	}
	table, codes, err := huff0.ReadTable(body[4:], u.table)
	if err != nil {
		return nil, err
	}
	u.table = table
	u.block = slices.Grow(u.block[:0], int(size))
	return table.Decoder().Decompress4X(u.block[:0:size], codes)
}
