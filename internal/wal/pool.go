package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// maxFill is how many zeros are written at once.
const maxFill = 1 << 20

// pool makes segments and takes them back.
type pool struct {
	fsys vfs.FS
	opt  Options

	mu     sync.Mutex // protects what follows
	number uint64     // of the segment made last
	spares []string   // names of files of the right size
}

// adopt takes over what an earlier log left behind: every segment is dropped.
func (p *pool) adopt() error {
	entries, err := p.fsys.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		number, suffix, ok := parseName(e.Name)
		if !ok {
			continue
		}
		p.number = max(p.number, number)
		if suffix == segmentSuffix || suffix == spareSuffix {
			if err := p.drop(e.Name, number, p.opt.atStart()); err != nil {
				return err
			}
		}
	}
	return nil
}

// prepare makes the spares that are missing, and fills them until then.
func (p *pool) prepare(until time.Time) error {
	for len(p.spares) < p.opt.spares() {
		p.number++
		name := spareName(p.number)
		f, err := p.newFile(name)
		if err == nil {
			err = errors.Join(fill(f, 0, p.opt.segmentSize(), until), f.Close())
		}
		if err != nil {
			return fmt.Errorf("make spare segment: %w", errors.Join(err, ignoreMissing(p.fsys.Remove(name))))
		}
		p.spares = append(p.spares, name)
	}
	return nil
}

// fill writes zeros from one offset to the other, or as far as it gets until then.
func fill(f vfs.File, from, to int64, until time.Time) error {
	zeros := make([]byte, min(max(to-from, 0), maxFill))
	for from < to && time.Now().Before(until) {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), to-from)], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// drop keeps a segment as a spare while there are fewer than most, or removes it.
func (p *pool) drop(name string, number uint64, most int) error {
	info, err := p.fsys.Lstat(name)
	if err != nil {
		return ignoreMissing(err)
	}
	if kept, err := p.keep(name, spareName(number), info.Size, most); kept || err != nil {
		return ignoreMissing(err)
	}
	return ignoreMissing(p.fsys.Remove(name)) // which may take long
}

// keep makes the file a spare, if one is wanted.
func (p *pool) keep(name, spare string, size int64, most int) (kept bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.spares) >= most || slices.Contains(p.spares, spare) || size != p.opt.segmentSize() {
		return false, nil
	}
	if name != spare {
		if err := p.fsys.Rename(name, spare); err != nil {
			return false, err
		}
	}
	p.spares = append(p.spares, spare)
	return true, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// begin makes a segment for records from first on, 0 if that is not known yet:
// the space is reserved, and header and name are durable before the first record
// is written. After an error other than ErrFailed it may be tried again; the
// number is used up, because a file of that name may be left. It is called by one
// at a time.
func (p *pool) begin(first, synced uint64) (*writing, error) {
	p.mu.Lock()
	p.number++
	h := header{number: p.number, store: p.opt.Store, first: first, synced: synced}
	p.mu.Unlock()
	name := segmentName(h.number)
	f, fresh, err := p.makeFile(name)
	if err != nil {
		return nil, fmt.Errorf("make segment: %w", err)
	}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return nil, fmt.Errorf("make segment: %w", errors.Join(err, f.Close(), p.fsys.Remove(name)))
	}
	err = f.Datasync()
	if err == nil {
		err = p.fsys.SyncDir(".")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: make segment: %w", ErrFailed, errors.Join(err, f.Close()))
	}
	return &writing{number: h.number, seed: seed(h.number, h.store), f: f, fresh: fresh, end: headerSize}, nil
}

// makeFile gives a file of the segment's size under its name, from the spares if
// there is one; else it is fresh.
func (p *pool) makeFile(name string) (f vfs.File, fresh bool, err error) {
	if f, err := p.takeSpare(name); f != nil || err != nil {
		return f, false, err
	}
	f, err = p.newFile(name)
	return f, true, err
}

// newFile makes a file with room for a segment.
func (p *pool) newFile(name string) (vfs.File, error) {
	f, err := p.fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := reserve(f, p.opt.segmentSize()); err != nil {
		return nil, errors.Join(err, f.Close(), p.fsys.Remove(name))
	}
	return f, nil
}

// takeSpare renames a spare; nil if there is none.
func (p *pool) takeSpare(name string) (vfs.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.spares) > 0 {
		last := len(p.spares) - 1
		f, err := p.fsys.OpenFile(p.spares[last], os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			p.spares = p.spares[:last]
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := p.fsys.Rename(p.spares[last], name); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		p.spares = p.spares[:last]
		return f, nil
	}
	return nil, nil
}

// reserve reserves the space of a segment where the file system can do that;
// elsewhere the file grows record by record.
func reserve(f vfs.File, size int64) error {
	err := f.Allocate(size)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
