package forwarder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/relp"
	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/tail"
)

// A line too long for one message is sent as several, with these at the cuts.
const (
	continuesMark = " [line continues]"
	continuedMark = "[line continued] "
)

// confirmEvery is how often the peer's acknowledgements are looked at while
// nothing else happens.
const confirmEvery = 50 * time.Millisecond

// pump reads lines, makes frames of them and sends them. It is one goroutine.
type pump struct {
	cfg      *Config
	log      *slog.Logger
	tailer   *tail.Tailer
	registry *registry
	protocol protocol
	stats    *counters
	dialer   dialer
	formats  []format // by index of Config.Files
	limit    int      // of frames, in bytes: what the formats were made for
	courier  *courier // nil: not with this protocol
	batches  bool     // what is not confirmed is the courier's

	window   window
	sequence uint64
	chunk    tail.Chunk // being made into frames
	pending  bool       // chunk has lines left
	lines    int        // of chunk so far
	blank    uint64     // not yet counted in stats
	inLine   bool       // the line before goes on
	now      syslog.Timestamp
}

// format is how the lines of one Config.File are sent.
type format struct {
	program string
	field   []byte // the same as messages have it
	pri     uint8
	maxText int // bytes that fit into a frame
	nulSize int // bytes that a NUL becomes
}

func newFormat(p protocol, f File, hostname string, limit int) format {
	pri := uint8(facilityUser*8) + f.Severity
	// The count in front takes up to 4 digits more than that of an empty text.
	empty := p.appendFrame(nil, pri, syslog.At(time.Now()), hostname, f.Program, math.MaxUint64, nil)
	nul := p.appendFrame(nil, pri, syslog.At(time.Now()), hostname, f.Program, math.MaxUint64, []byte{0})
	return format{program: f.Program, pri: pri, maxText: limit - len(empty) - 4, nulSize: len(nul) - len(empty), field: syslog.Field(f.Program, 48)}
}

// setFrameLimit makes the formats for frames of at most limit bytes.
func (p *pump) setFrameLimit(limit int) {
	if p.limit == limit {
		return
	}
	p.limit = limit
	p.formats = make([]format, len(p.cfg.Files))
	for i, file := range p.cfg.Files {
		p.formats[i] = newFormat(p.protocol, file, p.cfg.Hostname, limit)
	}
}

// fits tells whether text fits into one frame.
func (f *format) fits(text []byte) bool {
	if len(text) > f.maxText {
		return false
	}
	return f.nulSize == 1 || len(text)+bytes.Count(text, nul)*(f.nulSize-1) <= f.maxText
}

var nul = []byte{0}

var errStopped = errors.New("stopped")

// run delivers until stop is closed and all that was read then is confirmed, or
// until ctx ends, or there is no server when it should stop.
func (p *pump) run(ctx context.Context, stop <-chan struct{}) error {
	var next *connected // found by the session before
	for {
		c := next
		if c == nil {
			conn, i, err := p.dialer.dial(ctx, stop)
			if err != nil {
				return errStopped
			}
			c = &connected{conn, i}
		}
		server := p.cfg.Servers[c.server]
		s, err := p.open(ctx, c.conn)
		if err != nil {
			c.conn.Close()
			next = nil
			p.dialer.ended(c.server, err)
			continue
		}
		p.stats.connects.Add(1)
		p.stats.connected.Store(&server)
		since := time.Now()
		p.stats.since.Store(&since)
		level := slog.LevelInfo
		if p.dialer.fruitless > 0 {
			level = slog.LevelDebug
		}
		p.log.Log(ctx, level, "connected", "server", server, "address", c.conn.RemoteAddr().String())
		began, before := time.Now(), p.stats.delivered.Load()
		undo := context.AfterFunc(ctx, s.abort)
		if batches, ok := s.(batchSession); ok {
			next, err = p.courier.serve(ctx, stop, batches.client, c.server)
		} else {
			next, err = p.serve(ctx, stop, s, c.server)
		}
		undo()
		_ = s.close() // what matters was confirmed before
		p.stats.connected.Store(nil)
		switch {
		case err == nil && next == nil:
			return nil
		case err == nil:
			p.log.Info("going back to a server earlier in the list", "from", server, "to", p.cfg.Servers[next.server])
		case ctx.Err() != nil:
			return errStopped
		case p.stats.delivered.Load() > before || time.Since(began) > fruitlessBefore:
			p.dialer.ended(c.server, nil)
			p.log.Warn("connection lost; what is not confirmed will be sent again",
				"server", server, "unconfirmed_bytes", p.stats.unconfirmed.Load(), "error", err)
		default:
			p.dialer.ended(c.server, fmt.Errorf("%s: %w", server, err))
		}
	}
}

