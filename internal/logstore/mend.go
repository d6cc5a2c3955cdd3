package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// maxCompare bounds how much of a file is compared with the log: what the log
// holds is no further from the file's end than others have written since.
const maxCompare = 512 << 20

// damaged tells whether a file that the log has nothing for holds NUL behind the
// place up to which all is well, or ends within a line: the power failed before
// its data was durable.
func (r *recovery) damaged(name string, at located) (bool, error) {
	h, err := r.s.folder.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return false, ignoreRefusal(name, ignoreMissing(err))
	}
	defer h.Close()
	return isDamaged(h, at.from)
}

func isDamaged(h vfs.File, from int64) (bool, error) {
	info, err := h.Stat()
	if err != nil || info.Size <= from {
		return false, err
	}
	if torn, err := isTorn(h, info.Size); torn || err != nil {
		return torn, err
	}
	from = max(from, info.Size-maxCompare)
	b := make([]byte, min(1<<20, info.Size-from))
	for at := from; at < info.Size; {
		n, err := h.ReadAt(b[:min(int64(len(b)), info.Size-at)], at)
		if bytes.IndexByte(b[:n], 0) >= 0 {
			return true, nil
		}
		if n == 0 {
			return false, fmt.Errorf("look through the end of the file: %w", errors.Join(err, errShort))
		}
		at += int64(n)
	}
	return false, nil
}

// readEnd reads the file from offset from on, or as much of its end as is to be
// compared, beginning with a line.
func readEnd(h vfs.File, from int64) (b []byte, start int64, err error) {
	info, err := h.Stat()
	if err != nil {
		return nil, 0, err
	}
	start = max(from, info.Size-maxCompare)
	b = make([]byte, max(0, info.Size-start))
	if n, err := h.ReadAt(b, start); n < len(b) {
		return nil, 0, fmt.Errorf("read the end of the file: %w", errors.Join(err, errShort))
	}
	if start > from {
		n := lineLength(b)
		b, start = b[n:], start+int64(n)
	}
	return b, start, nil
}

// inMidst tells whether offset at is in the midst of a line.
func inMidst(h vfs.File, at int64) (bool, error) {
	if at == 0 {
		return false, nil
	}
	return isTorn(h, at)
}

var errShort = errors.New("the file became shorter meanwhile")

// pass lets the open file log go on at its end, behind what others have added.
func (r *recovery) pass(log *logFile) error {
	info, err := log.handle.Stat()
	if err != nil {
		return err
	}
	log.marking.Lock()
	log.position.size = info.Size
	log.marking.Unlock()
	log.end = info.Size
	r.s.folder.wrote(log)
	return nil
}

// mend makes want part of the open file log, from at on.
func (r *recovery) mend(log *logFile, at located, want []byte) error {
	s := r.s
	if err := reread(log.handle); err != nil {
		return err
	}
	have, start, err := readEnd(log.handle, at.from)
	if err != nil {
		return err
	}
	midst, err := inMidst(log.handle, start)
	if err != nil {
		return err
	}
	fix := reconcile(have, want, midst)
	if !fix.exact {
		r.doubt("the file holds more than the state knows of", log.name)
	}
	if err := r.fill(log.handle, log.name, start, fix); err != nil {
		return err
	}
	if err := rewrite(log.handle, start, have, fix); err != nil {
		return err
	}
	end := log.position.own
	log.marking.Lock()
	log.position.size = start + int64(len(have))
	log.marking.Unlock()
	log.end = log.position.size
	s.folder.wrote(log)
	if len(fix.finish) > 0 {
		n, err := log.handle.Append([][]byte{fix.finish})
		if err != nil {
			return err
		}
		log.end += int64(n)
	}
	n, err := endLine(log.handle, log.end)
	if log.end += n; err != nil {
		return err
	}
	if len(fix.rest) > 0 {
		if _, err := s.folder.append(log, [][]byte{fix.rest}, end-int64(len(fix.rest))); err != nil {
			return err
		}
	}
	log.marking.Lock()
	log.position.own, log.position.size = end, log.end
	log.marking.Unlock()
	if missing := len(fix.finish) + len(fix.rest); missing > 0 {
		s.log.Info("lines of the write-ahead log added to their file", "file", log.name, "bytes", missing, "there_already", fix.found)
	}
	return nil
}

// mendElsewhere mends the file in which the own stream was last placed and which
// has another name by now. It gives what belongs to the next one.
func (r *recovery) mendElsewhere(f *redo, at located, want []byte) (rest []byte, err error) {
	h, err := r.s.folder.fs.OpenFile(at.elsewhere, os.O_RDWR, 0)
	if err != nil {
		return want, ignoreRefusal(at.elsewhere, err)
	}
	defer h.Close()
	if len(want) == 0 {
		if damaged, err := isDamaged(h, at.elsewhereFrom); !damaged || err != nil {
			return nil, err
		}
	}
	if err := reread(h); err != nil {
		return nil, err
	}
	have, start, err := readEnd(h, at.elsewhereFrom)
	if err != nil {
		return nil, err
	}
	midst, err := inMidst(h, start)
	if err != nil {
		return nil, err
	}
	fix := reconcile(have, want, midst)
	if err := r.fill(h, strings.ReplaceAll(at.elsewhere, "/", "_"), start, fix); err != nil {
		return nil, err
	}
	if err := rewrite(h, start, have, fix); err != nil {
		return nil, err
	}
	if len(fix.finish) > 0 {
		if _, err := h.Append([][]byte{fix.finish}); err != nil {
			return nil, err
		}
	}
	if _, err := endLine(h, start+int64(len(have)+len(fix.finish))); err != nil {
		return nil, err
	}
	return fix.rest, h.Datasync()
}

