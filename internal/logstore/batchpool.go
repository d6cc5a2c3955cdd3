package logstore

import (
	"math/bits"
	"sync"
)

// batchPool recycles batches, sorted by the power of two that their data has
// room for, so that a small batch never holds a large buffer. Those that are out
// and those that wait here stay together within the limit as long as those that
// are out do: so memory is what the budget says, whatever sizes come one after
// the other, and however rarely the garbage collector runs.
type batchPool struct {
	limit int // bytes of data

	mu   sync.Mutex
	out  int // bytes of the batches lent
	idle int // bytes of those in free
	low  int // the least that idle was since the last call of shrink
	free [maxPooled - minPooled + 1][]*batch
}

const (
	minPooled = 9  // 512 B
	maxPooled = 22 // 4 MiB; larger ones are left to the collector
)

// get returns an empty batch with room for size bytes.
func (p *batchPool) get(size int) *batch {
	class := max(bits.Len(uint(max(size, 1)-1)), minPooled)
	if class > maxPooled {
		return &batch{data: make([]byte, 0, size)}
	}
	size = 1 << class
	p.mu.Lock()
	p.out += size
	b := p.popLocked(class - minPooled)
	p.trimLocked(p.limit - p.out)
	p.mu.Unlock()
	if b == nil {
		b = &batch{data: make([]byte, 0, size)}
	}
	b.lent = size
	return b
}

// put takes a batch back.
func (p *batchPool) put(b *batch) {
	class := bits.Len(uint(cap(b.data))) - 1
	lent := b.lent
	*b = batch{data: b.data[:0], parts: b.parts[:0]}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out -= lent
	if size := 1 << class; class >= minPooled && class <= maxPooled && p.out+p.idle+size <= p.limit {
		p.free[class-minPooled] = append(p.free[class-minPooled], b)
		p.idle += size
	}
}

// shrink lets go of what was not in use at any time since the last call.
func (p *batchPool) shrink() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trimLocked(p.idle - p.low)
	p.low = p.idle
}

// popLocked takes the batch that was used last, so that it is still in the
// cache; nil if there is none.
func (p *batchPool) popLocked(class int) *batch {
	free := p.free[class]
	n := len(free) - 1
	if n < 0 {
		return nil
	}
	b := free[n]
	free[n] = nil
	p.free[class] = free[:n]
	p.idle -= 1 << (class + minPooled)
	p.low = min(p.low, p.idle)
	return b
}

// trimLocked leaves at most size bytes idle; the largest batches go first.
func (p *batchPool) trimLocked(size int) {
	for class := len(p.free) - 1; class >= 0 && p.idle > size; class-- {
		for p.idle > size && p.popLocked(class) != nil {
		}
	}
}
