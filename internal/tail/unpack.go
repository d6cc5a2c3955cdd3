package tail

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/delivery"
)

// packings are the compressed files that can be read, by the end of their name.
// What a decoder may use of memory is bounded.
var packings = map[string]func(io.Reader) (io.ReadCloser, error){
	".gz": func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) },
	".bz2": func(r io.Reader) (io.ReadCloser, error) {
		return io.NopCloser(bzip2.NewReader(r)), nil
	},
	".zst": func(r io.Reader) (io.ReadCloser, error) {
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	},
}

// packing gives the end of name that says how it is compressed, or "".
func packing(name string) string {
	ext := filepath.Ext(name)
	if packings[ext] == nil {
		return ""
	}
	return ext
}

// sampleSize is how much of the beginning and of the end of files is compared.
const sampleSize = 64 << 10

// packTarget is a source whose content a compressed file may hold.
type packTarget struct {
	source   *Source // open
	known    *Known  // or not
	position delivery.Position
	anchor   delivery.Position // by which its content is known
	keep     int64             // what is behind it may have to be read again
	wanted   bool              // what is behind the position is to be read from the file
	copy     bool              // known is a copy of another source, which counts for less
}

// unpacked is what a compressed file holds.
type unpacked struct {
	size       int64
	head, last []byte // at most sampleSize of its beginning and of its end
	// match is the target whose position the content fits, the furthest of
	// several, copies last; nil for none.
	match *packTarget
	// file has the content from offset from on, and what anchors need, if that is
	// wanted or there is no match. Offsets are those of the content; what is left
	// out is a hole. It has no name.
	file *os.File
	from int64
	// end is the size of file: less than size where the limit was met, and then
	// behind a line.
	end int64
}

// errSpoilt says that a compressed file is not complete, or damaged.
var errSpoilt = errors.New("the compressed file is not complete, or damaged")

// unpack looks through a compressed file and copies what is wanted of it into a
// file in dir: at most limit bytes behind the match's position, and at most as
// many before it.
func unpack(f *os.File, name string, targets []packTarget, dir string, limit int64) (*unpacked, error) {
	u := &unpacked{}
	targets = slices.Clone(targets)
	slices.SortStableFunc(targets, func(a, b packTarget) int {
		return int(min(max(a.anchor.Offset-b.anchor.Offset, -1), 1))
	})
	var cursor delivery.Cursor
	left := targets
	err := eachBlock(f, name, func(p []byte) error {
		u.size += int64(len(p))
		u.head = append(u.head, p[:min(len(p), sampleSize-len(u.head))]...)
		u.last = append(u.last, p...)
		if len(u.last) > 2*sampleSize {
			u.last = u.last[:copy(u.last, u.last[len(u.last)-sampleSize:])]
		}
		for len(left) > 0 && left[0].anchor.Offset <= cursor.Offset()+int64(len(p)) {
			n := left[0].anchor.Offset - cursor.Offset()
			cursor.Advance(p[:n])
			p = p[n:]
			if left[0].anchor.Offset > 0 && cursor.Position() == left[0].anchor && (u.match == nil || u.match.copy || !left[0].copy) {
				u.match = &left[0]
			}
			left = left[1:]
		}
		cursor.Advance(p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	u.last = u.last[max(0, len(u.last)-sampleSize):]
	offset := int64(0)
	if u.match != nil {
		if !u.match.wanted {
			return u, nil
		}
		offset = u.match.position.Offset
		if offset > limit {
			u.from = max(u.match.keep, offset-limit)
		}
	}
	if u.file, err = nameless(dir); err != nil {
		return nil, err
	}
	if u.end, err = u.copy(f, name, offset, offset+limit); err != nil {
		u.file.Close()
		return nil, err
	}
	return u, nil
}

// copy fills u.file, up to limit or the last end of a line between offset and
// that. It gives the file's size.
func (u *unpacked) copy(f *os.File, name string, offset, limit int64) (int64, error) {
	before := max(0, u.from-delivery.AnchorSize)
	at, lineEnd := int64(0), int64(0)
	err := eachBlock(f, name, func(p []byte) error {
		start := at
		at += int64(len(p))
		if start < delivery.AnchorSize {
			if _, err := u.file.WriteAt(p[:min(len(p), delivery.AnchorSize)], start); err != nil {
				return err
			}
		}
		if at <= before {
			return nil
		}
		skip := max(0, before-start)
		p = p[skip:min(int64(len(p)), max(skip, limit-start))]
		if _, err := u.file.WriteAt(p, start+skip); err != nil {
			return err
		}
		if i := bytes.LastIndexByte(p, '\n'); i >= 0 {
			lineEnd = start + skip + int64(i) + 1
		}
		if at >= limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return 0, err
	}
	end := min(u.size, limit)
	if end < u.size && lineEnd > offset {
		end = lineEnd
	}
	if err := u.file.Truncate(end); err != nil {
		return 0, err
	}
	return end, nil
}

var errEnough = errors.New("enough was read")

// eachBlock reads a compressed file. An error of fn ends that and is returned.
func eachBlock(f *os.File, name string, fn func([]byte) error) error {
	in := bufio.NewReaderSize(io.NewSectionReader(f, 0, math.MaxInt64), 64<<10)
	r, err := packings[packing(name)](in)
	if err != nil {
		return fmt.Errorf("%w: %w", errSpoilt, err)
	}
	defer r.Close()
	buf := make([]byte, 128<<10)
	for {
		n := 0
		for n < len(buf) && err == nil {
			var more int
			more, err = r.Read(buf[n:])
			n += more
		}
		if n > 0 {
			if err := fn(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", errSpoilt, err)
		}
	}
}

// nameless makes a file without a name in dir.
func nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), filepath.Join(dir, "unpacked")), nil
	}
	f, err := os.CreateTemp(dir, ".unpacked-") // not every file system has such files
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
