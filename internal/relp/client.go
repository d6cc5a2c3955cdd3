package relp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// flushSize is how many bytes of frames are gathered before they are
	// written without being asked for.
	flushSize = 64 << 10
	// directSize is the size in bytes from which on data is written from where
	// it is.
	directSize = 32 << 10
	// closeTimeout is how long Close waits for the server.
	closeTimeout = 5 * time.Second
	// lastAnswers is how long answers are still read after a write has failed.
	lastAnswers = time.Second
)

// ClientConfig is how a client's sessions are.
type ClientConfig struct {
	// Software names this program to servers: name, version and address, with
	// commas between them. Default "dalog".
	Software string
	// Commands are offered besides "syslog".
	Commands []string
	// Offers are made besides RELP's own. A server that knows one answers it.
	Offers []Offer
	// Window is how many commands may wait for their answers. The server may
	// get that many twice when the connection breaks. Default 1024.
	Window int
	// Timeout is how long the server may let commands wait without answering
	// any. Default 90 s.
	Timeout time.Duration
	// MaxAnswer is the most data of an answer, in bytes. Default 1 MiB.
	MaxAnswer int
	// Answered, where it is not nil, is called with the answer to each command
	// that was sent, in the order in which the answers arrive: to messages only
	// with code 200. An answer covers no other command than its own. Answered
	// is called from one goroutine, must not block, and may call nothing of the
	// Client but Abort. What it is given is valid until it returns.
	Answered func(Answer)
}

// Answer is a server's response to one command.
type Answer struct {
	Txnr uint32
	Code int    // three digits; only 200 is success
	Text []byte // behind the code, up to the end of the line
	Data []byte // behind that line
}

// Client is the client's side of one session. Send, Flush, Close, Sent and Free
// are called from one goroutine, all else from any. What was sent and is not
// answered when the session has ended may or may not be stored: it must be sent
// again, in order, in another session. The Client keeps nothing of it.
type Client struct {
	conn net.Conn
	cfg  ClientConfig

	// Of the goroutine that sends.
	out  []byte // frames that are not written yet
	last uint32 // transaction number of the last command sent

	// slots has what is not answered yet of the window, at the transaction
	// number modulo the length. A slot is the sender's until written covers it,
	// then the reader's until oldest has passed it.
	slots   []kind        // as many as a power of two
	written atomic.Uint32 // the last number that the server may have seen
	oldest  atomic.Uint32 // the first one without an answer
	since   atomic.Int64  // unix nanoseconds: since when the server lets us wait
	room    chan struct{} // holds one when oldest has moved

	opened chan struct{} // closed when the server has accepted
	peer   Offers        // the server's; set before opened is closed
	done   chan struct{} // closed when the session has ended

	mu    sync.Mutex
	cause error // of the end, as far as it lies on this side; guarded by mu

	err error // set before done is closed
}

// Open begins a session on conn, which is the Client's from then on, also where
// this fails. It returns when the server has accepted; ctx is of no
// importance after that.
func Open(ctx context.Context, conn net.Conn, cfg ClientConfig) (*Client, error) {
	cfg.Software = cmp.Or(cfg.Software, "dalog")
	cfg.Window = cmp.Or(cfg.Window, 1024)
	cfg.Timeout = cmp.Or(cfg.Timeout, 90*time.Second)
	cfg.MaxAnswer = max(cmp.Or(cfg.MaxAnswer, 1<<20), maxOffersSize)
	if cfg.Answered == nil {
		cfg.Answered = func(Answer) {}
	}
	if err := ours(cfg.Software, cfg.Commands, cfg.Offers); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c := &Client{
		conn:   conn,
		cfg:    cfg,
		out:    make([]byte, 0, flushSize+directSize+2*maxHeader),
		slots:  make([]kind, 1<<bits.Len(uint(cfg.Window))), // at least one more, for close
		room:   make(chan struct{}, 1),
		opened: make(chan struct{}),
		done:   make(chan struct{}),
	}
	c.oldest.Store(1)
	go c.read()
	go c.watch()
	stop := context.AfterFunc(ctx, func() { c.fail(ctx.Err()) })
	defer stop()
	if err := c.put(opening, "open", appendOffers(nil, cfg.Software, cfg.Commands, cfg.Offers)); err != nil {
		return nil, err
	}
	if err := c.Flush(); err != nil {
		return nil, err
	}
	select {
	case <-c.opened:
	case <-c.done:
	}
	select {
	case <-c.opened: // and may have ended since, which Done tells
		if stop() {
			return c, nil
		}
	default:
	}
	<-c.done
	return nil, c.err
}

// Offers are the server's.
func (c *Client) Offers() Offers { return c.peer }

// Agreed tells whether the server has offered the command, too.
func (c *Client) Agreed(command string) bool { return c.peer.has(command) }

