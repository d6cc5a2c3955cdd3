package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
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

const (
	plainSuffix  = ".log"
	packedSuffix = ".log.zst"
	draftSuffix  = ".log.zst.tmp"
)

func partsDir(name string) string { return name + ".d" }

func partPath(name string, offset int64, suffix string) string {
	return fmt.Sprintf("%s/%020d%s", partsDir(name), offset, suffix)
}

func (p logPart) path(name string) string {
	if p.packed {
		return partPath(name, p.offset, packedSuffix)
	}
	return partPath(name, p.offset, plainSuffix)
}

// parsePartName reads the name of a file below NAME.d.
func parsePartName(s string) (offset int64, suffix string, ok bool) {
	if len(s) < 20 {
		return 0, "", false
	}
	v, err := strconv.ParseUint(s[:20], 10, 63)
	suffix = s[20:]
	return int64(v), suffix, err == nil && (suffix == plainSuffix || suffix == packedSuffix || suffix == draftSuffix)
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

// scan brings the catalog up to what others made of the parts. It must not run
// while one is compressed.
func (p *parts) scan() error {
	entries, err := p.fs.ReadDir(".")
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, e := range entries {
		name, isParts := strings.CutSuffix(e.Name, ".d")
		if isParts && e.Type.IsDir() && readable(name) {
			seen[name] = true
			if err := p.scanFile(name); err != nil {
				return err
			}
		}
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	for name := range p.files {
		if _, err := p.fs.Lstat(partsDir(name)); !seen[name] && errors.Is(err, fs.ErrNotExist) {
			delete(p.files, name)
		}
	}
	return nil
}

// scanFile brings the parts of one log file up to what there is. Parts that
// are known already are not opened.
func (p *parts) scanFile(name string) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	entries, err := p.fs.ReadDir(partsDir(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	old := p.files[name]
	if old == nil {
		old = &partList{mark: -1}
	}
	l := &partList{mark: -1, names: old.names}
	var marks []int64 // by offset
	grown := int64(-1)
	for _, e := range entries { // of one offset, the plain file comes first
		offset, suffix, ok := parsePartName(e.Name)
		if !ok || e.Type != 0 {
			continue
		}
		if suffix == draftSuffix {
			p.discard(partPath(name, offset, suffix)) // of a compression that was interrupted
			continue
		}
		part := logPart{offset: offset, packed: suffix == packedSuffix}
		if n := len(l.parts); n > 0 && l.parts[n-1].offset == offset {
			continue
		}
		if i, known := old.find(offset); known && old.parts[i].packed == part.packed && (part.packed || old.parts[i].turning) {
			l.parts = append(l.parts, old.parts[i])
			continue
		}
		err := p.examine(name, &part)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // removed meanwhile
		case err != nil:
			p.log.Error("a closed part of a log file cannot be read and is not shown", "part", part.path(name), "error", err)
			part.broken = true
		case part.size == 0 && !part.packed:
			marks = append(marks, offset)
			continue
		}
		if i, known := old.find(offset); known && i == len(old.parts)-1 && part.size > old.parts[i].size && old.mark < 0 {
			grown = old.next()
		}
		l.parts = append(l.parts, part)
	}
	for i, at := range slices.Backward(marks) {
		if n := len(l.parts); i < len(marks)-1 || n > 0 && at <= l.parts[n-1].offset {
			p.discard(partPath(name, at, plainSuffix))
			continue
		}
		l.mark = at
	}
	l.prepare(name)
	if len(l.parts) == 0 && l.mark < 0 {
		delete(p.files, name)
		return nil
	}
	p.files[name] = l
	if grown >= 0 {
		// Somebody else goes on writing to the newest part. That moves no line of
		// the active file.
		return p.mark(name, l, grown)
	}
	return nil
}

// discard removes a file that is of no use.
func (p *parts) discard(path string) {
	if err := p.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.log.Warn("a file that is of no use any more cannot be removed", "file", path, "error", err)
	}
}

// examine looks at the part's file.
func (p *parts) examine(name string, part *logPart) error {
	info, err := p.fs.Lstat(part.path(name))
	if err != nil {
		return err
	}
	part.size, part.disk, part.modified = info.Size, info.Size, info.ModTime
	if !part.packed {
		return nil
	}
	part.size = 0
	f, err := p.fs.OpenFile(part.path(name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, n, err := readTable(f, info.Size)
	if err == nil && n.offset != part.offset {
		err = damaged("it is the part from %d on", n.offset)
	}
	if err == nil {
		part.size, part.modified = n.size, n.modified
	}
	return err
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

// splitNumber takes apart NAME.7.
func splitNumber(shown string) (name string, ok bool) {
	i := strings.LastIndexByte(shown, '.')
	if i < 0 || i+1 == len(shown) || shown[i+1] == '0' {
		return "", false
	}
	for _, c := range shown[i+1:] {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return shown[:i], true
}
