package logstore

import "sync"

// queue holds the batches that wait for the committer, in the order in which
// they were submitted.
type queue struct {
	// wake gets a token when the queue stops being empty, or is closed.
	wake chan struct{}

	mu      sync.Mutex
	batches []*batch
	closed  error // what push answers once set
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// push adds a batch, unless the queue is closed.
func (q *queue) push(b *batch) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return q.closed
	}
	q.batches = append(q.batches, b)
	if len(q.batches) == 1 {
		q.signal()
	}
	return nil
}

// take moves batches to the end of dst: the first, and those after it while
// all together weigh no more than max bytes.
func (q *queue) take(dst []*batch, max int) []*batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.batches) {
		size += q.batches[n].weight()
		if n > 0 && size > max {
			break
		}
		n++
	}
	dst = append(dst, q.batches[:n]...)
	rest := copy(q.batches, q.batches[n:])
	clear(q.batches[rest:])
	q.batches = q.batches[:rest]
	return dst
}

// drained reports whether the queue is empty and closed.
func (q *queue) drained() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed != nil && len(q.batches) == 0
}

// close makes push answer err, the first one given.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed == nil {
		q.closed = err
		q.signal()
	}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