// Sent is how many transaction numbers are used. The largest is 999,999,999,
// but librelp fails when it gets there; so end the session well before that.
func (c *Client) Sent() uint32 { return c.last }

// Free is how many commands can be sent before Send waits for an answer.
func (c *Client) Free() int { return c.cfg.Window - c.waiting() }

// waiting is how many commands lie in the window.
func (c *Client) waiting() int { return int(c.last + 1 - c.oldest.Load()) }

// Done is closed when the session has ended. Answered is not called any more
// then.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the session has ended; nil before Done is closed.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Send sends a command: "syslog", or one that is agreed on. It may be held
// back until Flush is called. data may be used again when Send returns. Where
// the window is full, Send flushes and waits for an answer. An error means that
// the session has ended, except where the command may not be sent.
func (c *Client) Send(command string, data []byte) (txnr uint32, err error) {
	what := message
	if command != "syslog" {
		if !c.peer.has(command) {
			return 0, fmt.Errorf("%w: the server did not offer %q", ErrCommand, command)
		}
		what = extension
	}
	if len(data) > maxTxnr { // as many digits
		return 0, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(data))
	}
	if c.last == maxTxnr-1 { // the last one is for close
		return 0, ErrExhausted
	}
	if c.waiting() >= c.cfg.Window {
		if err := c.wait(); err != nil {
			return 0, err
		}
	}
	if err := c.put(what, command, data); err != nil {
		return 0, err
	}
	return c.last, nil
}

// wait waits for room in the window.
func (c *Client) wait() error {
	if err := c.Flush(); err != nil {
		return err
	}
	for c.waiting() >= c.cfg.Window {
		select {
		case <-c.room:
		case <-c.done:
			return c.err
		}
	}
	return nil
}

func (c *Client) slot(txnr uint32) uint32 { return txnr & uint32(len(c.slots)-1) }

// put appends a frame to what is to be written, and writes when that is much.
func (c *Client) put(what kind, command string, data []byte) error {
	c.last++
	c.slots[c.slot(c.last)] = what
	if len(data) < directSize {
		c.out = appendFrame(c.out, c.last, command, data)
		if len(c.out) >= flushSize {
			return c.Flush()
		}
		return nil
	}
	c.out = appendHeader(c.out, c.last, command, len(data))
	if err := c.Flush(); err != nil {
		return err
	}
	c.out = append(c.out, '\n')
	return c.write(data)
}

// Flush writes what is held back. It blocks while the server does not take it.
// An error means that the session has ended.
func (c *Client) Flush() error {
	if len(c.out) == 0 {
		return c.Err()
	}
	now := time.Now().UnixNano()
	if c.oldest.Load() > c.written.Load() {
		c.since.Store(now)
	}
	c.written.Store(c.last)
	out := c.out
	c.out = c.out[:0]
	return c.write(out)
}

// write writes. When that fails, the answers that are here already are read
// before the session ends.
func (c *Client) write(b []byte) error {
	if _, err := c.conn.Write(b); err != nil {
		c.failSoftly(fmt.Errorf("relp: write: %w", err))
		<-c.done
		return c.err
	}
	return nil
}

// Close ends the session in good order: it sends what is held back and "close"
// and waits for the server to answer everything, for 5 s at most; where
// answers may take longer, wait for them first. It returns nil if every command
// was answered, however the session has ended, and otherwise why not.
func (c *Client) Close() error {
	timer := time.AfterFunc(closeTimeout, func() { c.fail(ErrTimeout) })
	defer timer.Stop()
	last := c.last
	if c.Err() == nil {
		if err := c.put(closing, "close", nil); err == nil {
			_ = c.Flush() // what matters is whether all is answered
		}
	}
	<-c.done
	if c.oldest.Load() > last {
		return nil
	}
	return c.err
}

// Abort ends the session at once: Send, Flush and Close return.
func (c *Client) Abort() { c.fail(ErrAborted) }

// watch ends the session when the server lets commands wait for too long.
func (c *Client) watch() {
	ticker := time.NewTicker(c.cfg.Timeout / 4)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-c.done:
			return
		}
		if c.written.Load() >= c.oldest.Load() && time.Now().UnixNano()-c.since.Load() >= int64(c.cfg.Timeout) {
			c.fail(fmt.Errorf("%w of %v", ErrTimeout, c.cfg.Timeout))
		}
	}
}

// fail ends the session for a reason on this side, unless it has one already.
func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = err
	}
	_ = c.conn.SetDeadline(time.Unix(1, 0)) // fails only where the connection is closed already
}

// failSoftly does the same after the answers that are on their way.
func (c *Client) failSoftly(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = err
		_ = c.conn.SetReadDeadline(time.Now().Add(lastAnswers)) // as above
	}
}
