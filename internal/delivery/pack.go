package delivery

import (
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// minPacked is the size in bytes from which on packing is worth the try.
const minPacked = 128

// Packer packs bodies. It belongs to one goroutine at a time.
type Packer struct {
	encoder *zstd.Encoder
	fast    int // bodies packed in a hurry
}

// NewPacker makes a Packer. It holds about a MiB.
func NewPacker() *Packer {
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(MaxBody), zstd.WithEncoderCRC(true))
	if err != nil {
		panic(err) // the options are what they always are
	}
	return &Packer{encoder: encoder}
}

// AppendBody appends lines to dst, packed where that makes them smaller. Fast says
// that time matters more than bytes: then two of three bodies are packed by S2,
// which takes a third of zstd's time. Together they are smaller than S2's better
// encoder makes them, in the same time.
func (p *Packer) AppendBody(dst, lines []byte, fast bool) (out []byte, encoding Encoding) {
	if len(lines) < minPacked {
		return append(dst, lines...), Plain
	}
	start := len(dst)
	if fast {
		p.fast++
	}
	if fast && p.fast%3 != 0 {
		dst = slices.Grow(dst, s2.MaxEncodedLen(len(lines)))
		dst, encoding = dst[:start+len(s2.Encode(dst[start:cap(dst)], lines))], S2
	} else {
		dst, encoding = p.encoder.EncodeAll(lines, dst), Zstd
	}
	if len(dst)-start >= len(lines) {
		return append(dst[:start], lines...), Plain
	}
	return dst, encoding
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
	if b.Encoding == S2 {
		// The length that the block tells is what it is unpacked to.
		if n, sizeErr := s2.DecodedLen(b.Body); sizeErr != nil || n != b.Size {
			return nil, buf, fmt.Errorf("%w: body unpacks to %d bytes, not %d", ErrMalformed, n, b.Size)
		}
		lines, err = s2.Decode(buf[:b.Size], b.Body)
	} else {
		lines, err = decoder().DecodeAll(b.Body, buf[:0])
	}
	if err != nil {
		return nil, buf, fmt.Errorf("%w: body: %w", ErrMalformed, err)
	}
	if len(lines) != b.Size {
		return nil, buf, fmt.Errorf("%w: body unpacks to %d bytes, not %d", ErrMalformed, len(lines), b.Size)
	}
	return lines, buf, nil
}
