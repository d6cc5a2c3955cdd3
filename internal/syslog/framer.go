package syslog

import "bytes"

// defaultMax is the number of bytes of a frame that are kept unless a [Framer]
// is told otherwise.
const defaultMax = 1 << 20

const (
	maxCountDigits = 7 // octet counts up to 9,999,999
	// slack is how far behind a position the bytes lie that decide whether a
	// frame ends there: the longest count with its blank and priority, and then some.
	slack = 16
)

// Framer cuts the bytes of one stream into frames. Each frame is told by how it
// begins, behind any line ends, NULs, blanks and byte order marks:
//
//   - One to seven digits, a blank and "<" (or a BOM) are an octet count (RFC
//     6587, section 3.4.1), whatever the frame holds. On a stream that has used
//     counts, anything may follow the blank.
//   - "<" begins a line, which LF or NUL ends (section 3.4.2); on a stream that
//     has used counts, the next count with a priority behind it does as well.
//   - Anything else is a line too, but on a stream that has used counts it is a
//     framing error: what stands before the next count with a priority, or the
//     next line that begins with "<" or a digit, is one frame. After ten such
//     errors in a row, or Max bytes of one, the framer gives up.
//
// How the bytes were cut into reads does not matter. The zero value is ready;
// it belongs to one goroutine.
type Framer struct {
	// Max is how many bytes of a frame are kept; the rest of it is passed
	// over as it arrives. 0 means 1 MiB. It must not change after the first
	// call of Next.
	Max int

	// What was seen up to now.
	Octet     uint64 // frames by octet count
	Line      uint64 // frames ended by LF or NUL
	Errors    uint64 // framing errors; each yields one frame
	Oversize  uint64 // frames longer than Max
	Discarded uint64 // bytes of those that were not kept
	Empty     uint64 // octet-counted frames that held nothing
	Skipped   uint64 // line ends, NULs, blanks and BOMs between frames, in bytes
	Dropped   uint64 // octet counts that the stream ended in or right behind

	off      int64 // of the stream: buf[0] of the call at hand
	lf, nul  needle
	header   int64 // stream offset up to which counts were looked for
	point    int64 // stream offset up to which line starts were looked for
	counted  bool  // a good octet-counted frame was seen
	inRow    int   // framing errors without a good frame between them
	excess   int   // bytes of an oversize counted frame still to be passed over
	skipping bool  // inside the rest of an oversize line
	err      error
}

// needle is what is known of the next byte of one value: none before at, and,
// where found is set, one right there. Offsets are the stream's.
type needle struct {
	at    int64
	found bool
}

// bufferSize is the largest buffer that Next ever needs: for a count and a
// frame of Max bytes, or for a longer line up to where that is known.
func (f *Framer) bufferSize() int { return f.max() + 2*slack }

func (f *Framer) max() int {
	if f.Max > 0 {
		return f.Max
	}
	return defaultMax
}

// Err is not nil once the framer has given up: the connection is to be closed.
func (f *Framer) Err() error { return f.err }

// Next cuts the next frame from buf, which holds the bytes of the stream that
// were not consumed yet. eof says that no more will come.
//
// The caller drops the first advance bytes of buf in any case. With ok, frame
// is the frame without its count and line end, a part of buf, and flags say
// what was wrong with it. Without ok there is no whole frame: the caller reads
// more behind what is left of buf, into a bigger buffer if that fills all of
// it; one of Max+32 bytes is always enough. Where eof was set, or Err is not
// nil, the stream is done.
func (f *Framer) Next(buf []byte, eof bool) (frame []byte, advance int, flags Flags, ok bool) {
	start := f.off
	rest := buf
	for {
		var n int
		var more bool
		frame, n, flags, more = f.step(rest, eof)
		rest = rest[n:]
		f.off += int64(n)
		if frame != nil || more {
			return frame, int(f.off - start), flags, frame != nil
		}
	}
}

// step does one thing at the start of b: it passes over bytes, cuts a frame,
// or finds that it needs more. n bytes are done with.
func (f *Framer) step(b []byte, eof bool) (frame []byte, n int, flags Flags, more bool) {
	switch {
	case f.err != nil:
		return nil, len(b), 0, true
	case f.excess > 0:
		n = min(f.excess, len(b))
		f.excess -= n
		f.Discarded += uint64(n)
		return nil, n, 0, n == len(b)
	case f.skipping:
		return f.skipLine(b, eof)
	case len(b) == 0:
		return nil, 0, 0, true
	}
	switch c := b[0]; {
	case c == '<':
		return f.line(b, eof)
	case isDigit(c):
		return f.digits(b, eof)
	case c == '\n', c == '\r', c == 0, c == ' ', c == '\t':
		n = 1
		for n < len(b) && (b[n] == '\n' || b[n] == '\r' || b[n] == 0 || b[n] == ' ' || b[n] == '\t') {
			n++
		}
		f.Skipped += uint64(n)
		return nil, n, 0, n == len(b)
	case c == bom[0] && bytes.HasPrefix(b, bom):
		f.Skipped += uint64(len(bom))
		return nil, len(bom), 0, len(b) == len(bom)
	case c == bom[0] && !eof && bytes.HasPrefix(bom, b):
		return nil, 0, 0, true
	case f.counted:
		return f.resync(b, eof)
	}
	return f.line(b, eof)
}

