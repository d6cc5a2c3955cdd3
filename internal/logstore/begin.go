package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/wal"
)

// settle gives every file of the folder its place, creates what is missing and
// makes all of it durable.
func (r *recovery) settle() error {
	s := r.s
	for _, log := range s.router.files() {
		if log.number.Load() == 0 {
			if err := r.settleUnknown(log); err != nil {
				return err
			}
		}
		if log.opened != nil || r.settled[log] {
			continue
		}
		if err := s.settleFile(log); err != nil {
			return err
		}
	}
	if err := s.createStandard(); err != nil {
		return err
	}
	s.folder.newNames.Store(true) // whatever others made is in the checkpoint now
	return s.folder.syncDirty()
}

// settleUnknown sees to a file of which the state does not know. The last run may
// have made it just before the power failed.
func (r *recovery) settleUnknown(log *logFile) error {
	f := &redo{number: r.from.next, name: log.name}
	r.from.next++
	if r.fresh {
		log.number.Store(f.number)
		log.base.Store(r.s.parts.next(log.name))
		return nil
	}
	_, err := r.redoFile(f)
	return err
}

// settleFile sets the place of a file that recovery did not have to open: at the
// end of what has the name, unless it is where it was.
func (s *Store) settleFile(log *logFile) error {
	p := log.position
	id, err := s.folder.fs.Identify(log.name)
	if err != nil {
		return ignoreMissing(err)
	}
	h, err := s.folder.fs.OpenFile(log.name, os.O_RDONLY, 0)
	if err != nil {
		return ignoreRefusal(log.name, ignoreMissing(err))
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil {
		return err
	}
	p.identity, p.size, p.base = id, info.Size, log.base.Load()
	if p.anchor, err = anchorAt(h, p.size); err != nil {
		return err
	}
	log.marking.Lock()
	log.position = p
	log.marking.Unlock()
	log.durable = p
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// begin makes the checkpoint of what was recovered, and a new log behind it.
func (s *Store) begin(r *recovery) error {
	s.id = r.from.store
	c := &checkpoint{store: s.id, lsn: r.last, next: r.from.next}
	c.files, c.sources = s.router.entries(), s.sources.snapshot()
	for range 2 { // the one before is as good then
		if err := c.write(s.state); err != nil {
			return err
		}
	}
	opt, growth, burst, err := s.logOptions()
	if err != nil {
		return err
	}
	logs, err := s.state.Sub(walDir)
	if err != nil {
		return err
	}
	log, err := wal.Create(logs, opt, r.last+1)
	if err != nil {
		return errors.Join(err, logs.Close())
	}
	j := &s.journal
	j.log, j.last, j.synced = log, r.last, r.last
	j.most, j.burst = growth, burst
	j.limit = int(min(opt.MaxRecord(), 2*maxGroup))
	j.quota = opt.SegmentSize / 16
	j.numbers.Store(r.from.next)
	s.maxRange = min(maxGroup, j.limit)
	s.pending.through, s.trimTo = r.last, r.last
	s.opened = []any{"id", fmt.Sprintf("%x", s.id), "new", r.fresh, "records_recovered", r.last - r.from.lsn, "sources", len(r.sources)}
	return nil
}

// prepareWithin is how long a start may take longer to fill new files of the
// write-ahead log. A tenth of that does where memory and disk are free.
const prepareWithin = 500 * time.Millisecond

// logOptions are those of the write-ahead log, and by how much it grows from one
// checkpoint to the next, in a flood and before: on a small file system all of it is
// small. A flood up to its first checkpoint needs no file that is not there, unless
// that would take more than a sixteenth of what is free.
func (s *Store) logOptions() (opt wal.Options, growth, burst int64, err error) {
	space, err := s.state.Free()
	if err != nil {
		return wal.Options{}, 0, 0, err
	}
	total := int64(space.TotalBytes)
	growth = min(max(total/16, 1<<20), 64<<20)
	burst = max(growth, min(total/32, 256<<20))
	segment := min(growth, max(16<<20, min(total/128, 32<<20)))
	if size := s.cfg.segmentSize; size > 0 {
		segment, growth, burst = size, size, cmp.Or(s.cfg.burst, size)
	}
	opt = wal.Options{Store: s.id, SegmentSize: segment, Spares: int(max(2*growth, burst) / segment)}
	// One segment is written, and two are made ahead.
	if int64(opt.Spares+3)*segment < int64(space.FreeBytes)/16 {
		opt.Prepare = prepareWithin
	}
	return opt, growth, burst, nil
}

// foreignState says that the state is not that of the files beside it. Without a
// reason it is only to be read again.
type foreignState struct{ why string }

func (e *foreignState) Error() string { return e.why }

// files are all files known, by name.
func (r *router) files() []*logFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	files := make([]*logFile, 0, len(r.names))
	for _, f := range r.names {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b *logFile) int { return cmp.Compare(a.name, b.name) })
	return files
}

// restore returns the file of this name, which the state tells of.
func (r *router) restore(name string) *logFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.add(name)
}