// endLine ends a line without end that a file of this size ends with, unless
// somebody is about to.
func endLine(h vfs.File, size int64) (added int64, err error) {
	for range tornLooks {
		if size == 0 {
			return 0, nil
		}
		if torn, err := isTorn(h, size); !torn || err != nil {
			return 0, err
		}
		time.Sleep(tornWait)
		if info, err := h.Stat(); err != nil || info.Size != size {
			return 0, err
		}
	}
	tail := make([]byte, min(size, int64(len(truncatedMark))))
	if _, err := h.ReadAt(tail, size-int64(len(tail))); err != nil {
		return 0, err
	}
	n, err := h.Append([][]byte{truncatedEnd(tail)})
	return int64(n), err
}

// truncatedEnd is what says behind tail that its line is truncated: the mark, less
// what a start that was cut short has written of it.
func truncatedEnd(tail []byte) []byte {
	mark := []byte(truncatedMark + "\n")
	for n := min(len(tail), len(truncatedMark)); n > 0; n-- {
		if bytes.HasSuffix(tail, mark[:n]) {
			return mark[n:]
		}
	}
	return mark
}

// fill overwrites what was lost, after what can be read of it is safe in the
// state folder.
func (r *recovery) fill(h vfs.File, name string, start int64, fix repair) error {
	var saved []byte
	lost := 0
	for _, f := range fix.fills {
		lost += f.others
		if !explains(f.data, f.lost) {
			saved = fmt.Appendf(saved, "# %d bytes at offset %d\n", len(f.lost), start+f.off)
			saved = append(append(saved, f.lost...), '\n')
		}
	}
	file := ""
	if len(saved) > 0 {
		var err error
		if file, err = r.save(name, saved); err != nil {
			return err
		}
		if err := blank(h, start, fix); err != nil {
			return err
		}
	}
	for _, f := range fix.fills {
		if _, err := h.WriteAt(f.data, start+f.off); err != nil {
			return err
		}
	}
	if lost > 0 {
		r.s.log.Warn("bytes of others were lost when the power failed: a line in the file says where", "file", name, "bytes", lost, "what_is_left_of_them", file)
	}
	return nil
}

// reread lets the file be read from the disk. If an fdatasync of the last run
// failed, the kernel may hold what it could not write, and take it for written.
func reread(h vfs.File) error {
	if err := h.Datasync(); err != nil {
		return err
	}
	return h.Forget(0, 0)
}

// rewrite writes what was found once more, in case it was not read from the disk
// all the same: the next fdatasync alone would succeed without a write.
func rewrite(h vfs.File, start int64, have []byte, fix repair) error {
	if fix.found == 0 {
		return nil
	}
	for _, f := range fix.fills {
		copy(have[f.off:], f.data)
	}
	now := make([]byte, min(len(have), 256<<10))
	for at := 0; at < len(have); {
		n, _ := h.ReadAt(now[:min(len(now), len(have)-at)], start+int64(at))
		if !bytes.Equal(now[:n], have[at:at+n]) || n == 0 {
			return nil // somebody else is at it
		}
		if _, err := h.WriteAt(now[:n], start+int64(at)); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// blank makes NUL, for good, of what is to be overwritten and saved. Otherwise,
// if the power fails again meanwhile, pages of both could stand side by side and
// be taken for lines of others.
func blank(h vfs.File, start int64, fix repair) error {
	for _, f := range fix.fills {
		if explains(f.data, f.lost) {
			continue
		}
		if _, err := h.WriteAt(make([]byte, len(f.lost)), start+f.off); err != nil {
			return err
		}
	}
	return h.Datasync()
}

// explains tells whether lost is data, but for what is NUL.
func explains(data, lost []byte) bool {
	for i, c := range lost {
		if c != 0 && (i >= len(data) || c != data[i]) {
			return false
		}
	}
	return true
}

// save keeps b in the state folder, durable on return.
func (r *recovery) save(name string, b []byte) (file string, err error) {
	state := r.s.state
	for i := 0; ; i++ {
		file = fmt.Sprintf("%s/%s.%d", recoveredDir, name, r.last)
		if i > 0 {
			file = fmt.Sprintf("%s.%d", file, i)
		}
		var h vfs.File
		h, err = state.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = h.WriteAt(b, 0)
		if err == nil {
			err = h.Datasync()
		}
		if err = errors.Join(err, h.Close()); err == nil {
			err = state.SyncDir(recoveredDir)
		}
		return file, err
	}
}
