package logstore

import (
	"bytes"
	"fmt"
	"iter"
	"sort"
)

// A repair says how the end of a file becomes what it should be. The file keeps
// every byte that it has, but those overwritten.
type repair struct {
	fills []fill // stretches to be overwritten, in order
	// finish is what is missing of our line that the file ends with; rest is
	// what is to be added behind that.
	finish, rest []byte
	found        int  // bytes of ours that are there
	foreign      int  // whole lines of others
	exact        bool // what is there is the beginning of what should be, and nothing else
}

// fill replaces the bytes from off on, which were lost when the power failed.
type fill struct {
	off  int64
	data []byte
	lost []byte // what the file has there
	// others is how many bytes of data say that as many of others were lost.
	others int
}

// reconcile compares have, the end of a file, with want, the bytes that were to
// be added there, line by line. Others may have added lines in between; what was
// not durable when the power failed may be NUL, or missing at the end.
//
// Ours are there once and in order when the repair is done, and so is every line
// of others that is whole. A line of another's that is byte for byte one of ours
// counts as ours as long as that one is not there otherwise: nothing tells them
// apart.
//
//	have   ours 1 | foreign | ours 2 | NUL NUL NUL | foreign | ours 5 | our
//	fills                            | ours 3 + 4  |
//	finish                                                            | s 6
//	rest                                                                    | ours 7
//
// midst says that have begins in the midst of a line of another's.
func reconcile(have, want []byte, midst bool) repair {
	same := commonPrefix(have, want)
	if same == len(have) {
		line := 0
		if same > 0 && want[same-1] != '\n' {
			line = lineLength(want[same:])
		}
		return repair{found: same, finish: want[same : same+line], rest: want[same+line:], exact: true}
	}
	begin := bytes.LastIndexByte(have[:same], '\n') + 1
	m := newMatch(have[begin:], want[begin:])
	m.midst = midst && begin == 0
	r, ok := m.inOrder()
	if !ok {
		r = m.unordered()
	}
	r.found += begin
	for i := range r.fills {
		r.fills[i].off += int64(begin)
	}
	return r
}

