package logstore

import (
	"slices"
	"sync"
	"sync/atomic"
)

// piece is bytes of one file in a batch that is committed.
type piece struct {
	data []byte
	of   *batch
}

// flight is a record of the write-ahead log whose bytes are not yet all in
// their files.
type flight struct {
	lsn  uint64
	left atomic.Int64 // pieces
}

// pending is what is committed and not yet in the files. The committer adds to
// it, the applier takes from it.
type pending struct {
	wake chan struct{} // gets a token when there is something to do

	mu      sync.Mutex // protects all below, and logFile.pend of all files
	files   []*logFile // those with something in pend, each once, but for those aside
	bytes   int        // of files
	refused []*logFile // those that cannot be written to; their pend is for the committer
	flights []*flight  // by lsn; of those at the front nothing is left, at times
	through uint64     // the last lsn published
}

// publish adds what a group committed.
func (p *pending) publish(g *group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g.flight != nil {
		p.flights = append(p.flights, g.flight)
	}
	p.through = max(p.through, g.lsn)
	for _, e := range g.extents {
		e.file.published += int64(e.length)
		p.add(e.file, g.pieces[e.first:e.last], e.length)
	}
	p.signal()
}

// add is called with p.mu held.
func (p *pending) add(f *logFile, pieces []piece, length int) {
	f.pend = append(f.pend, pieces...)
	f.pendBytes += length
	if f.aside {
		return
	}
	p.bytes += length
	if !f.pended {
		f.pended = true
		p.files = append(p.files, f)
	}
}

func (p *pending) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// take moves what is due to the files' own lists, and those files to the end of
// dst: the files with at least least bytes.
func (p *pending) take(dst []*logFile, least int) []*logFile {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.files[:0]
	for _, f := range p.files {
		if f.pendBytes < least {
			kept = append(kept, f)
			continue
		}
		p.bytes -= f.pendBytes
		f.work = append(f.work, f.pend...)
		clear(f.pend) // or batches that were let go would stay in memory
		f.pend = f.pend[:0]
		f.pendBytes, f.pended = 0, false
		f.workEnd = f.published
		dst = append(dst, f)
	}
	clear(p.files[len(kept):])
	p.files = kept
	return dst
}

// giveBack makes what the applier could not write pending again, in front of
// what came later.
func (p *pending) giveBack(f *logFile) {
	p.mu.Lock()
	defer p.mu.Unlock()
	length := p.takeOut(f)
	p.add(f, nil, length)
}

// refuse leaves what the applier could not write, and what came later, to the
// committer.
func (p *pending) refuse(f *logFile) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setAside(f)
	f.pendBytes += p.takeOut(f)
	p.refused = append(p.refused, f)
}

// park keeps what is pending for f, and what comes, from the applier, until
// unpark. f.work stays what it is.
func (p *pending) park(f *logFile) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setAside(f)
}

// unpark makes it pending again, what is left of f.work in front.
func (p *pending) unpark(f *logFile) {
	p.mu.Lock()
	defer p.mu.Unlock()
	length := f.pendBytes + p.takeOut(f)
	f.pendBytes, f.aside = 0, false
	if length > 0 {
		p.add(f, nil, length)
	}
	p.signal()
}

// setAside is called with p.mu held.
func (p *pending) setAside(f *logFile) {
	if f.pended {
		p.bytes -= f.pendBytes
		p.files = slices.DeleteFunc(p.files, func(x *logFile) bool { return x == f })
	}
	f.pended, f.aside = false, true
}

// takeOut moves f.work in front of f.pend and gives its length; p.mu is held.
func (p *pending) takeOut(f *logFile) (length int) {
	for _, x := range f.work {
		length += len(x.data)
	}
	f.pend = append(f.work, f.pend...)
	f.work = nil
	return length
}

// takeRefused gives everything pending of the first file that cannot be written
// to; nil if there is no such file.
func (p *pending) takeRefused() (f *logFile, pieces []piece, length int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.refused) == 0 {
		return nil, nil, 0
	}
	f, p.refused = p.refused[0], p.refused[1:]
	pieces, length = f.pend, f.pendBytes
	f.pend, f.pendBytes, f.aside = nil, 0, false
	return f, pieces, length
}

// divert makes pieces pending for another file, by record lsn.
func (p *pending) divert(to *logFile, pieces []piece, length int, lsn uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.through = max(p.through, lsn)
	to.published += int64(length)
	p.add(to, pieces, length)
	p.signal()
}

// applied is the highest lsn of which, as of all before it, everything is in
// the files.
func (p *pending) applied() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.flights) && p.flights[n].left.Load() == 0 {
		n++
	}
	p.flights = append(p.flights[:0], p.flights[n:]...)
	if len(p.flights) > 0 {
		return p.flights[0].lsn - 1
	}
	return p.through
}

// size is how many bytes the applier has before it.
func (p *pending) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}
