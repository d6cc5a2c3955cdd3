package delivery

import (
	"fmt"
	"hash/crc32"
	"math"
)

// Batch is the data of a dalog command: contiguous bytes of one source, and
// what makes stored lines of them. Little endian:
//
//	version u8  source [16]  start u64  skip u64  before u32  after u32
//	flags u8  priority u8  line limit u32
//	seconds i64  nanoseconds u32  zone i32
//	host u16 + bytes  program u16 + bytes
//	encoding u8  size u32  body
//
// The body is the bytes as they are in the file, line ends and all, as they are
// (encoding 0), or as one zstd frame (1) or S2 block (2) that unpacks to size bytes;
// or (3) as the length of an S2 block, u32, and the block in Huffman's codes.
type Batch struct {
	Source SourceID
	Start  int64 // the source goes on from here
	// Skip is how many bytes from Start on the sender leaves out on purpose: what
	// another source or server has, or a hole. The body begins behind them.
	Skip   int64
	Before uint32 // anchor at Start
	After  uint32 // anchor at the end

	Continues bool  // the body begins within a line
	Cut       bool  // the body ends within a line, other than for want of a line end
	KeepBlank bool  // empty lines are messages too
	Priority  uint8 // facility*8 + severity
	MaxLine   int   // longer lines come in pieces

	// Sec, Nsec and Zone are when the lines were read: since 1970, and seconds
	// east of UTC.
	Sec  int64
	Nsec int32
	Zone int32

	Host    []byte
	Program []byte

	Encoding Encoding
	Size     int    // of the lines, unpacked
	Body     []byte // as it is on the wire
}

// Encoding is how a body is packed.
type Encoding uint8

const (
	Plain     Encoding = iota
	Zstd               // one frame
	S2                 // one block: a third of the time, and a third more bytes
	S2Huffman          // half the time, and a fifth more bytes
)

// MinLine is the smallest limit of lines.
const MinLine = 512

// MaxHead is the most bytes of a batch that are not its body.
const MaxHead = 1 + 16 + 8 + 8 + 4 + 4 + 1 + 1 + 4 + 8 + 4 + 4 + 2 + maxName + 2 + maxName + 1 + 4

// End is the offset behind the batch.
func (b *Batch) End() int64 { return b.Start + b.Skip + int64(b.Size) }

// AppendHead appends all but the body.
func (b *Batch) AppendHead(dst []byte) []byte {
	dst = append(dst, wireVersion)
	dst = append(dst, b.Source[:]...)
	dst = le.AppendUint64(dst, uint64(b.Start))
	dst = le.AppendUint64(dst, uint64(b.Skip))
	dst = le.AppendUint32(dst, b.Before)
	dst = le.AppendUint32(dst, b.After)
	dst = append(dst, flagBits(b.Continues, b.Cut, b.KeepBlank), b.Priority)
	dst = le.AppendUint32(dst, uint32(b.MaxLine))
	dst = le.AppendUint64(dst, uint64(b.Sec))
	dst = le.AppendUint32(dst, uint32(b.Nsec))
	dst = le.AppendUint32(dst, uint32(b.Zone))
	dst = appendText(dst, string(b.Host), maxName)
	dst = appendText(dst, string(b.Program), maxName)
	dst = append(dst, byte(b.Encoding))
	return le.AppendUint32(dst, uint32(b.Size))
}

// Parse reads the data of a dalog command. Host, Program and Body are parts of
// it. The body is not looked into.
func (b *Batch) Parse(data []byte) error {
	r := reader{b: data}
	r.version()
	b.Source = r.id()
	b.Start, b.Skip = r.offset(), r.offset()
	b.Before, b.After = r.u32(), r.u32()
	flags := r.u8()
	b.Continues, b.Cut, b.KeepBlank = flags&1 != 0, flags&2 != 0, flags&4 != 0
	b.Priority = r.u8()
	limit := r.u32()
	b.MaxLine = int(min(limit, math.MaxInt32))
	if p := r.take(8); p != nil {
		b.Sec = int64(le.Uint64(p))
	}
	nsec, zone := r.u32(), int32(r.u32())
	b.Nsec, b.Zone = int32(nsec), zone
	b.Host, b.Program = r.text(maxName), r.text(maxName)
	b.Encoding = Encoding(r.u8())
	size := r.u32()
	b.Size = int(min(size, math.MaxInt32))
	b.Body = r.b
	const day = 24 * 60 * 60
	switch {
	case r.err != nil:
	case flags > 7:
		r.fail(fmt.Sprintf("flags %#x", flags))
	case b.Priority > 191:
		r.fail(fmt.Sprintf("priority %d", b.Priority))
	case b.MaxLine < MinLine, limit > math.MaxInt32:
		r.fail(fmt.Sprintf("limit of %d bytes for lines", limit))
	case nsec >= 1e9, zone <= -day, zone >= day, b.Sec < -1<<40, b.Sec > 1<<40:
		r.fail("time out of range")
	case b.Size == 0 || b.Size > MaxBody || len(b.Body) > MaxBody:
		r.fail(fmt.Sprintf("%d bytes of lines, the limit is %d", b.Size, MaxBody))
	case b.Encoding > S2Huffman:
		r.fail(fmt.Sprintf("encoding %d", b.Encoding))
	case b.Encoding == Plain && b.Size != len(b.Body):
		r.fail(fmt.Sprintf("size %d, but %d bytes of body", b.Size, len(b.Body)))
	}
	return r.err
}

// Taken is the data of the answer that a batch is committed: committed u64,
// messages u32.
type Taken struct {
	Committed int64
	Messages  int // that were made of the batch
}

// AppendTo appends the data.
func (a Taken) AppendTo(dst []byte) []byte {
	return le.AppendUint32(le.AppendUint64(dst, uint64(a.Committed)), uint32(a.Messages))
}

// ParseTaken reads the data of an answer with CodeOK to a batch.
func ParseTaken(data []byte) (a Taken, err error) {
	r := reader{b: data}
	a = Taken{Committed: r.offset(), Messages: int(r.u32())}
	return a, r.end()
}

// Refusal is the data of an answer with CodeMismatch: reason u8, committed u64.
type Refusal struct {
	Reason    Reason
	Committed int64 // where the source stands; 0 without a claim to it
}

// Reason is why a command was refused.
type Reason uint8

const (
	// Gap: the batch does not begin where the source stands.
	Gap Reason = 1 + iota
	// Content: what is before the batch is not what is stored.
	Content
	// Unclaimed: another session has claimed the source since, or none has.
	Unclaimed
)

func (r Reason) String() string {
	switch r {
	case Gap:
		return "does not go on where the source stands"
	case Content:
		return "other content before it"
	case Unclaimed:
		return "not claimed"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// AppendTo appends the data.
func (a Refusal) AppendTo(dst []byte) []byte {
	return le.AppendUint64(append(dst, byte(a.Reason)), uint64(a.Committed))
}

// ParseRefusal reads the data of an answer with CodeMismatch.
func ParseRefusal(data []byte) (a Refusal, err error) {
	r := reader{b: data}
	a = Refusal{Reason: Reason(r.u8()), Committed: r.offset()}
	return a, r.end()
}

// Anchor is the anchor at the end of p, which has the last bytes before it: all
// that there are, or AnchorSize at least.
func Anchor(p []byte) uint32 {
	return crc32.Checksum(p[max(0, len(p)-AnchorSize):], castagnoli)
}
