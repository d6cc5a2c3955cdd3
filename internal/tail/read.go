package tail

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/delivery"
)

// quantum is how many bytes of one source are read before the next source has
// its turn; only a line may be longer.
const quantum = 512 << 10

// Next reads the next chunk, taking turns among the sources that have something
// unread. It does not wait: ok is false when there is nothing to read, and
// [Tailer.Ready] tells when to ask again. It must be called from one goroutine
// at a time.
func (t *Tailer) Next() (chunk Chunk, ok bool) {
	for {
		s := t.take()
		if s == nil {
			return Chunk{}, false
		}
		if chunk, ok = t.read(s); ok {
			return chunk, true
		}
	}
}

// Ready receives when there may be something to read.
func (t *Tailer) Ready() <-chan struct{} { return t.wake }

// Confirm says that everything of s before p has arrived and need not be held
// readable any more. p is the End of a chunk.
func (t *Tailer) Confirm(s *Source, p delivery.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.confirmed, s.ackedAt = p, time.Now()
	if p.Offset >= s.behindAt && s.size > p.Offset {
		s.behindAt, s.behind = s.size, s.ackedAt
	}
}

// read reads once from s, which take has marked busy.
//
// The bytes before the offset and the file's first bytes are read again and
// compared: that is how content replaced between two looks is noticed even if
// the file is longer than before.
func (t *Tailer) read(s *Source) (Chunk, bool) {
	last := s.cursor.Last()
	start := s.cursor.Offset()
	if start > delivery.AnchorSize { // otherwise last is the beginning
		n, err := t.pread(s.file, 0, delivery.AnchorSize, 0)
		if err != nil {
			return t.failed(s, err)
		}
		if n < delivery.AnchorSize || !s.cursor.BeginsWith(t.buf[:n]) {
			return t.broke(s)
		}
	}
	from := start - int64(len(last))
	want := len(last) + quantum
	limited := start < s.allowed
	if limited {
		want = len(last) + int(s.allowed-start)
	}
	got, err := t.pread(s.file, 0, want, from)
	if err != nil {
		return t.failed(s, err)
	}
	if got < len(last) || !bytes.Equal(t.buf[:len(last)], last) {
		return t.broke(s)
	}
	limit := len(last) + t.cfg.MaxLine + 1
	end := len(last) + bytes.LastIndexByte(t.buf[len(last):got], '\n') + 1
	for end == len(last) && got == want && want < limit && !limited {
		want = min(want+quantum, limit)
		n, err := t.pread(s.file, got, want, from+int64(got))
		if err != nil {
			return t.failed(s, err)
		}
		if i := bytes.LastIndexByte(t.buf[got:got+n], '\n'); i >= 0 {
			end = got + i + 1
		}
		got += n
	}
	data := t.buf[len(last):got]
	if n := s.first.Offset; start == 0 && n > 0 && (int64(len(data)) < n || delivery.Anchor(data[:n]) != s.first.Head) {
		return t.broke(s)
	}
	if start == 0 && len(data) > 0 && data[0] == 0 {
		return t.skipHole(s)
	}
	chunk := Chunk{
		Source:    s,
		Continues: len(last) > 0 && last[len(last)-1] != '\n',
		maxLine:   t.cfg.MaxLine,
	}

	hold := 0 // bytes of whole lines to be read again
	if !limited && !t.cfg.NoHold {
		hold = unfinished(data[:end-len(last)], got == want)
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	s.readErr = nil
	if len(data) > 0 {
		if before := t.before(s, limited); before != nil {
			s.allowed = start + int64(len(data))
			t.waitFor(s, before)
			return Chunk{}, false
		}
	}
	s.eof = got < want && !s.partial
	s.seen = start + int64(len(data))
	if s.eof && hold > 0 {
		if s.held = !s.holdOver && !s.flush && !t.ending; s.held {
			s.eof = false
			s.seen = start + int64(end-len(last)-hold)
		} else {
			hold = 0
		}
	} else {
		s.held = false
	}
	s.holdOver = false
	switch {
	case end-hold > len(last):
		end -= hold
		chunk.Data = data[:end-len(last)]
	case len(data) > t.cfg.MaxLine:
		chunk.Data, chunk.cut = data[:delivery.CutPoint(data, t.cfg.MaxLine)], true
	case s.flush && s.eof:
		chunk.Data = data
	case limited:
		s.allowed = 0 // not a whole line: look at the older files again
	}
	s.cursor.Advance(chunk.Data)
	if len(chunk.Data) > 0 {
		chunk.End = s.cursor.Position()
	}
	s.again = s.again || !s.eof && !s.held && got == want || s.flush && s.seen > s.cursor.Offset() || chunk.cut
	t.release(s)
	return chunk, len(chunk.Data) > 0
}

// unfinished is how many bytes at the end of p, whole lines, belong to an event
// that may not end there. More says that p is followed by other bytes.
func unfinished(p []byte, more bool) int {
	start, open := LastEvent(p)
	switch n := len(p) - start; {
	case n >= holdBytes, more && start == 0, !more && !open:
		return 0
	default:
		return n
	}
}

// skipHole moves s to the first byte of its file that is not NUL. A program that
// does not append goes on writing at its old offset after the file was emptied,
// and leaves a hole before it, which may be as large as the disk.
func (t *Tailer) skipHole(s *Source) (Chunk, bool) {
	offset, err := firstData(s.file, t.buf[:quantum])
	var cursor *delivery.Cursor
	if err == nil {
		cursor, err = delivery.CursorAt(s.file, offset)
	}
	t.mu.Lock()
	if err == nil {
		s.cursor = cursor
		s.seen = max(s.seen, offset)
		s.again = true
		t.release(s)
	}
	t.mu.Unlock()
	if err != nil {
		return t.failed(s, err)
	}
	return Chunk{}, false
}

// firstData gives the offset of the first byte that is not NUL.
func firstData(f *os.File, buf []byte) (int64, error) {
	offset, err := f.Seek(0, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) { // nothing but a hole
		return f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		offset = 0
	}
	for {
		n, err := f.ReadAt(buf, offset)
		for i, c := range buf[:n] {
			if c != 0 {
				return offset + int64(i), nil
			}
		}
		offset += int64(n)
		if errors.Is(err, io.EOF) {
			return offset, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// pread fills t.buf[from:to] from the file at offset. Fewer bytes than that mean
// that the file ends there at this moment.
func (t *Tailer) pread(f *os.File, from, to int, offset int64) (n int, err error) {
	if len(t.buf) < to {
		t.buf = append(t.buf, make([]byte, to-len(t.buf))...)
	}
	err = retryEINTR(func() error {
		n, err = unix.Pread(int(f.Fd()), t.buf[from:to], offset)
		return err
	})
	if err != nil {
		return 0, &os.PathError{Op: "read", Path: f.Name(), Err: err}
	}
	return n, nil
}

func (t *Tailer) failed(s *Source, err error) (Chunk, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.readErr = err
	s.again = false
	t.release(s)
	t.openGates(s)
	return Chunk{}, false
}

func (t *Tailer) broke(s *Source) (Chunk, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.broken = true
	t.release(s)
	t.rouse()
	return Chunk{}, false
}
