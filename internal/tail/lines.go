package tail

import (
	"bytes"

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
		n := delivery.CutPoint(c.Data, c.maxLine)
		line, c.Data = c.Data[:n], c.Data[n:]
		return line, true, true
	}
	line, c.Data = c.Data, nil
	return line, c.cut, true
}