// digits cuts a frame that begins with a digit.
func (f *Framer) digits(b []byte, eof bool) (frame []byte, n int, flags Flags, more bool) {
	count, head, verdict := readCount(b, f.counted, eof)
	switch {
	case verdict == undecided && eof && f.counted:
		f.Dropped++
		return nil, len(b), 0, true
	case verdict == undecided && !eof:
		return nil, 0, 0, true
	case verdict == isCount:
		return f.octets(b, head, count, eof)
	case f.counted:
		return f.resync(b, eof)
	}
	return f.line(b, eof)
}

// octets cuts a frame of count bytes behind a head of head bytes.
func (f *Framer) octets(b []byte, head, count int, eof bool) (frame []byte, n int, flags Flags, more bool) {
	end := head + count
	if limit := f.max(); count > limit && len(b) >= head+limit {
		f.counted = true
		f.inRow = 0
		f.Octet++
		f.Oversize++
		end = head + limit
		f.excess = count - limit
		return b[head:end:end], end, Truncated, false
	}
	switch {
	case end <= len(b):
		frame = trimEnd(b[head:end:end])
		if len(frame) == 0 {
			f.Empty++
			return nil, end, 0, end == len(b)
		}
		f.counted = true
		f.inRow = 0
		f.Octet++
		return frame, end, 0, false
	case !eof:
		return nil, 0, 0, true
	}
	frame = trimEnd(b[head:])
	if len(frame) == 0 {
		f.Dropped++
		return nil, len(b), 0, true
	}
	f.Octet++
	return frame, len(b), Truncated, false
}

// line cuts a frame that a LF or NUL ends, or on a stream with octet counts
// the next count.
func (f *Framer) line(b []byte, eof bool) (frame []byte, n int, flags Flags, more bool) {
	end, after, found := f.lineEnd(b)
	if !found && !eof && len(b) < f.max()+slack {
		return nil, 0, 0, true
	}
	frame = b[:end:end]
	if end > 0 && b[end-1] == '\r' {
		frame = b[: end-1 : end-1]
	}
	f.Line++
	f.inRow = 0
	if limit := f.max(); len(frame) > limit {
		f.Oversize++
		f.skipping = true
		f.header = f.off // digits before the limit do not count in the rest
		return b[:limit:limit], limit, Truncated, false
	}
	if !found {
		flags = Unterminated
	}
	return frame, after, flags, false
}

// skipLine passes over the rest of an oversize line.
func (f *Framer) skipLine(b []byte, eof bool) (frame []byte, n int, flags Flags, more bool) {
	end, after, found := f.lineEnd(b)
	if !found {
		if !eof && f.counted {
			end = max(0, len(b)-slack) // a count may begin there
		}
		after = end
	}
	f.skipping = !found && !eof
	f.Discarded += uint64(end)
	return nil, after, 0, !found || after == len(b)
}

// lineEnd finds the end of the line that starts at b[0], and what comes after
// it. Where it is not in b, both are len(b).
func (f *Framer) lineEnd(b []byte) (end, after int, found bool) {
	f.lf.find(b, f.off, len(b), '\n')
	end = int(f.lf.at - f.off)
	f.nul.find(b, f.off, end, 0)
	found = f.lf.found
	if nul := int(f.nul.at - f.off); f.nul.found && nul < end {
		end, found = nul, true
	}
	after = end
	if found {
		after++
	}
	if f.counted {
		if at := f.findHeader(b[:end]); at >= 0 {
			return at, at, true
		}
	}
	return end, after, found
}

// find looks for c in b[:end], b being the stream from off on.
func (k *needle) find(b []byte, off int64, end int, c byte) {
	if k.at < off {
		k.at, k.found = off, false
	}
	from := int(k.at - off)
	if k.found || from >= end {
		return
	}
	i := bytes.IndexByte(b[from:end], c)
	if i < 0 {
		k.at = off + int64(end)
		return
	}
	k.at, k.found = k.at+int64(i), true
}
