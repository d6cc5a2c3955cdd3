package httpindex

import (
	"context"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

// chunkSize is how many bytes of a file are looked through at a time for a
// follower.
const chunkSize = 512 << 10

// A chunk is what a stretch of a file has for all followers who want the same
// of it. It is worked out once.
type chunk struct {
	once  sync.Once
	lines []chunkLine
	buf   []byte
	next  int64 // offset at which the next one begins
	err   error
}

// chunkLine is one line, as it is sent, in the chunk's buf.
type chunkLine struct {
	start, end int
	at         int64 // its time
	next       int64 // offset behind the line
}

type chunkKey struct {
	query    string // what is wanted, and in which form
	from, to int64
}

// chunk gives what q finds in [from, to) of text. Others may use it as well.
// fresh: it was worked out for this caller.
func (t *tail) chunk(text *sharedText, f *follower, from, to int64) (c *chunk, fresh bool) {
	key := chunkKey{f.key, from, to}
	t.mu.Lock()
	if c = t.chunks[key]; c == nil {
		c = new(chunk)
		if t.chunks == nil || len(t.chunks) >= 16 {
			t.chunks = make(map[chunkKey]*chunk)
		}
		if text == t.now {
			t.chunks[key] = c
		}
	}
	t.mu.Unlock()
	c.once.Do(func() {
		fresh = true
		c.find(text.Text, f, from, to)
	})
	return c, fresh
}

func (c *chunk) find(text *logstore.Text, f *follower, from, to int64) {
	q := f.query
	q.From, q.To = from, to
	now := time.Now()
	lines := newLineWriter(&search{Query: q, cut: f.cut}, now)
	at := int64(0)
	res, err := text.Scan(context.Background(), q, func(found *logstore.Found) error {
		start := len(c.buf)
		if f.form == followText {
			c.buf = append(append(c.buf, found.Raw...), '\n')
		} else {
			c.buf = lines.append(c.buf, text.Name, found)
		}
		if columns := lines.reader.Columns(found.Raw); columns.Time.Valid {
			at = columns.Time.Sec*1e9 + int64(columns.Time.Nsec)
		}
		c.lines = append(c.lines, chunkLine{start, len(c.buf), at, found.End})
		return nil
	})
	c.next, c.err = max(res.Next, to), err
}
