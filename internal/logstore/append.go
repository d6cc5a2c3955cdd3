package logstore

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/dalog-project/dalog/internal/vfs"
)

// errReplaced says that the open file has no name any more.
var errReplaced = errors.New("the file was removed")

// append adds the parts, which are whole lines, to the open file f, behind
// whatever others added. It returns how many of their bytes are in the file for
// good: fewer than all come with the reason, and are whole lines too, so that
// the rest can be tried again (vfs.IsFull, errReplaced) without a line lost or
// merged with another's.
func (d *folder) append(f *logFile, parts [][]byte) (kept int, err error) {
	before, err := f.view.begin(f.handle)
	defer f.view.done()
	if err != nil {
		return 0, err
	}
	if before.Links == 0 {
		return 0, errReplaced
	}
	lead := 0
	if before.Size != f.end {
		torn, err := d.foreign(f, before.Size)
		if err != nil {
			return 0, err
		}
		if torn {
			parts = append([][]byte{{'\n'}}, parts...)
			lead = 1
		}
	}
	n, err := f.handle.Append(parts)
	if n > 0 {
		f.end = before.Size + int64(n)
		d.wrote(f)
	}
	if err == nil {
		return n - lead, nil
	}
	if n > 0 && cutBack(f.handle, before.Size, n) {
		f.end = before.Size
		n = 0
	}
	return max(0, wholeLines(parts, n)-lead), err
}

// foreign looks at an end of f that is not where this Store left it, and
// reports whether a line begun there was never ended.
func (d *folder) foreign(f *logFile, size int64) (torn bool, err error) {
	if size < f.end {
		d.count.shrunk.Add(1)
		d.log.Info("log file was truncated by somebody else: it goes on at its new end", "file", f.name, "size", size, "was", f.end)
	}
	if size == 0 {
		return false, nil
	}
	var last [1]byte
	if _, err := f.handle.ReadAt(last[:], size-1); err != nil {
		return false, fmt.Errorf("look at the end of the file: %w", err)
	}
	if last[0] == '\n' {
		return false, nil
	}
	d.count.mended.Add(1)
	return true, nil
}

// cutBack takes the n bytes away that were written from size on, unless
// somebody else has added to the file meanwhile.
func cutBack(h vfs.File, size int64, n int) bool {
	info, err := h.Stat()
	return err == nil && info.Size == size+int64(n) && h.Truncate(size) == nil
}

// wholeLines is the length of the whole lines among the first n bytes of parts.
func wholeLines(parts [][]byte, n int) int {
	whole, start := 0, 0
	for _, p := range parts {
		if start >= n {
			break
		}
		if i := bytes.LastIndexByte(p[:min(len(p), n-start)], '\n'); i >= 0 {
			whole = start + i + 1
		}
		start += len(p)
	}
	return whole
}

// skip returns what follows the first n bytes of parts.
func skip(parts [][]byte, n int) [][]byte {
	for len(parts) > 0 && n >= len(parts[0]) {
		n -= len(parts[0])
		parts = parts[1:]
	}
	if n > 0 {
		parts = append([][]byte{parts[0][n:]}, parts[1:]...)
	}
	return parts
}
