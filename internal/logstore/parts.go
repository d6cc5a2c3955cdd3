package logstore

import (
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/dalog-project/dalog/internal/vfs"
)

// A logPart is what a log file held from one rotation to the next. On the disk
// it is NAME.d/OFFSET.log or, compressed, NAME.d/OFFSET.log.zst.
type logPart struct {
	offset   int64     // of its first byte, counted from the first the log file ever had
	size     int64     // bytes of text
	disk     int64     // bytes on the disk
	modified time.Time // when its last line was written
	packed   bool      // compressed
	turning  bool      // its rotation is not complete: it must stay as it is
	broken   bool      // it cannot be read; size is 0
}

func (p logPart) end() int64 { return p.offset + p.size }

// parts is the catalog of all closed parts.
type parts struct {
	fs  vfs.FS
	log *slog.Logger
	dec *zstd.Decoder

	// turn is held for writing while names of log files and parts change, and
	// for reading while they are listed or opened: so every line is seen in one
	// place. It protects what follows.
	turn  sync.RWMutex
	files map[string]*partList // by name of the log file
}

// partList is the parts of one log file.
type partList struct {
	parts []logPart // by offset
	mark  int64     // where an empty file says that the active file begins; -1 = nowhere
	names []string  // NAME.1, NAME.2, ... as many as there are parts
}

// next is where the active file begins as far as the parts tell: at the mark,
// if there is one, since parts may have got more lines by others.
func (l *partList) next() int64 {
	if n := len(l.parts); n > 0 && l.mark <= l.parts[n-1].offset {
		return l.parts[n-1].end()
	}
	return max(l.mark, 0)
}

// next is where the active file of name begins as far as its parts tell.
func (p *parts) next(name string) int64 {
	p.turn.RLock()
	defer p.turn.RUnlock()
	if l := p.files[name]; l != nil {
		return l.next()
	}
	return 0
}

// find is the place of the part with this offset, or where it would be.
func (l *partList) find(offset int64) (int, bool) {
	return slices.BinarySearchFunc(l.parts, offset, func(p logPart, o int64) int { return cmp.Compare(p.offset, o) })
}

func (l *partList) put(p logPart) {
	i, ok := l.find(p.offset)
	if !ok {
		l.parts = slices.Insert(l.parts, i, p)
	}
	l.parts[i] = p
}

// number is the i-th name that a part has towards readers, counted from 1.
func (l *partList) number(name string, i int) string {
	if i <= len(l.names) {
		return l.names[i-1]
	}
	return name + "." + strconv.Itoa(i)
}

// prepare makes the names for all parts.
func (l *partList) prepare(name string) {
	for i := len(l.names); i < len(l.parts); i++ {
		l.names = append(l.names, name+"."+strconv.Itoa(i+1))
	}
}

// loadParts reads the catalog of the log folder.
func loadParts(logs vfs.FS, log *slog.Logger) (*parts, error) {
	dec, err := newFrameDecoder()
	if err != nil {
		return nil, err
	}
	p := &parts{fs: logs, log: log, dec: dec, files: make(map[string]*partList)}
	return p, p.scan()
}

// add enters a part, or changes what is known of it. turn must be held.
func (p *parts) add(name string, part logPart) {
	l := p.files[name]
	if l == nil {
		l = &partList{mark: -1}
		p.files[name] = l
	}
	l.put(part)
	l.prepare(name)
	if l.mark == part.offset {
		l.mark = -1
	}
}

// release ends the rotation of name's newest part.
func (p *parts) release(name string) {
	p.turn.Lock()
	defer p.turn.Unlock()
	if l := p.files[name]; l != nil && len(l.parts) > 0 {
		l.parts[len(l.parts)-1].turning = false
	}
}

// replace makes the file draft that of the compressed part, if the part is
// still there.
func (p *parts) replace(name string, offset int64, draft string, part logPart) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	l := p.files[name]
	if l == nil {
		return fs.ErrNotExist
	}
	i, ok := l.find(offset)
	if !ok {
		return fs.ErrNotExist
	}
	if err := p.fs.Rename(draft, part.path(name)); err != nil {
		return err
	}
	l.parts[i] = part
	return nil
}

// all gives the parts of every log file, a copy.
func (p *parts) all() map[string][]logPart {
	p.turn.RLock()
	defer p.turn.RUnlock()
	all := make(map[string][]logPart, len(p.files))
	for name, l := range p.files {
		all[name] = slices.Clone(l.parts)
	}
	return all
}

// sum is the number of parts and what they have on the disk.
func (p *parts) sum() (n, disk int64) {
	p.turn.RLock()
	defer p.turn.RUnlock()
	for _, l := range p.files {
		n += int64(len(l.parts))
		for _, part := range l.parts {
			disk += part.disk
		}
	}
	return n, disk
}

// leaveMark sees to it that the active file of name begins at base, whatever
// becomes of the parts. It is durable on return.
func (p *parts) leaveMark(name string, base int64) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	if l := p.files[name]; l != nil {
		return p.mark(name, l, base)
	}
	return nil
}

func (p *parts) mark(name string, l *partList, base int64) error {
	if l.mark == base {
		return nil
	}
	f, err := p.fs.OpenFile(partPath(name, base, plainSuffix), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	l.mark = base
	return p.fs.SyncDir(partsDir(name))
}

// remove takes a part away for good.
func (p *parts) remove(name string, part logPart) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	for _, suffix := range []string{plainSuffix, packedSuffix} {
		if err := p.fs.Remove(partPath(name, part.offset, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if l := p.files[name]; l != nil {
		if i, ok := l.find(part.offset); ok {
			l.parts = slices.Delete(l.parts, i, i+1)
		}
	}
	return nil
}

// numbered calls fn for the parts of name with the names under which they are
// shown, the newest first, until fn returns false. A name that taken reports
// is a real file's and passed over. turn must be held.
func (l *partList) numbered(name string, taken func(string) bool, fn func(shown string, part logPart) bool) {
	number := 0
	for i := len(l.parts) - 1; i >= 0; i-- {
		if l.parts[i].broken {
			continue
		}
		number++
		for taken(l.number(name, number)) {
			number++
		}
		if !fn(l.number(name, number), l.parts[i]) {
			return
		}
	}
}
