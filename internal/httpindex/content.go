package httpindex

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/dalog-project/dalog/internal/logstore"
)

// body is what is sent of a file.
type body interface {
	io.ReadSeeker
	// finished tells whether everything was read, and if not, why, where it is
	// the file's fault.
	finished() (bool, error)
}

// bodyOf is the part of snap from start on.
func bodyOf(snap *logstore.Snapshot, start int64) body {
	if file := snap.File(); file != nil {
		return &content{file: file, start: start, size: snap.Size}
	}
	return &text{SectionReader: io.NewSectionReader(snap, start, snap.Size-start)}
}

// text is a body that is not in a file as it is sent.
type text struct {
	*io.SectionReader
	err error // the last one of reading
}

func (t *text) Read(p []byte) (n int, err error) {
	n, err = t.SectionReader.Read(p)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

func (t *text) finished() (bool, error) {
	at, err := t.Seek(0, io.SeekCurrent)
	return err == nil && at >= t.Size(), t.err
}

// content is the part [start, size) of an open file as an [io.ReadSeeker]
// whose end stays where it is while the file grows.
//
// It is also a [syscall.Conn], by which package net recognises what it can
// send with sendfile(2): from the file's own position and as many bytes as the
// [io.LimitedReader] around it says. So the position of file must be content's
// alone, and whoever reads content to the end must go through such a limit;
// http.ServeContent does.
type content struct {
	file  *os.File // not owned
	start int64
	size  int64
}

func (c *content) Read(p []byte) (int, error) {
	at, err := c.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if left := c.size - at; int64(len(p)) > left {
		p = p[:max(left, 0)]
		if len(p) == 0 {
			return 0, io.EOF
		}
	}
	return c.file.Read(p)
}

func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		offset += c.start
	case io.SeekCurrent:
		at, err := c.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return 0, err
		}
		offset += at
	case io.SeekEnd:
		offset += c.size
	}
	if offset < c.start {
		return 0, errors.New("seek before the first byte")
	}
	at, err := c.file.Seek(offset, io.SeekStart)
	return at - c.start, err
}

// SyscallConn implements [syscall.Conn].
func (c *content) SyscallConn() (syscall.RawConn, error) { return c.file.SyscallConn() }

func (c *content) finished() (bool, error) {
	at, err := c.file.Seek(0, io.SeekCurrent)
	return err == nil && at >= c.size, nil
}
