package logstore

import (
	"encoding/binary"
	"errors"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
)

// The types of records in the write-ahead log. Numbers are unsigned varints as
// in encoding/binary, checksums 4 bytes little endian, text and handles their
// length and their bytes. docs/formats/state.md has the reasons.
//
//	BATCH   sources {peer, id 16 bytes, from, to, anchor}*, extents {file, start, length}*, data
//	FILE    file, name
//	PLACE   file, own, size, base, anchor, identity {handle, inode, birth}
//	DIVERT  file, upto, then as BATCH
//	FORGET  peer, id 16 bytes
//
// Lists begin with their count. data is the bytes of the extents, one after the
// other.
const (
	recBatch byte = 1 + iota
	recFile
	recPlace
	recDivert
	recForget
)

// recordNames are for people, and say which types there are.
var recordNames = map[byte]string{
	recBatch: "BATCH", recFile: "FILE", recPlace: "PLACE", recDivert: "DIVERT", recForget: "FORGET",
}

// errRecord says that a record is not what its type says.
var errRecord = errors.New("record of the write-ahead log is malformed")

// advance is how far a source has come by a batch.
type advance struct {
	key      SourceKey
	from, to int64
	anchor   uint32 // of the bytes before to
}

// extent is bytes of one file's own stream: all that the Store has ever written
// under the file's name, one after the other, over all files that had the name.
type extent struct {
	file   uint64
	start  int64
	length int
}

// batchRecord is a BATCH, or a DIVERT if diverted is not 0: the bytes of that
// file below upto, as far as they were not applied, are in the data.
type batchRecord struct {
	diverted uint64
	upto     int64
	sources  []advance
	extents  []extent
	data     []byte // of the extents; not part of what appendHead makes
}

// appendHead appends all but the data.
func (r *batchRecord) appendHead(b []byte) []byte {
	if r.diverted != 0 {
		b = binary.AppendUvarint(b, r.diverted)
		b = binary.AppendUvarint(b, uint64(r.upto))
	}
	b = binary.AppendUvarint(b, uint64(len(r.sources)))
	for _, a := range r.sources {
		b = appendKey(b, a.key)
		b = binary.AppendUvarint(b, uint64(a.from))
		b = binary.AppendUvarint(b, uint64(a.to))
		b = binary.LittleEndian.AppendUint32(b, a.anchor)
	}
	b = binary.AppendUvarint(b, uint64(len(r.extents)))
	for _, e := range r.extents {
		b = binary.AppendUvarint(b, e.file)
		b = binary.AppendUvarint(b, uint64(e.start))
		b = binary.AppendUvarint(b, uint64(e.length))
	}
	return b
}

// decode reads a payload; data and the keys are parts of it.
func (r *batchRecord) decode(typ byte, payload []byte) error {
	d := decoder{b: payload}
	*r = batchRecord{sources: r.sources[:0], extents: r.extents[:0]}
	if typ == recDivert {
		r.diverted, r.upto = d.uint(), d.int()
		d.check(r.diverted != 0)
	}
	for range d.count(1 + 16 + 2 + 4) {
		r.sources = append(r.sources, advance{key: d.key(), from: d.int(), to: d.int(), anchor: d.uint32()})
	}
	total := 0
	for range d.count(3) {
		e := extent{file: d.uint(), start: d.int(), length: int(d.int())}
		d.check(e.length <= len(d.b) && e.start+int64(e.length) >= 0)
		total += e.length
		d.check(total <= len(d.b))
		r.extents = append(r.extents, e)
	}
	d.check(total == len(d.b))
	r.data = d.b
	return d.err
}

// placement says where the own stream of a file goes on: the byte own of it
// lies at size of the file of this identity. What is below own needs no file.
type placement struct {
	identity vfs.Identity
	own      int64
	size     int64
	base     int64  // absolute offset of the file's first byte
	anchor   uint32 // of the bytes before size, at most delivery.AnchorSize
}

func (p *placement) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(p.own))
	b = binary.AppendUvarint(b, uint64(p.size))
	b = binary.AppendUvarint(b, uint64(p.base))
	b = binary.LittleEndian.AppendUint32(b, p.anchor)
	return appendIdentity(b, p.identity)
}

func (d *decoder) placement() placement {
	return placement{own: d.int(), size: d.int(), base: d.int(), anchor: d.uint32(), identity: d.identity()}
}

func appendIdentity(b []byte, id vfs.Identity) []byte {
	b = appendText(b, id.Handle)
	b = binary.AppendUvarint(b, id.Inode)
	return binary.AppendUvarint(b, uint64(id.Birth))
}

func (d *decoder) identity() vfs.Identity {
	return vfs.Identity{Handle: d.text(), Inode: d.uint(), Birth: int64(d.uint())}
}

func appendKey(b []byte, k SourceKey) []byte {
	return append(appendText(b, k.Peer), k.ID[:]...)
}

func (d *decoder) key() (k SourceKey) {
	k.Peer = d.text()
	if d.check(len(d.b) >= len(k.ID)) {
		k.ID = delivery.SourceID(d.b)
		d.b = d.b[len(k.ID):]
	}
	return k
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder reads what the append functions wrote. After an error all it gives
// is zero.
type decoder struct {
	b   []byte
	err error
}

// check notes an error unless ok, and reports whether there is none so far.
func (d *decoder) check(ok bool) bool {
	if !ok && d.err == nil {
		d.b, d.err = nil, errRecord
	}
	return d.err == nil
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if !d.check(n > 0) {
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v := d.uint()
	if !d.check(v < 1<<62) {
		return 0
	}
	return int64(v)
}

// count reads how many things follow that take at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.uint()
	if !d.check(n <= uint64(len(d.b)/size)) {
		return 0
	}
	return int(n)
}

func (d *decoder) uint32() uint32 {
	if !d.check(len(d.b) >= 4) {
		return 0
	}
	v := binary.LittleEndian.Uint32(d.b)
	d.b = d.b[4:]
	return v
}

func (d *decoder) text() string {
	n := d.count(1)
	if !d.check(n <= len(d.b)) {
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

// end checks that nothing is left.
func (d *decoder) end() error {
	d.check(len(d.b) == 0)
	return d.err
}
