package logstore

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/dalog-project/dalog/internal/vfs"
)

const (
	// mapBlock is how much of a file is mapped at a time. The kernel maps a whole
	// such block in one step where it can.
	mapBlock = 2 << 20
	// mapRoom is mapped behind a block, for its last line.
	mapRoom = 64 << 10
	// manyHits is the share of a block, one part in so many, from which on it is
	// read and not mapped: what is wanted is copied out of what is mapped.
	manyHits = 16
)

var pageSize = int64(os.Getpagesize())

// findMapped is read and look for a file that is no compressed part, without
// copying it: of b.text there is what is wanted. It is false where that cannot be
// done and the block is to be read: a line is too long, or a page cannot be had,
// because somebody has cut the file or the disk fails.
func (s *scan) findMapped(j *job) (done bool) {
	i, from, to, b := j.section, j.from, j.to, j.b
	sec := s.t.sections[i]
	o, err := s.t.acquire(i)
	if err != nil {
		return false
	}
	defer s.t.release(o)
	file := o.snap.File()
	if file == nil {
		return false
	}
	low := max(from-1, sec.start)
	base := sec.start + (low-sec.start)&^(pageSize-1)
	data, err := vfs.Map(file, base-sec.start, int(min(to+mapRoom, sec.end)-base))
	if err != nil {
		return false
	}
	defer func() {
		if vfs.Unmap(data) != nil {
			done = false
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if x := recover(); x != nil {
			if !isFault(x) {
				panic(x)
			}
			done = false
		}
	}()
	start := 0
	if low < from {
		n := bytes.IndexByte(data[low-base:], '\n')
		if n < 0 {
			return false
		}
		start = int(low-base) + n + 1
	}
	end := int(to - base)
	if start >= end { // no line begins here
		b.text, b.offset, b.size, b.hits, b.spans = nil, to, 0, 0, b.spans[:0]
		return true
	}
	if data[end-1] != '\n' {
		n := bytes.IndexByte(data[end:], '\n')
		switch {
		case n >= 0:
			end += n + 1
		case base+int64(len(data)) < sec.end:
			return false
		default:
			end = len(data)
		}
	}
	text := data[start:end]
	b.offset, b.size, b.hits, b.spans = base+int64(start), len(text), 0, b.spans[:0]
	s.look(j, text)
	b.keep(text)
	return true
}

// keep copies what is wanted of text.
func (b *block) keep(text []byte) {
	b.buf = sized(b.buf, b.wanted())
	for i := range b.spans {
		x := &b.spans[i]
		x.at = len(b.buf)
		b.buf = append(b.buf, text[x.start:x.end]...)
	}
	b.text = b.buf
}

// isFault tells whether x is the panic of a page that cannot be had.
func isFault(x any) bool {
	err, ok := x.(runtime.Error)
	if !ok {
		return false
	}
	_, ok = err.(interface{ Addr() uintptr })
	return ok
}
