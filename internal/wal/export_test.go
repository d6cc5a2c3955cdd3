package wal

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// NextLSN is the LSN that the next record gets.
func NextLSN(l *Log) uint64 { return l.last + 1 }

// BeforeHead is how far into b no record begins.
var BeforeHead = beforeHead

// WithVersion gives a segment of another format version.
func WithVersion(segment []byte, v uint32) []byte {
	b := slices.Clone(segment)
	binary.LittleEndian.PutUint32(b[8:], v)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

// FakeHead is a head that nothing follows.
func FakeHead(length uint32, lsn, synced uint64) []byte {
	var b [recordHead]byte
	h := head{length: length, lsn: lsn, synced: synced}
	h.put(&b)
	return b[:]
}

// Mend puts a header before the records and makes their checksums right.
func Mend(store [16]byte, number uint64, records []byte) []byte {
	h := header{number: number, store: store, first: 1}
	b := append(h.encode(), records...)
	for off := int64(headerSize); int64(len(b))-off >= recordHead; {
		h, ok := decodeHead(b[off:], int64(len(b))-off)
		if !ok {
			break
		}
		end := off + recordSize(int64(h.length))
		binary.LittleEndian.PutUint32(b[off+4:], checksum(seed(number, store), b[off:end]))
		off = end
	}
	return b
}
