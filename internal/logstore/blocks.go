package logstore

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"
)

const (
	smallBlock = 64 << 10 // the first one of a scan: often it is enough
	scanBlock  = 512 << 10
	// maxLine is how much of a line is looked at. What is behind belongs to no line.
	maxLine = 8 << 20
	// lineRoom is how much is read behind a block in search of its last line's end.
	lineRoom = 4 << 10
)

// A block is text that was read: whole lines. unpacking is kept for the next
// read.
type block struct {
	text      []byte // points into buf; of a block that was mapped, only what is wanted
	offset    int64  // of its first byte
	size      int    // of all of it
	buf       []byte
	unpacking unpacking

	hits  int         // lines of it that are wanted
	spans []span      // and which, unless only their number is asked for
	tally *blockTally // of them, where they are only counted
}

// span is a line in a block: from start to end, and in block.text from at on.
type span struct{ start, end, at int }

// place is a line in a Text, without its line end; next is where the line behind
// it begins.
type place struct{ start, end, next int64 }

func (b *block) place(x span) place {
	p := place{b.offset + int64(x.start), b.offset + int64(x.end), b.offset + int64(x.end)}
	if x.end < b.size {
		p.next++
	}
	return p
}

// line is the text of x.
func (b *block) line(x span) []byte { return b.text[x.at : x.at+x.end-x.start] }

// wanted is how many bytes the lines have that are handed over.
func (b *block) wanted() (n int) {
	for _, x := range b.spans {
		n += x.end - x.start
	}
	return n
}

// scanBlocks recycles the blocks of scans.
var scanBlocks = sync.Pool{New: func() any { return new(block) }}

func (b *block) recycle() {
	b.unpacking.of = nil
	if cap(b.buf) <= 2*scanBlock && cap(b.unpacking.text) <= 2*scanBlock {
		scanBlocks.Put(b)
	}
}

// A job is one block of a scan: the lines that begin in [from, to), which is
// within a section.
type job struct {
	section  int
	from, to int64
	times    []period // see stretch
	gap      bool     // there is no text
	mapped   bool     // it is better mapped than read

	b    *block
	err  error
	done chan struct{}
}

// pipeline works on jobs ahead of who takes them, in the order in which they
// were made.
type pipeline struct {
	s       *scan
	ctx     context.Context
	pending []*job
	working sync.WaitGroup
	quit    chan struct{} // closed when nobody takes jobs any more
}

// each calls process for all jobs that next makes, in their order, until that
// returns nil or process an error. The block is valid until process returns.
func (s *scan) each(ctx context.Context, next func(size int64) *job, process func(*job) error) error {
	p := &pipeline{s: s, ctx: ctx, quit: make(chan struct{})}
	defer p.working.Wait()
	defer close(p.quit)
	size, depth := int64(smallBlock), 1
	for more := true; ; {
		for more && len(p.pending) < depth {
			j := next(size)
			if more = j != nil; more {
				p.start(j, depth == 1)
			}
		}
		if len(p.pending) == 0 {
			return nil
		}
		j := p.pending[0]
		p.pending = p.pending[1:]
		<-j.done
		err := j.err
		if err == nil {
			err = process(j)
		}
		if j.b != nil {
			s.many = manyHits*j.b.wanted() > j.b.size
			if j.b.tally != nil {
				s.counting.pool.Put(j.b.tally)
				j.b.tally = nil
			}
			j.b.recycle()
		}
		if err != nil {
			return err
		}
		if size = min(2*size, scanBlock); size == scanBlock {
			depth = min(depth+1, cap(s.t.store.scanners)+1)
		}
	}
}

func (p *pipeline) start(j *job, here bool) {
	p.pending = append(p.pending, j)
	j.done = make(chan struct{})
	if j.gap {
		close(j.done)
		return
	}
	if here {
		p.work(j)
		return
	}
	p.working.Go(func() { p.work(j) })
}