// connected is a connection to the server of that index.
type connected struct {
	conn   *link
	server int
}

// open begins a session of the protocol on a connection.
func (p *pump) open(ctx context.Context, conn *link) (session, error) {
	if p.courier == nil {
		return p.protocol.open(conn, p.cfg.PeerTimeout)
	}
	client, frames, err := p.openRELP(ctx, conn)
	if err != nil {
		return nil, err
	}
	p.changeMode(frames == nil)
	if frames == nil {
		return batchSession{client: client}, nil
	}
	p.log.Info("the server takes no batches: lines are sent as RELP messages, and may arrive twice after a cut connection",
		"software", client.Offers().Software())
	p.setFrameLimit(frameLimit(client.Offers().Software()))
	return frames, nil
}

// batchSession is one that the courier serves.
type batchSession struct {
	session
	client *relp.Client
}

func (s batchSession) abort() { s.client.Abort() }

func (s batchSession) close() error { return s.client.Close() }

var errPeerClosed = errors.New("the server closed the connection")

// serve delivers over one session. Without an error it ends when all is
// delivered and stop is closed, or with a connection to a better server.
func (p *pump) serve(ctx context.Context, stop <-chan struct{}, s session, server int) (*connected, error) {
	base := p.rewind()
	betters := p.seekBetter(ctx, server)
	defer betters.cancel()
	timer := time.NewTimer(confirmEvery)
	defer timer.Stop()
	for {
		// Asked before filling: what the last look has found is filled in then.
		stopping := false
		stopped := stop
		select {
		case <-stop:
			stopping, stopped = true, nil
		default:
		}
		more := p.fill()
		for p.window.unsent() >= segmentSize || !more && p.window.unsent() > 0 {
			if err := p.send(s); err != nil {
				_ = p.confirm(s, base)
				return nil, err
			}
		}
		if err := p.confirm(s, base); err != nil {
			return nil, err
		}
		select {
		case <-s.gone():
			return nil, p.lastWords(ctx, s, base)
		case better := <-betters.found:
			if err := p.settle(ctx, s, base); err != nil {
				better.conn.Close()
				return nil, err
			}
			return better, nil
		default:
		}
		if more && p.window.held() < int64(p.cfg.Window) {
			continue
		}
		if stopping && !more && p.window.held() == 0 {
			return nil, nil
		}
		// Ready is of no use while the window is full.
		ready := p.tailer.Ready()
		pause := confirmEvery
		if more {
			ready, pause = nil, time.Millisecond
		}
		var tick <-chan time.Time
		if p.window.held() > 0 {
			timer.Reset(pause)
			tick = timer.C
		}
		select {
		case <-ready:
		case <-tick:
		case <-s.gone():
		case <-stopped:
		case better := <-betters.found:
			betters.found <- better // taken up above
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// rewind prepares the window for a new session and gives the offset in it of
// the session's first byte.
func (p *pump) rewind() int64 {
	p.stats.resent.Add(uint64(p.window.rewind(p.protocol.frameLen)))
	return p.window.sent
}

func (p *pump) send(s session) error {
	b := p.window.next()
	if err := s.write(b); err != nil {
		return err
	}
	p.window.sent += int64(len(b))
	p.stats.bytes.Add(uint64(len(b)))
	return nil
}

// confirm moves the positions of all that the server has.
func (p *pump) confirm(s session, base int64) error {
	if p.window.held() == 0 {
		return nil
	}
	n, err := s.confirmed()
	if err != nil {
		return err
	}
	if p.dialer.fruitless > 0 && base+n > p.window.safe {
		p.dialer.fruitless = 0
		p.log.Info("delivering again")
	}
	p.window.confirm(base+n, func(m mark) {
		p.registry.confirm(m.source.ID, m.position)
		p.tailer.Confirm(m.source, m.position)
		p.stats.delivered.Add(uint64(m.lines))
	})
	p.stats.unconfirmed.Store(p.window.held())
	return nil
}

// settle waits until all that was sent is confirmed.
func (p *pump) settle(ctx context.Context, s session, base int64) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for p.window.held() > p.window.unsent() {
		if err := p.confirm(s, base); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-s.gone():
			return p.lastWords(ctx, s, base)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// lastWords says why the session ended. The acknowledgements of a peer that has
// closed its side get a moment to come in.
func (p *pump) lastWords(ctx context.Context, s session, base int64) error {
	if err := s.reason(); !errors.Is(err, io.EOF) {
		_ = p.confirm(s, base) // the error of the connection says more
		return err
	}
	deadline := time.NewTimer(time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for p.window.held() > p.window.unsent() {
		if err := p.confirm(s, base); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			return errPeerClosed
		case <-ctx.Done():
			return errPeerClosed
		}
	}
	return errPeerClosed
}

// fill makes frames of unread lines until a segment is full. More says that
// there are more lines.
func (p *pump) fill() (more bool) {
	for p.window.unsent() < segmentSize && p.window.held() < int64(p.cfg.Window) {
		if !p.pending {
			chunk, ok := p.tailer.Next()
			if !ok {
				return false
			}
			p.chunk, p.pending, p.lines, p.inLine = chunk, true, 0, chunk.Continues
			p.now = syslog.At(time.Now())
		}
		p.frames()
	}
	return true
}

// frames makes frames of the chunk's lines until it is used up or the segment
// is full.
func (p *pump) frames() {
	segment := p.window.tail()
	f := &p.formats[p.chunk.Source.Pattern]
	lines, messages := p.lines, p.sequence
	defer func() {
		p.window.end = segment.end()
		p.stats.lines.Add(uint64(p.lines - lines))
		p.stats.messages.Add(p.sequence - messages)
		p.stats.blank.Add(p.blank)
		p.blank = 0
	}()
	for len(segment.buf) < segmentSize {
		line, more, ok := p.chunk.Line()
		if !ok {
			p.window.marks = append(p.window.marks, mark{segment.end(), p.chunk.Source, p.chunk.End, p.lines})
			p.pending = false
			return
		}
		p.line(segment, f, line, more)
	}
}

// line makes a frame of a line, or several if it is long.
func (p *pump) line(segment *segment, f *format, line []byte, more bool) {
	p.lines++
	if !more {
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 && !p.inLine && !p.cfg.KeepBlank {
			p.blank++
			return
		}
	}
	if !more && !p.inLine && f.fits(line) {
		p.frame(segment, f, line)
		return
	}
	p.pieces(segment, f, line, more)
}

func (p *pump) frame(segment *segment, f *format, text []byte) {
	p.sequence++
	segment.buf = p.protocol.appendFrame(segment.buf, f.pri, p.now, p.cfg.Hostname, f.program, p.sequence, text)
}

// pieces makes frames of a line that is too long for one, or of a part of it.
func (p *pump) pieces(segment *segment, f *format, line []byte, more bool) {
	room := (f.maxText - len(continuesMark) - len(continuedMark)) / f.nulSize
	var text []byte
	for first := true; first || len(line) > 0; first = false {
		text = text[:0]
		if p.inLine {
			text = append(text, continuedMark...)
		} else {
			p.stats.cut.Add(1)
		}
		piece := line
		if len(piece) > room {
			piece = piece[:delivery.CutPoint(piece, room)]
		}
		line = line[len(piece):]
		text = append(text, piece...)
		if p.inLine = more || len(line) > 0; p.inLine {
			text = append(text, continuesMark...)
		}
		p.frame(segment, f, text)
	}
}
