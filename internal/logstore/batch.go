package logstore

import (
	"sync/atomic"

	"github.com/dalog-project/dalog/internal/syslog"
)

// A batch is the stored lines of one submission, file by file, each file's in
// the order of the messages. It travels from Submit over the queue to the
// committer, which recycles it.
type batch struct {
	data  []byte
	parts []part

	messages, lines, truncated, overflow int

	committed func(error) // nil: nobody waits
	charge    int64       // what it holds of the budget
	lent      int         // what it holds of the pool's limit

	sourced bool // it moves a source, by advance
	forget  bool // it takes the source of advance.key out of the table, and is empty
	advance advance

	left   atomic.Int32 // parts that are not in their files
	flight *flight      // of the record that holds it
}

// weight bounds what the batch takes in a record of the write-ahead log.
func (b *batch) weight() int {
	const perPart, perSource = 25, 64
	return len(b.data) + perPart*len(b.parts) + perSource + len(b.advance.key.Peer)
}

// part is the bytes of one file: data from the end of the part before to end.
type part struct {
	file *logFile
	end  int
}

// batchOverhead is charged for a batch beside its data.
const batchOverhead = 256

// A filler turns messages into batches. It belongs to one goroutine at a time.
type filler struct {
	formatter
	router *router

	seen   routeCache
	chains []chain
	next   []int32 // by message: the next one of the same file, or -1
	chain  []int32 // by file: 1 + its index in chains, 0 where it has none
}

// chain is the messages of one file.
type chain struct {
	file        *logFile
	first, last int32
}

// sizeEstimate is how many bytes the stored lines of msgs take in the layout
// LineISO, escapes, the headers of further lines and the peer's address aside. It is
// close: a batch of what one read gave, which is a little more, fits into the power of
// two that was read.
func sizeEstimate(msgs []syslog.Message) int {
	n := 0
	for i := range msgs {
		m := &msgs[i]
		n += 40 + len(m.Host) + len(m.Program) + len(m.PID) + len(m.Text)
	}
	return n
}

// fill appends the stored lines of msgs to b.
func (f *filler) fill(b *batch, msgs []syslog.Message, received syslog.Timestamp) {
	f.sort(msgs)
	for _, c := range f.chains {
		f.chain[c.file.id] = 0
		if c.file == f.router.overflow {
			b.overflow = f.displaced(c, msgs)
		}
		for i := c.first; i >= 0; i = f.next[i] {
			var lines int
			b.data, lines = f.appendMessage(b.data, &msgs[i], received)
			b.lines += lines
			if msgs[i].Flags&syslog.Truncated != 0 {
				b.truncated++
			}
		}
		b.parts = append(b.parts, part{file: c.file, end: len(b.data)})
	}
	b.messages = len(msgs)
}

// sort puts msgs into one chain for each file.
func (f *filler) sort(msgs []syslog.Message) {
	f.chains = f.chains[:0]
	if cap(f.next) < len(msgs) {
		f.next = make([]int32, len(msgs))
	}
	f.next = f.next[:len(msgs)]

	f.seen.begin(f.router)
	for i := range msgs {
		m := &msgs[i]
		file := f.seen.route(f.router, m).file(m.Severity())
		if file.id >= len(f.chain) {
			f.chain = append(f.chain, make([]int32, file.id+64-len(f.chain))...)
		}
		at := int32(i)
		f.next[i] = -1
		if c := f.chain[file.id]; c != 0 {
			last := &f.chains[c-1].last
			f.next[*last] = at
			*last = at
			continue
		}
		f.chains = append(f.chains, chain{file, at, at})
		f.chain[file.id] = int32(len(f.chains))
	}
}

// displaced counts the messages of the overflow file whose own file it is not.
func (f *filler) displaced(c chain, msgs []syslog.Message) (n int) {
	var buf [maxStem + 16]byte
	for i := c.first; i >= 0; i = f.next[i] {
		if string(appendFileName(buf[:0], msgs[i].Program)) != overflowFile {
			n++
		}
	}
	return n
}
