package logstore

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

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
				p.log.Error("the closed parts of a log file cannot be looked at", "folder", e.Name, "error", err)
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

// discard removes a file that is of no use.
func (p *parts) discard(path string) {
	if err := p.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.log.Warn("a file that is of no use any more cannot be removed", "file", path, "error", err)
	}
}
