package httpindex

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

// maxHeld is how much of the chosen lines of a file is held in memory.
const maxHeld = 1 << 20

// archiving is an archive that is being made.
type archiving struct {
	ctx      context.Context
	logs     Logs
	out      archiver
	folder   string
	query    logstore.Query
	filtered bool
	manifest manifest
	buf      []byte
}

func (a *archiving) write(names []string) error {
	a.buf = make([]byte, copyBuffer)
	for _, name := range names {
		file := &archived{Name: name}
		switch err := a.writeFile(file); {
		case errors.Is(err, fs.ErrNotExist):
			continue // removed meanwhile
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
		a.manifest.Files = append(a.manifest.Files, file)
	}
	var sums strings.Builder
	for _, f := range a.manifest.Files {
		if f.SHA256 != "" {
			fmt.Fprintf(&sums, "%s  %s\n", f.SHA256, f.Name)
		}
	}
	if err := a.writeMember("SHA256SUMS", []byte(sums.String())); err != nil {
		return err
	}
	text, err := json.MarshalIndent(a.manifest, "", "  ")
	if err != nil {
		return err
	}
	if err := a.writeMember("manifest.json", append(text, '\n')); err != nil {
		return err
	}
	return a.out.close()
}

func (a *archiving) writeMember(name string, text []byte) error {
	w, err := a.out.add(a.folder+"/"+name, int64(len(text)), a.manifest.Made)
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// writeFile writes one log file as it stands at this moment.
func (a *archiving) writeFile(file *archived) error {
	t, err := a.logs.OpenText(file.Name)
	if errors.Is(err, logstore.ErrNotText) {
		return a.writeOther(file)
	}
	if err != nil {
		return err
	}
	defer t.Close()
	file.Start, file.End = t.Start(), t.End()
	if a.filtered {
		return a.writeLines(file, t)
	}
	size := int64(0)
	stretches := t.Stretches()
	for _, r := range stretches {
		size += r.End - r.Start
	}
	file.Missing = file.End - file.Start - size
	m, err := a.begin(file, size, t.ModTime())
	for _, r := range stretches {
		if err == nil {
			err = a.copy(m, t, r.Start, r.End)
		}
	}
	return m.end(err)
}

// writeOther writes a file that is no text as it is. No filter applies to it.
func (a *archiving) writeOther(file *archived) error {
	if a.filtered {
		file.Note = "left out: it is compressed, and has no lines to choose from"
		return nil
	}
	snap, err := a.logs.OpenFile(file.Name)
	if err != nil {
		return err
	}
	defer snap.Close()
	file.End = snap.Size
	m, err := a.begin(file, snap.Size, snap.ModTime)
	if err == nil {
		err = a.copy(m, snap, 0, snap.Size)
	}
	return m.end(err)
}

// copy writes the bytes from start to end.
func (a *archiving) copy(w io.Writer, r io.ReaderAt, start, end int64) error {
	for start < end {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		buf := a.buf[:min(int64(len(a.buf)), end-start)]
		n, err := r.ReadAt(buf, start)
		if n < len(buf) {
			return fmt.Errorf("byte %d of %d cannot be read: %w", start+int64(n), end, err)
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		start += int64(n)
	}
	return nil
}

// writeLines writes the lines that the query wants. Where the archive wants
// the size first, and they are more than fit in memory, they are looked for
// twice.
func (a *archiving) writeLines(file *archived, t *logstore.Text) error {
	var (
		early []byte // lines, as long as they fit
		size  int64
		m     *member
	)
	hold := a.out.wantsSize()
	emit := func(f *logstore.Found) error {
		if file.First == nil {
			file.First = new(f.Offset)
			file.Last = new(f.Offset)
		}
		*file.First, *file.Last = min(*file.First, f.Offset), max(*file.Last, f.Offset)
		size += int64(len(f.Raw)) + 1
		if hold {
			if size <= maxHeld {
				early = append(append(early, f.Raw...), '\n')
			}
			return nil
		}
		var err error
		if m == nil {
			if m, err = a.begin(file, -1, t.ModTime()); err != nil {
				return err
			}
		}
		return m.line(f.Raw)
	}
	res, err := t.Scan(a.ctx, a.query, emit)
	file.Missing = res.Missing
	if err != nil || size == 0 {
		return err
	}
	if hold {
		if m, err = a.begin(file, size, t.ModTime()); err != nil {
			return err
		}
		if size <= maxHeld {
			_, err = m.Write(early)
			return m.end(err)
		}
		if _, err = t.Scan(a.ctx, a.query, func(f *logstore.Found) error { return m.line(f.Raw) }); err == nil {
			err = m.flush()
		}
		if err == nil && m.bytes != size {
			err = fmt.Errorf("it has changed while it was read: %d bytes instead of %d", m.bytes, size)
		}
	}
	return m.end(err)
}

// member is the log file that is being written.
type member struct {
	w     io.Writer
	file  *archived
	sum   hash.Hash
	bytes int64
	buf   []byte // lines that wait for more
}

// begin begins the member of file. It is not nil, whatever err is.
func (a *archiving) begin(file *archived, size int64, modified time.Time) (*member, error) {
	w, err := a.out.add(a.folder+"/"+file.Name, size, modified)
	return &member{w: w, file: file, sum: sha256.New()}, err
}

func (m *member) Write(p []byte) (int, error) {
	m.sum.Write(p)
	m.bytes += int64(len(p))
	m.file.Lines += int64(bytes.Count(p, []byte{'\n'}))
	return m.w.Write(p)
}

// line writes a line.
func (m *member) line(raw []byte) error {
	m.buf = append(append(m.buf, raw...), '\n')
	if len(m.buf) < copyBuffer {
		return nil
	}
	return m.flush()
}

func (m *member) flush() error {
	_, err := m.Write(m.buf)
	m.buf = m.buf[:0]
	return err
}

// end notes what was written, unless err says that it went wrong.
func (m *member) end(err error) error {
	if err == nil && len(m.buf) > 0 {
		err = m.flush()
	}
	if err != nil {
		return err
	}
	m.file.Bytes, m.file.SHA256 = m.bytes, hex.EncodeToString(m.sum.Sum(nil))
	return nil
}
