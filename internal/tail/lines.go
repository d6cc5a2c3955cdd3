package tail

import (
	"bytes"
	"unicode/utf8"

	"github.com/dalog-project/dalog/internal/delivery"
)

// Chunk is contiguous bytes of one source: whole lines, or a piece of a line
// that is longer than the limit. Where it can it ends at the end of an event, as
// of [LastEvent], so that a chunk delivered as one keeps a traceback together. Call [Chunk.Line] until it has no more.
type Chunk struct {
	Source *Source
	// Data is what Line has not given out yet. It belongs to the Tailer and is
	// valid until the next call of Next.
	Data []byte
	// End is the position behind the chunk.
	End delivery.Position
	// Continues says that Data begins within a line whose beginning was in the
	// chunk before.
	Continues bool

	maxLine int
	cut     bool // Data ends within a line
}

// Line cuts the next line off Data, without its LF. A line longer than the limit
// comes in pieces, cut at a fixed distance from its beginning, whatever the
// timing of reads: more says that the line goes on in the next call or chunk.
func (c *Chunk) Line() (line []byte, more, ok bool) {
	if len(c.Data) == 0 {
		return nil, false, false
	}
	within := c.Data[:min(len(c.Data), c.maxLine+1)]
	if end := bytes.IndexByte(within, '\n'); end >= 0 {
		line, c.Data = c.Data[:end], c.Data[end+1:]
		return line, false, true
	}
	if len(within) > c.maxLine {
		n := CutPoint(c.Data, c.maxLine)
		line, c.Data = c.Data[:n], c.Data[n:]
		return line, true, true
	}
	line, c.Data = c.Data, nil
	return line, c.cut, true
}

// CutPoint is where to cut p, which is longer than limit: at limit, or up to 3
// bytes before it so that no UTF-8 character is cut in two. It depends on no
// byte behind limit.
func CutPoint(p []byte, limit int) int {
	if utf8.RuneStart(p[limit]) {
		return limit
	}
	for n := limit - 1; n > 0 && n > limit-utf8.UTFMax; n-- {
		if utf8.RuneStart(p[n]) {
			if n+runeLen(p[n]) > limit {
				return n
			}
			break
		}
	}
	return limit
}

// runeLen is how long a UTF-8 character is that begins with b.
func runeLen(b byte) int {
	switch {
	case b >= 0xf0:
		return 4
	case b >= 0xe0:
		return 3
	case b >= 0xc0:
		return 2
	}
	return 1
}