// work reads a block and finds what is wanted in it.
func (p *pipeline) work(j *job) {
	defer close(j.done)
	scanners := p.s.t.store.scanners
	select {
	case scanners <- struct{}{}:
		defer func() { <-scanners }()
	case <-p.ctx.Done():
		j.err = context.Cause(p.ctx)
		return
	case <-p.quit:
		return
	}
	j.b = scanBlocks.Get().(*block)
	if p.s.counting != nil {
		j.b.tally = p.s.counting.pool.Get().(*blockTally)
		j.b.tally.reset()
	}
	if j.mapped && p.s.findMapped(j) {
		return
	}
	j.b.hits, j.b.spans = 0, j.b.spans[:0]
	err := p.s.t.read(j.section, j.from, j.to, j.b)
	if isEvicted(err) {
		j.gap = true
		return
	}
	if j.err = err; err == nil {
		p.s.look(j, j.b.text)
	}
}

// read gives the lines that begin in [from, to), which is within section i. Of
// a line longer than maxLine it gives that much.
func (t *Text) read(i int, from, to int64, b *block) error {
	sec := t.sections[i]
	o, err := t.acquire(i)
	if err != nil {
		return err
	}
	defer t.release(o)
	low := from
	if from > sec.start && !o.snap.startsLine(from-sec.start) {
		low = o.snap.before(sec.start, from) // to see whether a line begins at from
	}
	b.buf = sized(b.buf, int(to-low)+lineRoom)[:to-low]
	if err := o.snap.readFull(&b.unpacking, b.buf, low-sec.start); err != nil {
		return err
	}
	skip := 0
	if low < from {
		skip = int(from - low)
		i := bytes.IndexByte(b.buf[skip-1:], '\n')
		if skip += i; i < 0 || low+int64(skip) >= to { // no line begins here
			b.text, b.offset, b.size = nil, to, 0
			return nil
		}
	}
	// The last line may go on behind to.
	more := int64(lineRoom)
	for have := len(b.buf); b.buf[have-1] != '\n' && low+int64(have) < sec.end && have < maxLine+int(to-low); have = len(b.buf) {
		n := int(min(sec.end-low-int64(have), more))
		more = min(2*more, scanBlock)
		b.buf = slices.Grow(b.buf, n)[:have+n]
		if err := o.snap.readFull(&b.unpacking, b.buf[have:], low-sec.start+int64(have)); err != nil {
			return err
		}
		if j := bytes.IndexByte(b.buf[have:], '\n'); j >= 0 {
			b.buf = b.buf[:have+j+1]
		}
	}
	b.text, b.offset, b.size = b.buf[skip:], low+int64(skip), len(b.buf)-skip
	return nil
}

// readFull reads all of p.
func (sn *Snapshot) readFull(x *unpacking, p []byte, off int64) (err error) {
	n := 0
	if u, ok := sn.text.(*unpacked); ok {
		n, err = u.read(x, p, off)
	} else {
		n, err = sn.ReadAt(p, off)
	}
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// before is a little less than off. Of a file it is the end of a cache line: to
// copy from the byte before off to an address like off's takes four times as
// long on some processors.
func (sn *Snapshot) before(base, off int64) int64 {
	if _, ok := sn.text.(*unpacked); ok {
		return off - 1
	}
	return base + (off-base-1)&^63
}

// startsLine tells whether a line surely begins at off, without a look at the
// text.
func (sn *Snapshot) startsLine(off int64) bool {
	u, ok := sn.text.(*unpacked)
	return off == 0 || ok && u.startsLine(off)
}

// LineFrom is the offset of the first line that begins at off or behind it; the
// end where none does.
func (t *Text) LineFrom(off int64) (int64, error) {
	var b block
	for i := t.find(off); i < len(t.sections); i++ {
		sec := t.sections[i]
		for off = max(off, sec.start); off < sec.end; off += smallBlock {
			if err := t.read(i, off, min(off+smallBlock, sec.end), &b); err != nil {
				return 0, err
			}
			if len(b.text) > 0 {
				return b.offset, nil
			}
		}
	}
	return t.End(), nil
}
