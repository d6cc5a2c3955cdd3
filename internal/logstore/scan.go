package logstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"
)

// A Found is a line that a scan hands over.
type Found struct {
	Offset int64  // of its first byte
	End    int64  // of the line behind it
	Raw    []byte // without the line end; valid until the call returns
	Hit    bool   // it is wanted itself; false: it stands around a hit
	Event  int64  // offset of the first line of its event; Offset where Query.Events is not set
}

// A Limit is why a scan ended before all was looked through.
type Limit string

const (
	LimitNone  Limit = ""
	LimitLines Limit = "lines" // Query.Limit
	LimitScan  Limit = "scan"  // Query.MaxScan
	LimitTime  Limit = "time"  // Query.Deadline
)

// A Result says what a scan has done.
type Result struct {
	Hits    int
	Limited Limit
	// Next is where a scan goes on that is to find what this one has not: as
	// Query.From, and backward as Query.To.
	Next    int64
	More    bool // there is text that was not looked through, in the direction of the scan
	Scanned int64
	Missing int64 // bytes that were not there any more
}

// ErrStop ends a scan from within, without an error.
var ErrStop = errors.New("stop")

// Scan hands over the lines that q wants, in the order of the file, each once.
// It ends early when ctx ends or emit returns an error, which it returns.
func (t *Text) Scan(ctx context.Context, q Query, emit func(*Found) error) (Result, error) {
	from, to, err := t.bounds(q.From, q.To)
	if err != nil {
		return Result{}, err
	}
	if q.Backward && q.Limit == 0 {
		q.Backward = false
	}
	s := &scan{t: t, q: q, filter: newFilter(&q), from: from, to: to}
	out := newEmitter(t, s.filter, emit)
	if q.Backward {
		err = s.backward(ctx, out)
	} else {
		err = s.forward(ctx, out)
	}
	s.result.Hits = out.hits
	if errors.Is(err, ErrStop) {
		err = nil
	}
	return s.result, err
}

// bounds are the first and last offset of what a query covers.
func (t *Text) bounds(from, to int64) (int64, int64, error) {
	if from == FromStart {
		from = t.Start()
	}
	if to == 0 || to > t.End() {
		to = t.End()
	}
	if from < t.Start() {
		return 0, 0, t.evicted(from)
	}
	return from, max(from, to), nil
}

// A scan is one run of a query.
type scan struct {
	t        *Text
	q        Query
	filter   *filter
	from, to int64
	result   Result
}

const (
	smallBlock = 64 << 10 // the first one: often it is enough
	scanBlock  = 1 << 20
	// maxLine is how much of a line is looked at. What is behind belongs to no line.
	maxLine = 8 << 20
)

// span is a line in a block.
type span struct{ start, end int }

// spent tells whether the scan has used up what it may.
func (s *scan) spent() Limit {
	if s.q.MaxScan > 0 && s.result.Scanned >= s.q.MaxScan {
		return LimitScan
	}
	if !s.q.Deadline.IsZero() && time.Now().After(s.q.Deadline) {
		return LimitTime
	}
	return LimitNone
}

// forward looks through the blocks from the first to the last.
func (s *scan) forward(ctx context.Context, out *emitter) error {
	var b block
	var spans []span
	size := int64(smallBlock)
	at := s.from
	s.result.Next, s.result.More = at, at < s.to
	for at < s.to {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if s.result.Limited = s.spent(); s.result.Limited != LimitNone {
			return out.finish()
		}
		i := s.t.find(at)
		sec := s.t.sections[i]
		if at < sec.start {
			s.result.Missing += min(sec.start, s.to) - at
			at = min(sec.start, s.to)
			continue
		}
		end := min(at+size, sec.end, s.to)
		err := s.t.read(i, at, end, &b)
		if isEvicted(err) {
			s.result.Missing += min(sec.end, s.to) - at
			at = min(sec.end, s.to)
			continue
		}
		if err != nil {
			return err
		}
		s.result.Scanned += end - at
		spans = find(b.text, s.matcher(at), spans[:0])
		for _, x := range spans {
			err := out.hit(b.place(x), b.text[x.start:x.end])
			if err != nil {
				s.result.Next = max(s.result.Next, out.pos)
				s.result.More = s.result.Next < s.to
				if errors.Is(err, errEnough) {
					s.result.Limited = LimitLines
					return out.finish()
				}
				return err
			}
		}
		at = end
		s.result.Next, s.result.More = at, at < s.to
		size = min(2*size, scanBlock)
	}
	s.result.Next = max(s.to, out.pos)
	return out.finish()
}

