package forwarder

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/tail"
	"github.com/dalog-project/dalog/internal/vfs"
)

// The registry file, little endian:
//
//	"DALOGREG"  version u32
//	sources u32, of each:
//	  id [16]  seen i64  flags u8 (1 done, 2 packed)  offset u64  head u32  tail u32  size u64
//	  first bytes u32  their CRC u32  copy of [16]
//	  inode u64  birth i64  handle u16 + bytes  path u32 + bytes
//	marks u32, of each:
//	  birth i64  path u32 + bytes
//	CRC-32C of all before it u32
const (
	registryMagic   = "DALOGREG"
	registryVersion = 2

	flagDone, flagPacked = 1, 2
)

var errNewerRegistry = errors.New("registry was written by a newer dalogfwd")

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

func crcOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func encodeRegistry(sources map[delivery.SourceID]entry, marks map[string]int64) []byte {
	b := le.AppendUint32([]byte(registryMagic), registryVersion)
	b = le.AppendUint32(b, uint32(len(sources)))
	for _, e := range slices.SortedFunc(maps.Values(sources), func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.File.Birth, b.File.Birth), bytes.Compare(a.ID[:], b.ID[:]))
	}) {
		b = append(b, e.ID[:]...)
		b = le.AppendUint64(b, uint64(e.Seen))
		var flags byte
		if e.Done {
			flags |= flagDone
		}
		if e.Packed {
			flags |= flagPacked
		}
		b = append(b, flags)
		b = le.AppendUint64(b, uint64(e.Position.Offset))
		b = le.AppendUint32(b, e.Position.Head)
		b = le.AppendUint32(b, e.Position.Tail)
		b = le.AppendUint64(b, uint64(e.Size))
		b = le.AppendUint32(le.AppendUint32(b, uint32(e.First.Offset)), e.First.Head)
		b = append(b, e.Of[:]...)
		b = le.AppendUint64(b, e.File.Inode)
		b = le.AppendUint64(b, uint64(e.File.Birth))
		b = append(le.AppendUint16(b, uint16(len(e.File.Handle))), e.File.Handle...)
		b = append(le.AppendUint32(b, uint32(len(e.Path))), e.Path...)
	}
	b = le.AppendUint32(b, uint32(len(marks)))
	for _, path := range slices.Sorted(maps.Keys(marks)) {
		b = le.AppendUint64(b, uint64(marks[path]))
		b = append(le.AppendUint32(b, uint32(len(path))), path...)
	}
	return le.AppendUint32(b, crcOf(b))
}

// decodeRegistry refuses anything that is not, to the byte, what encodeRegistry
// wrote.
func decodeRegistry(b []byte) (sources []entry, marks map[string]int64, err error) {
	if len(b) < len(registryMagic)+8 || string(b[:len(registryMagic)]) != registryMagic {
		return nil, nil, fmt.Errorf("%d bytes without the header", len(b))
	}
	body, sum := b[:len(b)-4], le.Uint32(b[len(b)-4:])
	if crcOf(body) != sum {
		return nil, nil, errors.New("checksum does not match")
	}
	d := decoder{b: body[len(registryMagic):]}
	switch v := d.u32(); {
	case v > registryVersion:
		return nil, nil, fmt.Errorf("%w: version %d, this one knows %d", errNewerRegistry, v, registryVersion)
	case v < registryVersion:
		return nil, nil, fmt.Errorf("version %d is not known any more", v)
	}
	for range d.u32() {
		var e entry
		copy(e.ID[:], d.take(len(e.ID)))
		e.Seen = int64(d.u64())
		flags := d.take(1)[0]
		e.Done, e.Packed = flags&flagDone != 0, flags&flagPacked != 0
		e.Position = delivery.Position{Offset: int64(d.u64()), Head: d.u32(), Tail: d.u32()}
		e.Size = int64(d.u64())
		e.First = delivery.Position{Offset: int64(d.u32()), Head: d.u32()}
		e.First.Tail = e.First.Head // both are of all the bytes
		copy(e.Of[:], d.take(len(e.Of)))
		e.File = vfs.Identity{Inode: d.u64(), Birth: int64(d.u64())}
		e.File.Handle = string(d.take(int(d.u16())))
		e.Path = string(d.take(int(d.u32())))
		if d.short {
			break
		}
		sources = append(sources, e)
	}
	marks = map[string]int64{}
	for range d.u32() {
		birth := int64(d.u64())
		path := string(d.take(int(d.u32())))
		if d.short {
			break
		}
		marks[path] = birth
	}
	if d.short || len(d.b) > 0 {
		return nil, nil, errors.New("counts do not match the contents")
	}
	return sources, marks, nil
}

// decoder reads fields one after the other; short is set when there were not
// enough bytes, and zeros are given then.
type decoder struct {
	b     []byte
	short bool
	zero  [16]byte
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.short, d.b = true, nil
		return d.zero[:min(max(n, 0), len(d.zero))]
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) u16() uint16 { return le.Uint16(d.take(2)) }
func (d *decoder) u32() uint32 { return le.Uint32(d.take(4)) }
func (d *decoder) u64() uint64 { return le.Uint64(d.take(8)) }

var _ tail.Memory = (*registry)(nil)
