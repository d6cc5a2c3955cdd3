package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

var (
	// errReplaced says that the open file has lost its name.
	errReplaced = errors.New("somebody else renamed or removed the file")
	// errInDoubt says that it lost it while it was written to: whoever made
	// something else of the file may have done so before the bytes were there.
	errInDoubt = fmt.Errorf("%w while lines were added to it", errReplaced)
)

// append adds the parts, which begin at own in the own stream of f, to the open
// file, behind whatever others added. It returns how many of their bytes are in the file for
// good: fewer than all come with the reason, and are whole lines too, so that
// the rest can be tried again (vfs.IsFull, errReplaced) without a line lost or
// merged with another's. With errInDoubt the bytes are in the file, for what that
// is worth, and its position is as it was.
func (d *folder) append(f *logFile, parts [][]byte, own int64) (kept int, err error) {
	before, torn, err := d.begin(f)
	defer f.view.done(&d.writes)
	if err != nil {
		return 0, err
	}
	lead := 0
	if torn {
		d.count.mended.Add(1)
		parts = append([][]byte{{'\n'}}, parts...)
		lead = 1
	}
	n, err := f.handle.Append(parts)
	if err != nil && n > 0 && cutBack(f.handle, before.Size, n) {
		n = 0
	}
	if n > 0 {
		defer d.wrote(f) // once the position tells of it
	}
	if err != nil {
		n = wholeLines(parts, n)
	}
	kept = max(0, n-lead)
	if n > 0 && d.lostName(f) {
		return kept, errInDoubt
	}
	if n > 0 {
		f.end, f.unsure, f.appended = before.Size+int64(n), false, true
		f.marking.Lock()
		f.position.own, f.position.size = own+int64(kept), f.end
		f.marking.Unlock()
	}
	return kept, refusedBy(f.name, err)
}

// begin looks at the end of f, ends there what readers see, and reports whether
// somebody else left a line there that was never ended. errReplaced says that f has
// lost its name.
func (d *folder) begin(f *logFile) (info vfs.Info, torn bool, err error) {
	info, err = f.view.begin(func() (vfs.Info, error) { return d.look(f) })
	if err == nil && info.Size < f.end {
		d.truncated(f, info.Size)
	}
	// A size in the midst of a line may be that of a write under way.
	for range tornLooks {
		if err != nil || info.Size == 0 || info.Size == f.end && !f.unsure {
			return info, false, err
		}
		if torn, err = isTorn(f.handle, info.Size); !torn || err != nil {
			return info, false, err
		}
		time.Sleep(tornWait)
		before := info.Size
		if info, err = f.view.begin(f.handle.Stat); err == nil && info.Size == before {
			break
		}
	}
	return info, torn, err
}

const (
	tornWait  = time.Millisecond
	tornLooks = 5
)

// isTorn reports whether the line that ends with the file has no line end.
func isTorn(h vfs.File, size int64) (bool, error) {
	var last [1]byte
	_, err := h.ReadAt(last[:], size-1)
	if errors.Is(err, io.EOF) {
		return false, nil // truncated meanwhile
	}
	return last[0] != '\n', err
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
