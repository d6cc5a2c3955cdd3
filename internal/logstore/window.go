package logstore

import "bytes"

// A window reads lines here and there in a Text, mostly near to each other.
// Not for concurrent use.
type window struct {
	t     *Text
	lines *LineReader
	b     block // whole lines
	event []place
}

const windowSize = 64 << 10

func newWindow(t *Text, f *filter) *window {
	return &window{t: t, lines: NewLineReader(f.zone, f.now)}
}

// line reads the line at p. It is valid until the window moves.
func (w *window) line(p place) ([]byte, error) {
	if p.start < w.b.offset || p.end > w.b.offset+int64(len(w.b.text)) {
		if err := w.fill(p.start); err != nil {
			return nil, err
		}
	}
	start := p.start - w.b.offset
	end := min(p.end-w.b.offset, int64(len(w.b.text)))
	return w.b.text[start:max(start, end)], nil
}

// fill reads the lines from off on, at which one begins.
func (w *window) fill(off int64) error {
	w.b.text = nil
	i := w.t.find(off)
	if i == len(w.t.sections) || off < w.t.sections[i].start {
		return w.t.evicted(off)
	}
	return w.t.read(i, off, min(off+windowSize, w.t.sections[i].end), &w.b)
}

// each calls fn for the lines that begin in [from, to); at from one does. It
// passes over what is not there any more.
func (w *window) each(from, to int64, fn func(p place, raw []byte) error) error {
	for from < to {
		if from < w.b.offset || from >= w.b.offset+int64(len(w.b.text)) {
			i := w.t.find(from)
			if i == len(w.t.sections) {
				return nil
			}
			from = max(from, w.t.sections[i].start)
			err := w.fill(from)
			if isEvicted(err) {
				from = w.t.sections[i].end
				continue
			}
			if err != nil {
				return err
			}
			if len(w.b.text) == 0 { // inside a line that is too long
				from = min(from+windowSize, w.t.sections[i].end)
				continue
			}
			from = w.b.offset
		}
		// fn may move the window.
		text, base := w.b.text, w.b.offset
		start := int(from - base)
		end := bytes.IndexByte(text[start:], '\n')
		p := place{start: from}
		if end < 0 {
			end = len(text)
			p.end, p.next = base+int64(end), base+int64(end)
		} else {
			end += start
			p.end, p.next = base+int64(end), base+int64(end)+1
		}
		if from >= to {
			return nil
		}
		if err := fn(p, text[start:end]); err != nil {
			return err
		}
		from = p.next
	}
	return nil
}

// back is the offset at which the n lines before off begin. It stops at a gap.
func (w *window) back(off int64, n int) (int64, error) {
	for n > 0 {
		i := w.t.find(off - 1)
		if i == len(w.t.sections) || off-1 < w.t.sections[i].start {
			break
		}
		sec := w.t.sections[i]
		o, err := w.t.acquire(i)
		if isEvicted(err) {
			break
		}
		if err != nil {
			return off, err
		}
		at, have, err := lastLines(o.snap, off-sec.start, n)
		w.t.release(o)
		if err != nil {
			return off, err
		}
		off, n = sec.start+at, n-have
	}
	return off, nil
}
