package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
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
