package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/dalog-project/dalog/internal/vfs"
)

// Salvaged says what [Salvage] did.
type Salvaged struct {
	// Damage is where the log was cut; nil if it was not damaged.
	Damage *CorruptionError
	// First and Last are the LSNs of the records that the log does not give any
	// more. Last is the highest that anything readable told of; there may have
	// been more.
	First, Last uint64
	// SetAside are the files that hold what could not be read, and all behind it.
	SetAside []string
}

// Salvage makes a damaged log readable again: it ends before the first record
// that cannot be read. The damaged segment is copied, and those behind it are
// renamed, to files ending in ".broken", which nothing touches any more.
//
// It may be called again after any failure; a copy may then be there twice.
func Salvage(fsys vfs.FS, opt Options, after uint64) (Salvaged, error) {
	var done Salvaged
	for {
		damage, err := readThrough(fsys, opt, after)
		if err != nil {
			return done, fmt.Errorf("salvage write-ahead log: %w", err)
		}
		if damage == nil {
			return done, nil
		}
		// Where there is more than one place of damage, an earlier one may show
		// only when what hid it is set aside.
		if last := done.Damage; last != nil && (damage.Segment > last.Segment || damage.Segment == last.Segment && damage.Offset >= last.Offset) {
			return done, fmt.Errorf("salvage write-ahead log: it is still damaged: %w", damage)
		}
		done.Damage, done.First, done.Last = damage, damage.LSN, max(done.Last, damage.LSN)
		if err := done.cut(fsys, opt, damage); err != nil {
			return done, fmt.Errorf("salvage write-ahead log: %w", err)
		}
	}
}

// readThrough reads a log to its end or its damage.
func readThrough(fsys vfs.FS, opt Options, after uint64) (*CorruptionError, error) {
	r, err := OpenReader(fsys, opt, after)
	if err == nil {
		for err == nil {
			_, err = r.Next()
		}
		if closed := r.Close(); closed != nil {
			return nil, closed
		}
	}
	if err == io.EOF {
		return nil, nil
	}
	damage := (*CorruptionError)(nil)
	if errors.As(err, &damage) {
		return damage, nil
	}
	return nil, err
}

// cut ends the log at the damage. What is set aside is durable before anything
// is cut off.
func (done *Salvaged) cut(fsys vfs.FS, opt Options, damage *CorruptionError) error {
	segments, err := listSegments(fsys, opt.Store)
	if err != nil {
		return err
	}
	var partly *segment
	for i := range segments {
		s := &segments[i]
		if s.number < damage.Segment {
			continue
		}
		if err := done.count(fsys, opt, s, damage); err != nil {
			return err
		}
		aside, err := freeName(fsys, s.name+brokenSuffix)
		if err != nil {
			return err
		}
		if s.number == damage.Segment && damage.Offset > 0 {
			partly = s
			err = copyFile(fsys, s.name, aside)
		} else {
			err = fsys.Rename(s.name, aside)
		}
		if err != nil {
			return err
		}
		done.SetAside = append(done.SetAside, aside)
	}
	if err := fsys.SyncDir("."); err != nil {
		return err
	}
	if partly == nil {
		return nil
	}
	f, err := fsys.OpenFile(partly.name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(damage.Offset), f.Datasync(), f.Close()); err != nil {
		return fmt.Errorf("cut %s: %w", partly.name, err)
	}
	return nil
}

// count notes the highest LSN that the part of s to be set aside tells of.
func (done *Salvaged) count(fsys vfs.FS, opt Options, s *segment, damage *CorruptionError) error {
	if s.valid {
		done.Last = max(done.Last, s.header.synced)
	}
	open, err := s.open(fsys, opt.Store, s.number)
	if err != nil {
		return err
	}
	defer open.close()
	off := int64(headerSize)
	if s.number == damage.Segment {
		off = max(off, damage.Offset)
	}
	for {
		var h head
		off, h, err = open.search(off, func(h head) bool { return h.lsn > done.Last })
		if err == errSearch || err == nil && off < 0 {
			return nil
		}
		if err != nil {
			return err
		}
		done.Last = h.lsn
		off += recordSize(int64(h.length))
	}
}

// freeName gives name, or name with a number behind it if there is such a file.
func freeName(fsys vfs.FS, name string) (string, error) {
	free := name
	for i := 1; ; i++ {
		_, err := fsys.Lstat(free)
		if errors.Is(err, fs.ErrNotExist) {
			return free, nil
		}
		if err != nil {
			return "", err
		}
		free = fmt.Sprintf("%s.%d", name, i)
	}
}

// copyFile makes a durable copy; its name is for the caller to make durable.
func copyFile(fsys vfs.FS, from, to string) error {
	src, err := fsys.OpenFile(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := fsys.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.NewOffsetWriter(dst, 0), io.NewSectionReader(src, 0, 1<<62))
	if err == nil {
		err = dst.Datasync()
	}
	if err = errors.Join(err, dst.Close()); err != nil {
		return errors.Join(fmt.Errorf("copy %s: %w", from, err), fsys.Remove(to))
	}
	return nil
}