func commonPrefix(a, b []byte) int {
	const block = 4 << 10
	n := min(len(a), len(b))
	i := 0
	for i+block <= n && bytes.Equal(a[i:i+block], b[i:i+block]) {
		i += block
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// lineLength is the length of the line that b begins with, its end included.
func lineLength(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// match holds the lines of both sides.
type match struct {
	have   []byte
	chunks []chunk

	want    []byte
	ends    []int          // of the lines of want
	number  map[string]int // the number of each content of a line
	repeats []int          // by number: how often it is wanted

	midst  bool // have begins in the midst of a line
	theirs bool // what follows on damage is the end of another's line, but for the last
	next   int  // the first line of want that is not dealt with
	tries  int  // how many more places for runs of our lines are looked at
}

// chunk is a stretch of have that ends with a line end, or with the file.
type chunk struct {
	start, end int
	kind       chunkKind
	number     int // of its content, if ours
}

type chunkKind byte

const (
	foreignLine chunkKind = iota
	ourLine
	withNUL
	partial // the end of the file, without a line end
)

func newMatch(have, want []byte) *match {
	m := &match{have: have, want: want, number: make(map[string]int)}
	for at := 0; at < len(want); {
		end := at + lineLength(want[at:])
		n, known := m.number[string(want[at:end])]
		if !known {
			n = len(m.repeats)
			m.number[string(want[at:end])] = n
			m.repeats = append(m.repeats, 0)
		}
		m.repeats[n]++
		m.ends = append(m.ends, end)
		at = end
	}
	for at := 0; at < len(have); {
		c := chunk{start: at, end: at + lineLength(have[at:])}
		line := have[c.start:c.end]
		n, ours := m.number[string(line)]
		switch {
		case bytes.IndexByte(line, 0) >= 0:
			c.kind = withNUL
		case ours:
			c.kind, c.number = ourLine, n
		case line[len(line)-1] != '\n':
			c.kind = partial
		}
		m.chunks = append(m.chunks, c)
		at = c.end
	}
	return m
}

// start is where line i of want begins.
func (m *match) start(i int) int {
	if i == 0 {
		return 0
	}
	return m.ends[i-1]
}

func (m *match) line(i int) []byte { return m.want[m.start(i):m.ends[i]] }

// inOrder makes the repair where all is as it was written, but for what is
// damaged: between two damaged stretches our lines are consecutive ones of want.
func (m *match) inOrder() (r repair, ok bool) {
	m.next, m.tries = 0, maxTries
	ok = m.inOrderFrom(0, 0, &r)
	return r, ok
}

// maxTries bounds how many places are tried for runs of our lines, where alike ones
// make many possible.
const maxTries = 1000

// inOrderFrom makes the rest of the repair, from a chunk and a line of want on, of
// which what is to be added begins at added. Without success r and m.next are as
// they were.
func (m *match) inOrderFrom(at, added int, r *repair) bool {
	if at == len(m.chunks) {
		m.finish(r, m.want[added:], added != m.start(m.next))
		return true
	}
	first := at
	for at < len(m.chunks) && m.chunks[at].kind != ourLine {
		at++
	}
	run := at
	for at < len(m.chunks) && m.chunks[at].kind != withNUL {
		at++
	}
	gap, ours := m.chunks[first:run], m.chunks[run:at]
	if len(ours) == 0 {
		return m.inOrderFrom(at, m.fill(r, gap, len(m.ends), true), r)
	}
	next, before := m.next, *r
	for to := range m.runs(gap, ours) {
		for _, theirs := range []bool{false, true} { // the end of another's line may have been taken for ours
			if m.tries--; m.tries < 0 {
				return false
			}
			m.theirs = theirs
			added := m.fill(r, gap, to, false)
			m.theirs = false
			if m.next == to {
				for _, c := range ours {
					if c.kind == ourLine && m.next < len(m.ends) {
						r.found += c.end - c.start
						m.next++
						added = m.start(m.next)
					}
				}
				if m.inOrderFrom(at, added, r) {
					return true
				}
			}
			m.next, *r = next, before
		}
	}
	return false
}

// runs gives the lines of want that the first of our lines in run can be, the most
// likely first: the last one possible that leaves no more missing than the damaged
// stretches among gap can have held.
func (m *match) runs(gap, run []chunk) iter.Seq[int] {
	room := 0
	for _, c := range gap {
		if c.kind == withNUL {
			room += c.end - c.start
		}
	}
	next := m.next
	from := m.start(next)
	fit := sort.Search(len(m.ends)-next+1, func(i int) bool { return m.start(next+i)-from > room })
	return func(yield func(int) bool) {
		for _, surplus := range []bool{false, true} {
			for i := next + fit - 1; i >= next; i-- {
				if m.isRun(run, i, surplus) && !yield(i) {
					return
				}
			}
		}
	}
}

// isRun tells whether our lines in run are those of want from line i on. surplus
// allows for more lines that look like ours behind all that the log knows.
func (m *match) isRun(run []chunk, i int, surplus bool) bool {
	for _, c := range run {
		if c.kind != ourLine {
			continue
		}
		if i == len(m.ends) {
			return surplus
		}
		if !bytes.Equal(m.have[c.start:c.end], m.line(i)) {
			return false
		}
		i++
	}
	return true
}

// fill repairs the damaged stretches among gap with the lines before to; last
// says that there is nothing of ours behind them. It gives where in want it
// came to.
//
// What is put there agrees with what is left of our lines, so that a repair that
// is cut off leaves nothing but such a stretch.
func (m *match) fill(r *repair, gap []chunk, to int, last bool) (at int) {
	final := len(gap) - 1 // the last damaged one
	for final >= 0 && gap[final].kind != withNUL {
		final--
	}
	for i, c := range gap {
		if c.kind != withNUL {
			continue
		}
		from := m.next
		switch {
		case i == final && !last:
			from = max(from, to-1) // behind it there is no room for others of ours
		case m.theirs:
			from = to
		}
		end, ending := m.damageEnd(c, from, to)
		lead := m.lead(c)
		begin, room := m.start(m.next), end-c.start-len(lead)
		fit := m.next
		if ending >= 0 {
			fit = ending
		}
		for m.next < to && m.ends[m.next]-begin <= room && (ending < 0 || m.next < fit) {
			m.next++
		}
		n := m.start(m.next) - begin
		data := append(lead, m.want[begin:begin+n]...)
		switch {
		case ending >= 0:
			line := m.line(ending)
			data = append(append(data, lossMark(room-n-len(line), false)...), line...)
			n += len(line)
			m.next++
		case last && end == len(m.have) && m.next < to:
			// The file ends in the midst of ours, and so does what is put there.
			data = append(data, m.want[begin+n:begin+room]...)
			n = room
		default:
			data = append(data, lossMark(room-n, end < c.end)...)
		}
		r.fills = append(r.fills, fill{off: int64(c.start), data: data, lost: m.have[c.start:end], others: room - n})
		at = begin + n
	}
	return max(at, m.start(m.next))
}

// damageEnd is where the damaged stretch c ends: behind the last NUL, unless the
// text that follows is the end of one of our lines from..to-1, which is ending.
func (m *match) damageEnd(c chunk, from, to int) (end, ending int) {
	last := c.start + bytes.LastIndexByte(m.have[c.start:c.end], 0) + 1
	text := m.have[last:c.end]
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return c.end, -1
	}
	room := c.end - c.start - len(m.lead(c))
	end, ending = last, -1
	if len(text) == 1 {
		end = c.end // the end of what was lost
	}
	for i := from; i < to && m.ends[i]-m.start(m.next) <= room; i++ {
		if bytes.HasSuffix(m.line(i), text) {
			end, ending = c.end, i
		}
	}
	return end, ending
}

// lead is what has to stand in the damaged stretch c before a line.
func (m *match) lead(c chunk) []byte {
	if c.start == 0 && m.midst {
		return []byte{'\n'}
	}
	return nil
}

// unordered makes the repair where somebody else has changed more than he could
// by adding lines: each of ours that is not there is added.
func (m *match) unordered() (r repair) {
	m.next = 0
	there := make([]int, len(m.repeats))
	found := func(number, length int) bool {
		if there[number] == m.repeats[number] {
			return false
		}
		there[number]++
		r.found += length
		return true
	}
	for _, c := range m.chunks {
		switch c.kind {
		case ourLine:
			found(c.number, c.end-c.start)
		case withNUL:
			end := c.start + bytes.LastIndexByte(m.have[c.start:c.end], 0) + 1
			text := m.have[end:c.end]
			n, whole := m.number[string(text)]
			if whole = whole && found(n, len(text)); !whole {
				end, _ = m.damageEnd(c, m.next, len(m.ends))
			}
			lead := m.lead(c)
			room := end - c.start - len(lead)
			r.fills = append(r.fills, fill{off: int64(c.start), data: append(lead, lossMark(room, !whole && end < c.end)...), lost: m.have[c.start:end], others: room})
		}
	}
	var missing []byte
	for i := range m.ends {
		n := m.number[string(m.line(i))]
		if there[n] > 0 {
			there[n]--
			continue
		}
		missing = append(missing, m.line(i)...)
	}
	m.finish(&r, missing, false)
	return r
}

// finish tells what is to be added: missing, which begins in the midst of the
// line that the file ends with if midst is set.
func (m *match) finish(r *repair, missing []byte, midst bool) {
	line := lineLength(missing)
	if len(m.chunks) > 0 {
		last := m.chunks[len(m.chunks)-1]
		text := m.have[last.start:last.end]
		if last.kind == partial && bytes.HasPrefix(missing[:line], text) {
			missing, line, midst = missing[len(text):], line-len(text), true
			r.found += len(text)
		}
	}
	if !midst {
		line = 0
	}
	r.finish, r.rest = missing[:line], missing[line:]
	for _, c := range m.chunks {
		if c.kind == foreignLine {
			r.foreign++
		}
	}
}

// lossMark is n bytes that say that there were others: a line, or the beginning of
// the one that what is left of theirs ends, if tail is set.
func lossMark(n int, tail bool) []byte {
	if n == 0 {
		return nil
	}
	b := bytes.Repeat([]byte{'.'}, n)
	for _, text := range []string{fmt.Sprintf("dalog: %d bytes were lost here when the power failed ", n), "dalog: lost "} {
		if len(text) < n {
			copy(b, text)
			break
		}
	}
	b[n-1] = '\n'
	if tail {
		b[n-1] = ' '
	}
	return b
}
