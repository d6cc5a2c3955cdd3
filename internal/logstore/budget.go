package logstore

import (
	"context"
	"sync"
)

// budget bounds the bytes that are taken and not yet committed. It lets in
// first come, first served, whoever comes while less than the limit is in use:
// so a batch of any size gets through, and use passes the limit by at most one.
type budget struct {
	limit int64

	mu      sync.Mutex
	used    int64
	waiting []chan struct{} // in order of arrival; closed when let in
	want    []int64         // what each of waiting asks for
}

// acquire takes n bytes, waiting for room until ctx ends.
func (b *budget) acquire(ctx context.Context, n int64) error {
	b.mu.Lock()
	if b.used < b.limit && len(b.waiting) == 0 {
		b.used += n
		b.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	b.waiting = append(b.waiting, turn)
	b.want = append(b.want, n)
	b.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, t := range b.waiting {
		if t == turn {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.want = append(b.want[:i], b.want[i+1:]...)
			return context.Cause(ctx)
		}
	}
	return nil // let in at the same moment
}

// adjust changes what is in use without waiting.
func (b *budget) adjust(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
	for len(b.waiting) > 0 && b.used < b.limit {
		b.used += b.want[0]
		close(b.waiting[0])
		b.waiting, b.want = b.waiting[1:], b.want[1:]
	}
}

// inUse is the number of bytes taken and not given back, and whether somebody
// waits for room.
func (b *budget) inUse() (used int64, full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, len(b.waiting) > 0
}
