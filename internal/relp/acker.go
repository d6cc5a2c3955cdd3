package relp

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// writeSize is how many bytes of answers go into one write.
	writeSize = 16 << 10
	// writeTimeout is how long a client may take to accept one write.
	writeTimeout = 90 * time.Second
)

// Acker answers the commands of a [Session], in their order, whatever order they
// are settled in. Its methods may be called from any goroutine; Run is called
// once.
type Acker struct {
	server *Server       // immutable once set
	wake   chan struct{} // holds one when there may be something to write

	mu        sync.Mutex
	received  uint64 // the last command that the session has seen
	given     uint64 // the last message up to there that needs a commit
	committed uint64
	next      uint64   // the command to be answered next
	special   []answer // to commands that are not messages, in order, from next on
	size      int      // bytes in special
	ended     bool     // received will not go up any more
	abandoned bool     // nothing will be settled any more
	stopped   bool     // nothing will be written any more
}

// answer is one that Commit does not give.
type answer struct {
	seq     uint64
	settled bool
	data    []byte
}

// Commit says that all messages up to and with seq that were given out are
// durable. It does not block.
func (a *Acker) Commit(seq uint64) {
	a.mu.Lock()
	a.committed = max(a.committed, seq)
	a.mu.Unlock()
	a.signal()
}

// Answer answers the extension seq with a code of three digits, a text without
// LF, and data, which is copied. It fails if seq is not an extension that waits
// for its answer.
func (a *Acker) Answer(seq uint64, code int, text string, data []byte) error {
	b := make([]byte, 0, 4+len(text)+1+len(data))
	b = append(fmt.Appendf(b, "%03d ", code), text...)
	if len(data) > 0 {
		b = append(append(b, '\n'), data...)
	}
	if !a.settle(seq, b) {
		return fmt.Errorf("relp: command %d does not wait for an answer", seq)
	}
	return nil
}

// Abandon says that nothing more will be committed or answered: Run writes
// what is due, says "serverclose" and returns.
func (a *Acker) Abandon() {
	a.mu.Lock()
	a.abandoned = true
	a.mu.Unlock()
	a.signal()
}

// Writer is what Run needs of a net.Conn.
type Writer interface {
	io.Writer
	SetWriteDeadline(time.Time) error
}

// Run writes answers as they become due, as many in one write as there are. It
// returns nil after it has said "serverclose": when the session is over and all
// is answered, or after Abandon. It returns the error of a write that failed
// or took over 90 s; the connection is of no use then.
func (a *Acker) Run(w Writer) error {
	for {
		over, err := a.flush(w)
		if err != nil {
			a.mu.Lock()
			a.stop()
			a.mu.Unlock()
			return fmt.Errorf("write answers: %w", err)
		}
		if over {
			return nil
		}
		<-a.wake
	}
}

// flush writes all that is due. A buffer is held only meanwhile.
func (a *Acker) flush(w Writer) (over bool, err error) {
	b := a.server.buffers.Get().(*[]byte)
	defer func() {
		if cap(*b) <= 4*writeSize {
			a.server.buffers.Put(b)
		}
	}()
	for !over {
		*b, over = a.take((*b)[:0])
		if len(*b) == 0 {
			break
		}
		if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return over, err
		}
		if _, err := w.Write(*b); err != nil {
			return over, err
		}
	}
	return over, nil
}

// take appends answers that are due, about writeSize bytes of them. over says
// that these are the last ones.
func (a *Acker) take(dst []byte) (out []byte, over bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return dst, true
	}
	through := a.committed
	if a.committed >= a.given {
		// Nothing that came in behind the last message needs a commit.
		through = max(through, a.received)
	}
	txnr := uint32((a.next-1)%maxTxnr) + 1
	for len(dst) < writeSize {
		if len(a.special) > 0 && a.special[0].seq == a.next {
			s := &a.special[0]
			if !s.settled {
				break
			}
			dst = appendFrame(dst, txnr, "rsp", s.data)
			a.size -= len(s.data)
			*s = answer{}
			a.special = a.special[1:]
		} else if a.next <= through {
			dst = strconv.AppendUint(dst, uint64(txnr), 10)
			dst = append(dst, " rsp 6 200 OK\n"...)
		} else {
			break
		}
		a.next++
		txnr = following(txnr)
	}
	if len(dst) < writeSize && (a.abandoned || a.ended && a.next > a.received) {
		dst = append(dst, "0 serverclose 0\n"...)
		a.stop()
		return dst, true
	}
	return dst, false
}

// stop gives up what will not be written; mu is held.
func (a *Acker) stop() {
	a.stopped = true
	a.special, a.size = nil, 0
}

// publish takes over how far the session has come.
func (a *Acker) publish(received, given uint64) {
	a.mu.Lock()
	a.received, a.given = received, given
	due := a.committed >= given && a.next <= received
	a.mu.Unlock()
	if due {
		a.signal()
	}
}

// expect notes that seq, which was received just now, will be settled.
func (a *Acker) expect(seq, given uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.received, a.given = seq, given
	if !a.stopped {
		a.special = append(a.special, answer{seq: seq})
	}
}

// settle sets the answer to seq; false if that is not waited for.
func (a *Acker) settle(seq uint64, data []byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return true
	}
	i, found := slices.BinarySearchFunc(a.special, seq, func(s answer, seq uint64) int { return cmp.Compare(s.seq, seq) })
	if !found || a.special[i].settled {
		return false
	}
	a.special[i].settled, a.special[i].data = true, data
	a.size += len(data)
	a.signal()
	return true
}

// crowded tells whether the client leaves too many answers unread.
func (a *Acker) crowded() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.size > maxUnread || len(a.special) >= maxUnanswered
}

// end says that seq was the last command.
func (a *Acker) end(received, given uint64) {
	a.mu.Lock()
	a.received, a.given, a.ended = received, given, true
	a.mu.Unlock()
	a.signal()
}

func (a *Acker) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}
