package forwarder

import (
	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/tail"
)

// segmentSize is how many bytes of frames are gathered before they are written;
// a segment is filled beyond it by one frame at most.
const segmentSize = 256 << 10

// window holds the frames that the server is not known to have, so that they
// can be sent again as they were. Offsets count the bytes of all frames of this
// run. Frames never straddle segments.
type window struct {
	segments []*segment // oldest first; the last one is being filled
	spare    []*segment
	marks    []mark // oldest first
	end      int64  // behind the last frame
	sent     int64  // written to the present connection, or to none
	safe     int64  // everything before it is confirmed
}

type segment struct {
	start int64
	buf   []byte
}

func (s *segment) end() int64 { return s.start + int64(len(s.buf)) }

// mark says that once all before at is confirmed, source is delivered up to
// position.
type mark struct {
	at       int64
	source   *tail.Source
	position delivery.Position
	lines    int
}

// tail gives the segment to append frames to, with room for one more.
func (w *window) tail() *segment {
	if n := len(w.segments); n > 0 && len(w.segments[n-1].buf) < segmentSize {
		return w.segments[n-1]
	}
	var s *segment
	if n := len(w.spare); n > 0 {
		s, w.spare = w.spare[n-1], w.spare[:n-1]
	} else {
		s = &segment{buf: make([]byte, 0, segmentSize+maxFrame)}
	}
	s.start, s.buf = w.end, s.buf[:0]
	w.segments = append(w.segments, s)
	return s
}

// sources are those that are not confirmed to their last mark.
func (w *window) sources() map[*tail.Source]bool {
	all := map[*tail.Source]bool{}
	for _, m := range w.marks {
		all[m.source] = true
	}
	return all
}

// unsent is how many bytes wait to be written.
func (w *window) unsent() int64 { return w.end - w.sent }

// held is how many bytes are not confirmed.
func (w *window) held() int64 { return w.end - w.safe }

// next gives bytes to write, at most one segment's; none when all is sent.
func (w *window) next() []byte {
	for _, s := range w.segments {
		if s.end() > w.sent {
			return s.buf[w.sent-s.start:]
		}
	}
	return nil
}

// confirm says that the server has everything before safe. It calls done for
// each mark that this passes.
func (w *window) confirm(safe int64, done func(mark)) {
	w.safe = max(w.safe, safe)
	n := 0
	for n < len(w.marks) && w.marks[n].at <= w.safe {
		done(w.marks[n])
		n++
	}
	w.marks = w.marks[:copy(w.marks, w.marks[n:])]
	n = 0
	for n < len(w.segments) && w.segments[n].end() <= w.safe && len(w.segments[n].buf) >= segmentSize {
		if len(w.spare) < 4 {
			w.spare = append(w.spare, w.segments[n])
		}
		n++
	}
	if n == len(w.segments)-1 && w.safe == w.end && len(w.segments[n].buf) > 0 {
		w.segments[n].start, w.segments[n].buf = w.end, w.segments[n].buf[:0]
	}
	w.segments = w.segments[:copy(w.segments, w.segments[n:])]
}

// rewind makes everything be sent again from the first frame on that is not
// confirmed to its end. frameLen gives the length of the first frame in a
// buffer. It returns how many bytes had been sent before.
func (w *window) rewind(frameLen func([]byte) int) (again int64) {
	from := w.end
	for _, s := range w.segments {
		if s.end() <= w.safe {
			continue
		}
		from = s.start
		for p := s.buf; from < w.safe; {
			n := frameLen(p)
			if from+int64(n) > w.safe {
				break
			}
			from, p = from+int64(n), p[n:]
		}
		break
	}
	again = w.sent - from
	w.sent = from
	return max(again, 0)
}