// backward looks through the blocks from the last to the first, until it has
// enough, and hands over what it found in the order of the file.
func (s *scan) backward(ctx context.Context, out *emitter) error {
	var b block
	var spans []span
	var hits []place // the last one first
	size := int64(smallBlock)
	at := s.to
	event := int64(-1)
	n := 0
gather:
	for at > s.from {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if s.result.Limited = s.spent(); s.result.Limited != LimitNone {
			break
		}
		i := s.t.find(at - 1)
		if i == len(s.t.sections) || at-1 < s.t.sections[i].start {
			low := s.from
			if i > 0 {
				low = max(low, s.t.sections[i-1].end)
			}
			s.result.Missing += at - low
			at = low
			continue
		}
		start := max(at-size, s.t.sections[i].start, s.from)
		err := s.t.read(i, start, at, &b)
		if isEvicted(err) {
			low := max(s.t.sections[i].start, s.from)
			s.result.Missing += at - low
			at = low
			continue
		}
		if err != nil {
			return err
		}
		s.result.Scanned += at - start
		spans = find(b.text, s.matcher(start), spans[:0])
		for k := len(spans) - 1; k >= 0; k-- {
			p := b.place(spans[k])
			if s.q.Events {
				first, err := out.around.eventStart(p.start)
				if err != nil {
					return err
				}
				if first == event {
					continue
				}
				event = first
			}
			hits = append(hits, p)
			if n++; n == s.q.Limit {
				s.result.Limited = LimitLines
				at = p.start
				if s.q.Events {
					at = event
				}
				break gather
			}
		}
		at = start
		size = min(2*size, scanBlock)
	}
	s.result.Next, s.result.More = at, at > s.from
	if s.result.Limited == LimitLines && !s.result.More {
		s.result.Limited = LimitNone
	}
	out.unlimited = true
	found := newWindow(s.t, s.filter)
	for k := len(hits) - 1; k >= 0; k-- {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		line, err := found.line(hits[k])
		if isEvicted(err) {
			continue
		}
		if err == nil {
			err = out.hit(hits[k], line)
		}
		if err != nil {
			return err
		}
	}
	return out.finish()
}

// place is a line in a Text, without its line end; next is where the line behind
// it begins.
type place struct{ start, end, next int64 }

func (b *block) place(x span) place {
	p := place{b.offset + int64(x.start), b.offset + int64(x.end), b.offset + int64(x.end)}
	if x.end < len(b.text) {
		p.next++
	}
	return p
}

func isEvicted(err error) bool {
	var e *EvictedError
	return errors.As(err, &e)
}

// carryBack is how far back the time of a line is looked for that has none.
const carryBack = 64 << 10

// matcher makes one for the block that begins at off.
func (s *scan) matcher(off int64) *matcher {
	m := s.filter.matcher()
	m.before = func() int64 { return s.timeBefore(m, off) }
	return m
}

// timeBefore is the time of the last line before off that has one, or minTime.
func (s *scan) timeBefore(m *matcher, off int64) int64 {
	var b block
	size := int64(4 << 10)
	for stop := off - carryBack; off > stop; {
		i := s.t.find(off - 1)
		if i == len(s.t.sections) || off-1 < s.t.sections[i].start {
			break
		}
		low := max(off-size, s.t.sections[i].start)
		if s.t.read(i, low, off, &b) != nil {
			break
		}
		if at, ok := m.lastTime(b.text); ok {
			return at
		}
		off, size = low, 4*size
	}
	return minTime
}

// find appends the lines of text that m wants.
func find(text []byte, m *matcher, spans []span) []span {
	for at := 0; at < len(text); {
		start := at
		if m.needle != nil {
			i := bytes.Index(text[at:], m.needle.literal)
			if i < 0 {
				break
			}
			start = at + bytes.LastIndexByte(text[at:at+i], '\n') + 1
			at += i
		}
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text)
		} else {
			end += at
		}
		if m.match(text, start, end) {
			spans = append(spans, span{start, end})
		}
		at = end + 1
	}
	return spans
}

// A block is text that was read: whole lines.
type block struct {
	text   []byte // points into buf
	offset int64  // of its first byte
	buf    []byte
}

// read gives the lines that begin in [from, to), which is within section i. Of
// a line longer than maxLine it gives that much.
func (t *Text) read(i int, from, to int64, b *block) error {
	sec := t.sections[i]
	low := from
	if from > sec.start {
		low-- // to see whether a line begins at from
	}
	o, err := t.acquire(i)
	if err != nil {
		return err
	}
	defer t.release(o)
	b.buf = sized(b.buf, int(to-low))[:to-low]
	if err := readFull(o.snap, b.buf, low-sec.start); err != nil {
		return err
	}
	skip := 0
	if from > sec.start {
		skip = bytes.IndexByte(b.buf, '\n') + 1
		if skip == 0 || low+int64(skip) >= to { // no line begins here
			b.text, b.offset = nil, to
			return nil
		}
	}
	// The last line may go on behind to.
	for to < sec.end && b.buf[len(b.buf)-1] != '\n' && len(b.buf) < maxLine+int(to-from) {
		have := len(b.buf)
		more := int(min(sec.end-low-int64(have), max(4<<10, min(int64(have), scanBlock))))
		if more <= 0 {
			break
		}
		b.buf = append(b.buf, make([]byte, more)...)
		if err := readFull(o.snap, b.buf[have:], low-sec.start+int64(have)); err != nil {
			return err
		}
		if j := bytes.IndexByte(b.buf[have:], '\n'); j >= 0 {
			b.buf = b.buf[:have+j+1]
		}
	}
	b.text, b.offset = b.buf[skip:], low+int64(skip)
	return nil
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

func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
