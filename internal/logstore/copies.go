package logstore

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
)

// A sibling is a file that may be a copy of what a log file was.
type sibling struct {
	name string
	vfs.Info
}

// recent tells whether the sibling may have been made of a file like info after
// that was last written to. Some tools give a copy the time of what it is made from.
func (c sibling) recent(info vfs.Info) bool {
	const slack = 5 * time.Second // of clocks and of a write that took long
	return c.ModTime.After(info.ModTime.Add(-slack))
}

// copies lists the files that can be copies of what the log file was: what has its
// name with something behind or within, in the folder and in folders beneath.
func (s *Store) copies(name string) ([]sibling, error) {
	all, err := s.copyFiles()
	if err != nil {
		return nil, err
	}
	return s.copiesAmong(all, name), nil
}

func (s *Store) copiesAmong(files []string, name string) (found []sibling) {
	stem := strings.TrimSuffix(name, ".log")
	for _, file := range files {
		rest, ok := strings.CutPrefix(path.Base(file), stem)
		if !ok || rest == "" || !strings.ContainsRune(".-_", rune(rest[0])) || s.router.lookup(file) != nil {
			continue // or it is a log file of its own
		}
		if info, err := s.folder.fs.Lstat(file); err == nil {
			found = append(found, sibling{file, info})
		}
	}
	return found
}

// copyFiles are the files of the log folder, and of those beneath it that are not
// dalogd's own.
func (s *Store) copyFiles() (files []string, err error) {
	dirs, err := s.copyFolders()
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		entries, err := s.folder.fs.ReadDir(dir)
		if err != nil && dir == "." {
			return nil, err
		}
		for _, e := range entries { // none of a folder that has gone, or is not for us
			if e.Type.IsRegular() {
				files = append(files, path.Join(dir, e.Name))
			}
		}
	}
	return files, nil
}

// copyFolders are the log folder and those beneath it that are not dalogd's own.
func (s *Store) copyFolders() ([]string, error) {
	entries, err := s.folder.fs.ReadDir(".")
	if err != nil {
		return nil, err
	}
	dirs := []string{"."}
	for _, e := range entries {
		if e.Type.IsDir() && !strings.HasPrefix(e.Name, ".") && !strings.HasSuffix(e.Name, ".d") {
			dirs = append(dirs, e.Name)
		}
	}
	return dirs, nil
}

// A copySearch looks for the copy that somebody made of a file.
type copySearch struct {
	s    *Store
	name string // of the log file

	original io.ReaderAt // which still can be read
	info     vfs.Info    // of that
	least    int64       // bytes that a copy has at least

	unreadable string // a file that may be a copy, and cannot be read to its end
}

// run finds the copy that has most, and the size of its text; name is empty if there
// is none.
func (c *copySearch) run() (name string, text int64, err error) {
	err = c.s.eachCopy(c.name, func(x sibling, h vfs.File) {
		switch size, err := c.compare(h); {
		case err == nil && size == 0 && !x.recent(c.info): // any empty file is like that
		case err == nil && size >= c.least && (name == "" || size > text):
			name, text = x.name, size
		case err != nil && !errors.Is(err, errDiffers) && x.recent(c.info):
			c.unreadable = x.name
		}
	})
	return name, text, err
}

// eachCopy calls fn for each file that can be a copy of the log file, once,
// whatever is renamed meanwhile. h is nil if it cannot be opened.
func (s *Store) eachCopy(name string, fn func(x sibling, h vfs.File)) error {
	seen := make(map[uint64]bool)
	const tries = 20
	for calm, try := 0, 0; calm < 2 && try < tries; try++ {
		if try > 0 {
			time.Sleep(copyLook)
		}
		list, err := s.copies(name)
		if err != nil {
			return err
		}
		calm++
		for _, x := range list {
			if seen[x.Inode] {
				continue
			}
			calm = 0
			h, err := s.folder.fs.OpenFile(x.name, os.O_RDONLY, 0)
			if errors.Is(err, fs.ErrNotExist) {
				continue // it is looked for under another name
			}
			if err != nil {
				seen[x.Inode] = true
				fn(x, nil)
				continue
			}
			if info, err := h.Stat(); err == nil && info.Inode == x.Inode {
				seen[x.Inode] = true
				x.Info = info
				fn(x, h)
			}
			h.Close()
		}
	}
	return nil
}

var (
	errDiffers = errors.New("the file is not a copy")
	errUnknown = errors.New("the file cannot be opened, or is compressed in an unknown way")
)

// compareBlock is how much is compared at a time, and of a gzip file whose size is
// right all that is.
const compareBlock = 64 << 10

// compare gives the size of the text of a file that is the original's beginning.
func (c *copySearch) compare(h vfs.File) (size int64, err error) {
	if h == nil {
		return 0, errUnknown
	}
	r, err := c.s.openCopy(h)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	have, want := make([]byte, compareBlock), make([]byte, compareBlock)
	for {
		n, err := io.ReadFull(r, have)
		if k, _ := c.original.ReadAt(want[:n], size); k < n || !bytes.Equal(have[:n], want[:n]) {
			return 0, errDiffers
		}
		first := size == 0
		size += int64(n)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && r.ended():
			return size, nil
		case err != nil:
			return 0, err
		case first && r.says(c.info.Size):
			return c.info.Size, nil
		case c.s.failure() != nil:
			return 0, c.s.failure()
		}
	}
}

// copyReader reads the text of a copy.
type copyReader struct {
	io.Reader
	close func()
	gzip  vfs.File // if it is that
	err   error    // what the last read gave
}

func (r *copyReader) Read(b []byte) (n int, err error) {
	n, r.err = r.Reader.Read(b)
	return n, r.err
}

