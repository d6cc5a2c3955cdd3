package forwarder

import (
	"bytes"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/tail"
)

// Where so much is unread that a parcel is large, and the server answers soon, it is
// this processor that the lines wait for: it packs faster then, if not as small.
const (
	floodSize  = 64 << 10
	fastEnough = 100 * time.Millisecond
)

// pack makes parcels of a chunk.
func (c *courier) pack(chunk *tail.Chunk) {
	l := c.laneOf(chunk.Source)
	data := chunk.Data
	offset := chunk.End.Offset - int64(len(data))
	now := syslog.At(time.Now())
	f := &c.p.formats[chunk.Source.Pattern]
	continues := chunk.Continues
	for len(data) > 0 {
		n, lines := parcelSize(data)
		p := &parcel{
			lane: l, start: offset, end: offset + int64(n), lines: lines, number: c.number,
			batch: delivery.Batch{
				Source: chunk.Source.ID, Continues: continues, Cut: data[n-1] != '\n', KeepBlank: c.p.cfg.KeepBlank,
				Priority: f.pri, MaxLine: c.p.cfg.MaxLine, Sec: now.Sec, Nsec: now.Nsec, Zone: now.Offset,
				Host: c.host, Program: f.field, Size: n,
			},
		}
		c.number++
		if l.again != nil {
			p.number, c.moved = *l.again, true
		}
		// Packing needs room for the worst; what is kept takes what it has become.
		c.packed, p.batch.Encoding = c.packer.AppendBody(c.packed[:0], data[:n], n >= floodSize && c.latency < fastEnough)
		p.body = append(c.buffer(), c.packed...)
		if n == len(data) {
			p.after, p.position, p.batch.Cut = chunk.End.Tail, chunk.End, chunk.Cut()
		} else {
			p.after = delivery.Anchor(data[:n]) // never less than delivery.AnchorSize
		}
		l.parcels = append(l.parcels, p)
		c.unsent = append(c.unsent, p)
		c.held += int64(len(p.body))
		c.raw += int64(n)
		c.p.stats.lines.Add(uint64(lines))
		continues = p.batch.Cut
		offset, data = p.end, data[n:]
	}
	chunk.Data = nil
	c.p.stats.unconfirmed.Store(c.raw)
	if len(l.parcels) >= laneLimit && !l.held {
		l.held = true
		c.p.tailer.Park(l.source)
	}
}

// parcelSize is how much of data goes into one parcel, and how many lines that
// are: all of it where the limits let it.
func parcelSize(data []byte) (n, lines int) {
	n = len(data)
	if n > delivery.MaxBody {
		if n = bytes.LastIndexByte(data[:delivery.MaxBody], '\n') + 1; n < delivery.AnchorSize {
			n = delivery.CutPoint(data, delivery.MaxBody)
		}
	}
	if lines = bytes.Count(data[:n], lf); lines <= delivery.MaxLines-1 {
		if data[n-1] != '\n' {
			lines++
		}
		return n, lines
	}
	n = 0
	for lines = 0; lines < delivery.MaxLines-1; lines++ {
		n += bytes.IndexByte(data[n:], '\n') + 1
	}
	return n, lines
}

var lf = []byte{'\n'}

// trim takes off a parcel what lies before an offset within it. ok is false
// where that is not what the anchor says.
func (c *courier) trim(p *parcel, offset int64, anchor uint32) (ok bool) {
	b := p.batch
	b.Body = p.body
	lines, _, err := b.Unpack(nil)
	if err != nil {
		return false
	}
	n := int(offset - p.start)
	if n >= delivery.AnchorSize || p.start == 0 {
		ok = delivery.Anchor(lines[:n]) == anchor
	} else {
		ok = c.p.tailer.Fits(p.lane.source, offset, anchor)
	}
	if !ok {
		return false
	}
	c.held -= int64(len(p.body))
	c.raw -= int64(n)
	p.batch.Continues = lines[n-1] != '\n'
	p.body, p.batch.Encoding = c.packer.AppendBody(p.body[:0:0], lines[n:], false)
	p.start, p.batch.Size = offset, len(lines)-n
	c.held += int64(len(p.body))
	return true
}

// buffer is memory for a body.
func (c *courier) buffer() []byte {
	if n := len(c.spare); n > 0 {
		b := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return b[:0]
	}
	return nil
}

// give takes the memory of a body back.
func (c *courier) give(p *parcel) {
	if len(c.spare) < 2*laneLimit && cap(p.body) <= delivery.MaxBody {
		c.spare = append(c.spare, p.body)
	}
	p.body = nil
}
