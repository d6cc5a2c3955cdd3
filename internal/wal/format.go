package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// A segment file is a header and records, all little endian:
//
//	 0         8         12        16        24                  40
//	+---------+---------+---------+---------+-------------------+
//	| magic   | version | 0       | segment | store             |
//	+---------+---------+---------+---------+-------------------+
//	 40        48        56        60        64
//	+---------+---------+---------+---------+
//	| first   | synced  | 0       | crc     |   crc over bytes 0 to 60
//	+---------+---------+---------+---------+
//
//	 0         4         8         16        24     25        32
//	+---------+---------+---------+---------+------+---------+---------+-----+
//	| length  | crc     | lsn     | synced  | type | 0       | payload | 0   |
//	+---------+---------+---------+---------+------+---------+---------+-----+
//
// length is that of the payload; the record is filled with NUL to a multiple of
// 8. Its crc is over the segment's number and store, then length, then all that
// follows the crc, so that what a file held as an earlier segment never passes.
//
// Every version keeps the header's size, magic, version and crc in place.
const (
	magic      = "DALOGWAL"
	version    = 1
	headerSize = 64
	recordHead = 32
	align      = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the head of a segment file.
type header struct {
	version uint32
	number  uint64
	store   [16]byte
	first   uint64 // LSN of its first record; 0: made ahead, that record tells
	synced  uint64
}

func (h *header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], version)
	binary.LittleEndian.PutUint64(b[16:], h.number)
	copy(b[24:], h.store[:])
	binary.LittleEndian.PutUint64(b[40:], h.first)
	binary.LittleEndian.PutUint64(b[48:], h.synced)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

// decodeHeader tells whether b holds a header of any version. Of a newer one
// only the version is known.
func decodeHeader(b []byte) (h header, ok bool) {
	if string(b[:8]) != magic || binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return header{}, false
	}
	h.version = binary.LittleEndian.Uint32(b[8:])
	if h.version == version {
		h.number = binary.LittleEndian.Uint64(b[16:])
		copy(h.store[:], b[24:40])
		h.first = binary.LittleEndian.Uint64(b[40:])
		h.synced = binary.LittleEndian.Uint64(b[48:])
	}
	return h, true
}

// seed is where the checksums of a segment's records start.
func seed(number uint64, store [16]byte) uint32 {
	b := binary.LittleEndian.AppendUint64(nil, number)
	return crc32.Update(0, castagnoli, append(b, store[:]...))
}

// recordSize is the room that a payload of n bytes takes.
func recordSize(n int64) int64 { return (recordHead + n + align - 1) / align * align }

// head is the head of a record.
type head struct {
	length uint32
	crc    uint32
	lsn    uint64
	synced uint64
	typ    byte
}

// put writes all but the crc.
func (h *head) put(b *[recordHead]byte) {
	binary.LittleEndian.PutUint32(b[0:], h.length)
	binary.LittleEndian.PutUint64(b[8:], h.lsn)
	binary.LittleEndian.PutUint64(b[16:], h.synced)
	b[24] = h.typ
}

// decodeHead tells whether b, of at least recordHead bytes, may be the head of a
// record that ends at room bytes or before.
func decodeHead(b []byte, room int64) (h head, ok bool) {
	h = head{
		length: binary.LittleEndian.Uint32(b),
		crc:    binary.LittleEndian.Uint32(b[4:]),
		lsn:    binary.LittleEndian.Uint64(b[8:]),
		synced: binary.LittleEndian.Uint64(b[16:]),
		typ:    b[24],
	}
	return h, mayBeHead(b) && recordSize(int64(h.length)) <= room
}

// mayBeHead tells what is soon told: the filling is NUL, and no record is known
// to be durable before it is written.
func mayBeHead(b []byte) bool {
	return binary.LittleEndian.Uint64(b[24:32])>>8 == 0 && binary.LittleEndian.Uint64(b[16:24]) < binary.LittleEndian.Uint64(b[8:16])
}

// checksum is the crc of a whole record as it stands in a file.
func checksum(seed uint32, record []byte) uint32 {
	return crc32.Update(crc32.Update(seed, castagnoli, record[:4]), castagnoli, record[8:])
}

// Names: a segment in use, one kept to be used again, one set aside.
const (
	segmentSuffix = ".wal"
	spareSuffix   = ".spare"
	brokenSuffix  = ".broken"
)

func segmentName(number uint64) string { return fmt.Sprintf("%020d%s", number, segmentSuffix) }
func spareName(number uint64) string   { return fmt.Sprintf("%020d%s", number, spareSuffix) }

// parseName splits the name of a file of the log into its number and the rest.
func parseName(name string) (number uint64, suffix string, ok bool) {
	digits, _, found := strings.Cut(name, ".")
	if !found || len(digits) != 20 {
		return 0, "", false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, name[20:], err == nil
}
