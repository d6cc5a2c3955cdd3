package delivery

import (
	"errors"
	"hash/crc32"
	"io"
)

// AnchorSize is how many bytes, at most, an anchor covers.
const AnchorSize = 1024

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Position is how far a source has come. The anchors cover
// min(Offset, AnchorSize) bytes each.
type Position struct {
	Offset int64  // bytes before it are done
	Head   uint32 // CRC-32C of the source's first bytes
	Tail   uint32 // CRC-32C of the bytes right before Offset
}

// Cursor moves forward over the bytes of a source and keeps what a [Position]
// needs, so that the source is not read again for it. The zero value stands at
// the beginning.
type Cursor struct {
	offset int64
	head   uint32
	last   [AnchorSize]byte // the first anchored(offset) bytes are in use
}

// CursorAt gives a cursor at offset of r, which must hold at least that many
// bytes: otherwise the error is io.ErrUnexpectedEOF. Whether the content is the
// one that a position was taken from is seen by comparing Position.
func CursorAt(r io.ReaderAt, offset int64) (*Cursor, error) {
	c := &Cursor{offset: offset}
	n := anchored(offset)
	if n == 0 {
		return c, nil
	}
	if err := readFull(r, c.last[:n], 0); err != nil {
		return nil, err
	}
	c.head = crc32.Checksum(c.last[:n], castagnoli)
	if err := readFull(r, c.last[:n], offset-int64(n)); err != nil {
		return nil, err
	}
	return c, nil
}

func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	switch {
	case n == len(p):
		return nil
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

func anchored(offset int64) int { return int(min(offset, AnchorSize)) }

// Offset is where the cursor stands, in bytes from the source's beginning.
func (c *Cursor) Offset() int64 { return c.offset }

// Last is the bytes right before Offset, at most AnchorSize of them. It is valid
// until the next Advance and must not be written to.
func (c *Cursor) Last() []byte { return c.last[:anchored(c.offset)] }

// BeginsWith tells whether p, the first min(Offset, AnchorSize) bytes of a
// source, are the ones that the cursor has moved over.
func (c *Cursor) BeginsWith(p []byte) bool { return crc32.Checksum(p, castagnoli) == c.head }

// Position is where the cursor stands, with the anchors.
func (c *Cursor) Position() Position {
	return Position{Offset: c.offset, Head: c.head, Tail: crc32.Checksum(c.Last(), castagnoli)}
}

// Advance moves over p, the next bytes of the source. It keeps no reference to p.
func (c *Cursor) Advance(p []byte) {
	if c.offset < AnchorSize {
		c.head = crc32.Update(c.head, castagnoli, p[:min(len(p), AnchorSize-int(c.offset))])
	}
	had := anchored(c.offset)
	c.offset += int64(len(p))
	if len(p) >= AnchorSize {
		copy(c.last[:], p[len(p)-AnchorSize:])
		return
	}
	keep := min(had, AnchorSize-len(p))
	copy(c.last[:], c.last[had-keep:had])
	copy(c.last[keep:], p)
}