func (r *copyReader) Close() { r.close() }

// ended tells whether the text has been read to its end.
func (r *copyReader) ended() bool { return r.err == io.EOF }

// says tells whether the file says that its text has this size.
func (r *copyReader) says(size int64) bool {
	if r.gzip == nil {
		return false
	}
	info, err := r.gzip.Stat()
	if err != nil || info.Size < 4 {
		return false
	}
	var b [4]byte
	_, err = r.gzip.ReadAt(b[:], info.Size-4)
	return err == nil && binary.LittleEndian.Uint32(b[:]) == uint32(size)
}

// openCopy reads a file by what it begins with. errUnknown says that it is neither
// text nor compressed in a known way.
func (s *Store) openCopy(h vfs.File) (*copyReader, error) {
	info, err := h.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, 512)
	n, err := h.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head, err = head[:n], nil
	raw := bufio.NewReaderSize(newSection(h, 0, info.Size), compareBlock)
	r := &copyReader{Reader: raw, close: func() {}}
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		r.gzip = h
		r.Reader, err = gzip.NewReader(raw)
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		var d *zstd.Decoder
		if d, err = zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20)); err == nil {
			r.Reader, r.close = d, d.Close
		}
	case bytes.HasPrefix(head, []byte("BZh")):
		r.Reader = bzip2.NewReader(raw)
	case !isText(head):
		err = errUnknown
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// isText tells whether b is the beginning of text, as all log files are.
func isText(b []byte) bool {
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if c == 0 || c == utf8.RuneError && n == 1 && utf8.FullRune(b) {
			return false
		}
		b = b[n:]
	}
	return true
}

// newSection reads the bytes from..to of a file.
func newSection(h io.ReaderAt, from, to int64) *io.SectionReader {
	return io.NewSectionReader(h, from, to-from)
}

// linesWithin is how many bytes of want, which are whole lines, are lines of r, in that
// order, whatever lines of others stand between them.
func linesWithin(r io.Reader, want []byte) (n int) {
	in := bufio.NewReaderSize(r, compareBlock)
	for n < len(want) {
		next := want[n : n+lineLength(want[n:])]
		line, err := in.ReadSlice('\n')
		for err == bufio.ErrBufferFull && bytes.HasPrefix(next, line) {
			next = next[len(line):]
			line, err = in.ReadSlice('\n')
		}
		switch {
		case err == nil && bytes.Equal(line, next):
			n += lineLength(want[n:])
		case err == bufio.ErrBufferFull:
			for err == bufio.ErrBufferFull { // the rest of a line of another's
				_, err = in.ReadSlice('\n')
			}
		}
		if err != nil {
			return n
		}
	}
	return n
}

// skipCopied leaves out of f.want what is in a copy that somebody made of the file
// in which the own stream was last placed. Where the folder itself is a copy, or the
// file system does not tell when files were made, there is nothing to know one by.
func (r *recovery) skipCopied(f *redo) error {
	if len(f.want) == 0 || r.copied != "" || f.at.identity.Birth == 0 {
		return nil
	}
	n, name := 0, ""
	files, err := r.copyFiles()
	if err != nil {
		return err
	}
	for _, x := range r.s.copiesAmong(files, f.name) {
		if x.ModTime.Before(r.since) {
			continue
		}
		if k := r.countCopied(x, f); k > n {
			n, name = k, x.name
		}
	}
	if n > 0 {
		r.s.log.Info("lines of the write-ahead log are in a copy that somebody made of the file", "file", f.name, "copy", name, "bytes", n)
		f.skip(f.at.own + int64(n))
	}
	return nil
}

// countCopied is how many bytes of f.want the file x has, if it is a copy: that
// was made later, and begins as the file did. Logs that were renamed earlier may
// begin alike.
func (r *recovery) countCopied(x sibling, f *redo) int {
	id, err := r.s.folder.fs.Identify(x.name)
	if err != nil || id.Birth <= f.at.identity.Birth {
		return 0
	}
	h, err := r.s.folder.fs.OpenFile(x.name, os.O_RDONLY, 0)
	if err != nil {
		return 0
	}
	defer h.Close()
	c, err := r.s.openCopy(h)
	if err != nil {
		return 0
	}
	defer c.Close()
	if f.at.size == 0 {
		return countFrom(c, f)
	}
	if skipTo(c, f.at) != nil {
		return 0
	}
	return linesWithin(c, f.want)
}

// countFrom does the same where the file was empty: nothing but the lines themselves
// tells a copy of it from one of the file before.
func countFrom(c io.Reader, f *redo) int {
	text, err := io.ReadAll(io.LimitReader(c, int64(len(f.want))))
	if err != nil || !bytes.HasPrefix(f.want, text) {
		return 0
	}
	return bytes.LastIndexByte(text, '\n') + 1
}

// copyFiles is that of the Store, asked once, together with the time since which what
// the log holds can have been copied.
func (r *recovery) copyFiles() ([]string, error) {
	if r.beside != nil {
		return r.beside, nil
	}
	const slack = time.Minute // of clocks, and what a checkpoint takes
	if info, err := r.s.state.Lstat(checkpointName); err == nil {
		r.since = info.ModTime.Add(-slack)
	}
	var err error
	r.beside, err = r.s.copyFiles()
	return r.beside, err
}

// skipTo reads to the placement at, whose anchor must be right.
func skipTo(r io.Reader, at placement) error {
	back := min(at.size, delivery.AnchorSize)
	if _, err := io.CopyN(io.Discard, r, at.size-back); err != nil {
		return err
	}
	b := make([]byte, back)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if crc32.Checksum(b, castagnoli) != at.anchor {
		return errDiffers
	}
	return nil
}
