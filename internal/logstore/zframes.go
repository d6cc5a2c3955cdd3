package logstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/dalog-project/dalog/internal/vfs"
)

// A packed part is zstd frames that can be read each by itself, then frames
// that every zstd decoder skips: what is told of the part, and the seek table
// of the "zstd seekable format" (docs/formats/parts.md has the pictures).
const (
	frameText    = 256 << 10 // plain bytes of a frame, cut back to a line end
	maxFrameText = 4 << 20   // of one that has a longer line; longer ones are cut inside
	maxFrames    = 1 << 22   // of one part: 1 TiB of text

	noteMagic  = 0x184D2A57 // a skippable frame
	tableMagic = 0x184D2A5E // a skippable frame
	tableEnd   = 0x8F92EAB1 // the last bytes of a seekable file

	noteSize   = 8 + 48
	footerSize = 9
	hasSums    = 1 << 7 // in the table's descriptor: entries have checksums
	reserved   = 0x7c   // in the table's descriptor: bits that must be 0
)

var noteTitle = [8]byte{'D', 'A', 'L', 'O', 'G', 'P', 'R', 'T'}

// errDamaged says that a packed part is not what it was made as.
var errDamaged = errors.New("damaged compressed part")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// note is what a packed part tells of itself.
type note struct {
	offset   int64 // of its first byte
	size     int64 // plain bytes
	modified time.Time
}

// maxPacked bounds the packed size of n plain bytes in one frame.
func maxPacked(n int64) int64 { return n + n>>7 + 1024 }

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

func appendEntry(dst []byte, packed, plain int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(packed))
	return binary.LittleEndian.AppendUint32(dst, uint32(plain))
}

func appendNote(dst []byte, n note) []byte {
	le := binary.LittleEndian
	start := len(dst)
	dst = le.AppendUint32(dst, noteMagic)
	dst = le.AppendUint32(dst, noteSize-8)
	dst = append(dst, noteTitle[:]...)
	dst = le.AppendUint64(dst, 1) // version
	dst = le.AppendUint64(dst, uint64(n.offset))
	dst = le.AppendUint64(dst, uint64(n.size))
	dst = le.AppendUint64(dst, uint64(n.modified.UnixNano()))
	dst = le.AppendUint32(dst, noteSum(dst[start+8:]))
	return le.AppendUint32(dst, 0)
}

func appendTable(dst, entries []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, tableMagic)
	dst = le.AppendUint32(dst, uint32(len(entries)+footerSize))
	dst = append(dst, entries...)
	dst = le.AppendUint32(dst, uint32(len(entries)/8))
	dst = append(dst, 0)
	return le.AppendUint32(dst, tableEnd)
}

func noteSum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// frame is where a frame begins, in the packed file and in the text.
type frame struct{ packed, plain int64 }

// readTable reads the seek table of the packed file f of size bytes: the
// frames that have text, and behind them the ends of both.
func readTable(f io.ReaderAt, size int64) ([]frame, note, error) {
	tail, entry, err := readTail(f, size)
	if err != nil {
		return nil, note{}, err
	}
	le := binary.LittleEndian
	entries := tail[noteSize+8 : len(tail)-footerSize]
	frames := make([]frame, 0, len(entries)/entry)
	var at frame
	for ; len(entries) > 0; entries = entries[entry:] {
		packed, plain := int64(le.Uint32(entries)), int64(le.Uint32(entries[4:]))
		if plain > 0 {
			if plain > maxFrameText || packed > maxPacked(plain) {
				return nil, note{}, damaged("a frame of %d bytes in %d", plain, packed)
			}
			frames = append(frames, at)
		}
		at.packed += packed
		at.plain += plain
	}
	if have := size - int64(len(tail)-noteSize); at.packed != have {
		return nil, note{}, damaged("the table speaks of %d bytes before it, there are %d", at.packed, have)
	}
	n, err := parseNote(tail[:noteSize])
	if err == nil && n.size != at.plain {
		err = damaged("the table speaks of %d bytes of text, the note of %d", at.plain, n.size)
	}
	return append(frames, at), n, err
}

// readTail reads the note and the table at the end of f, and tells how long an
// entry of the table is.
func readTail(f io.ReaderAt, size int64) (tail []byte, entry int, err error) {
	le := binary.LittleEndian
	const smallest = noteSize + 8 + footerSize
	if size < smallest {
		return nil, 0, damaged("only %d bytes", size)
	}
	block := make([]byte, min(size, 1024))
	if n, err := f.ReadAt(block, size-int64(len(block))); n < len(block) {
		return nil, 0, err
	}
	footer := block[len(block)-footerSize:]
	if le.Uint32(footer[5:]) != tableEnd || footer[4]&reserved != 0 {
		return nil, 0, damaged("no seek table at the end")
	}
	entry = 8
	if footer[4]&hasSums != 0 {
		entry = 12
	}
	count := int64(le.Uint32(footer))
	length := smallest + count*int64(entry)
	if count > maxFrames || length > size {
		return nil, 0, damaged("a seek table of %d frames in %d bytes", count, size)
	}
	if length <= int64(len(block)) {
		tail = block[int64(len(block))-length:]
	} else {
		tail = make([]byte, length)
		if n, err := f.ReadAt(tail, size-length); n < len(tail) {
			return nil, 0, err
		}
	}
	if le.Uint32(tail[noteSize:]) != tableMagic || int64(le.Uint32(tail[noteSize+4:])) != length-noteSize-8 {
		return nil, 0, damaged("the seek table has no beginning")
	}
	return tail, entry, nil
}

func parseNote(b []byte) (note, error) {
	le := binary.LittleEndian
	if le.Uint32(b) != noteMagic || le.Uint32(b[4:]) != noteSize-8 || [8]byte(b[8:]) != noteTitle ||
		le.Uint32(b[48:]) != noteSum(b[8:48]) {
		return note{}, damaged("nothing before the seek table tells what part it is")
	}
	if v := le.Uint64(b[16:]); v != 1 {
		return note{}, fmt.Errorf("compressed part of format %d, this dalogd knows format 1: use a newer one", v)
	}
	n := note{
		offset: int64(le.Uint64(b[24:])), size: int64(le.Uint64(b[32:])),
		modified: time.Unix(0, int64(le.Uint64(b[40:]))),
	}
	if n.offset < 0 || n.size < 0 {
		return note{}, damaged("offset %d, size %d", n.offset, n.size)
	}
	return n, nil
}

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
