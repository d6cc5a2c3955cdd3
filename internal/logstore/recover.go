package logstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/wal"
)

// Names in the state folder.
const (
	walDir       = "wal"
	recoveredDir = "recovered" // what recovery took out of log files
)

// DamageError says that the Store's own state cannot be read. Config.Salvage
// lets it be set aside.
type DamageError struct{ Err error }

func (e *DamageError) Error() string {
	return fmt.Sprintf("%v. Restore the state folder from a backup, or start once with --salvage: that sets the damaged part aside and says what is missing", e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// recover brings everything to where the checkpoint and the write-ahead log
// say, and begins a new log. It may be cut off anywhere and be begun again.
func (s *Store) recover() error {
	err := s.recoverOnce()
	for try := 0; errors.Is(err, errReplaced) && try < 3; try++ {
		// Somebody rotates at this very moment. Begun again, it finds what became of
		// the file.
		if err = s.folder.closeAll(); err == nil {
			err = s.recoverOnce()
		}
	}
	return err
}

func (s *Store) recoverOnce() error {
	if err := s.makeState(); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	r, err := s.readState()
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	if err := r.redo(); err != nil {
		return fmt.Errorf("log folder: %w", err)
	}
	if err := r.conclude(); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	if err := s.begin(r); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	return nil
}

// awaitRecovery tries to recover until there is room for it.
func (s *Store) awaitRecovery(ctx context.Context) error {
	for s.unrecovered.Load() != nil {
		select {
		case <-time.After(holdRetry):
		case done := <-s.reopen:
			done <- *s.unrecovered.Load()
			continue
		case <-ctx.Done():
			return *s.unrecovered.Load()
		}
		s.makeRoom()
		err := s.folder.closeAll()
		s.folder.forgive(s.router.files())
		if err == nil || vfs.IsFull(err) {
			err = s.recover()
		}
		if err == nil {
			s.unrecovered.Store(nil)
			s.log.Info("there is room again: intake begins")
			return nil
		}
		if !vfs.IsFull(err) {
			return err
		}
	}
	return nil
}

// makeState sees to it that the folders of the state are there.
func (s *Store) makeState() error {
	made := false
	for _, name := range []string{walDir, recoveredDir} {
		err := s.state.Mkdir(name, 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		made = made || err == nil
	}
	if made {
		return s.state.SyncDir(".")
	}
	return nil
}

// recovery is what the state says.
type recovery struct {
	s       *Store
	from    checkpoint
	fresh   bool // there is no state yet
	last    uint64
	files   map[uint64]*redo
	settled map[*logFile]bool // whose place is known without a look at the file
	sources map[SourceKey]Position
	copied  string    // what of it is a copy; "" if nothing is
	differs []any     // how the files are not just what it says, for the log; nil if they are
	beside  []string  // files that may be copies of log files; nil before they were looked for
	since   time.Time // when the oldest of them that matter were written to
}

// newStore gives the store an id of its own.
func (r *recovery) newStore() { _, _ = rand.Read(r.from.store[:]) } // never fails

// redo is what the log says of one file: that from at on its own stream goes on
// with want.
type redo struct {
	number uint64
	name   string
	at     placement
	want   []byte
}

// end is where the own stream ends.
func (f *redo) end() int64 { return f.at.own + int64(len(f.want)) }

// skip leaves out what is below own.
func (f *redo) skip(own int64) {
	if n := own - f.at.own; n > 0 {
		f.want = f.want[min(n, int64(len(f.want))):]
		f.at.own = own
	}
}

// readState reads the checkpoint and the log. State that is not that of the
// files beside it is set aside.
func (s *Store) readState() (*recovery, error) {
	for {
		r, err := s.tryState()
		var foreign *foreignState
		if !errors.As(err, &foreign) {
			return r, err
		}
		if foreign.why == "" {
			continue
		}
		if err := s.setAside("found", foreign.why); err != nil {
			return nil, err
		}
	}
}

func (s *Store) tryState() (*recovery, error) {
	c, err := s.loadCheckpoint()
	if err != nil {
		return nil, err
	}
	logs, err := s.state.Sub(walDir)
	if err != nil {
		return nil, err
	}
	defer logs.Close()
	r := &recovery{s: s, files: make(map[uint64]*redo), settled: make(map[*logFile]bool), sources: make(map[SourceKey]Position)}
	if c == nil {
		segments, err := wal.Segments(logs)
		if err != nil {
			return nil, err
		}
		if len(segments) > 0 {
			return nil, &foreignState{"there is a write-ahead log without a checkpoint"}
		}
		r.fresh = true
		r.from.next = 1
		r.newStore()
		return r, nil
	}
	r.from, r.last = *c, c.lsn
	if r.copied, err = s.copied(c); err != nil {
		return nil, err
	}
	for _, f := range c.files {
		r.files[f.number] = &redo{number: f.number, name: f.name, at: f.placement}
	}
	for _, src := range c.sources {
		r.sources[src.key] = src.Position
	}
	return r, r.readLog(logs)
}

// loadCheckpoint reads the newest checkpoint there is; nil if there is none.
func (s *Store) loadCheckpoint() (*checkpoint, error) {
	c, err := readCheckpoint(s.state, checkpointName)
	if err == nil {
		return c, nil
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errCheckpoint) {
		return nil, err
	}
	if errors.Is(err, errCheckpoint) {
		s.log.Error("the checkpoint is damaged: the one before it is used", "file", checkpointName)
	}
	c, old := readCheckpoint(s.state, checkpointOld)
	switch {
	case old == nil:
		return c, nil
	case errors.Is(old, fs.ErrNotExist) && errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case !errors.Is(old, fs.ErrNotExist) && !errors.Is(old, errCheckpoint):
		return nil, old
	case s.cfg.Salvage:
		return nil, &foreignState{"the checkpoint is damaged"}
	}
	return nil, &DamageError{fmt.Errorf("%s: %w, and so is the one before it", checkpointName, errCheckpoint)}
}

// readLog takes in all records behind the checkpoint.
func (r *recovery) readLog(logs vfs.FS) error {
	opt := wal.Options{Store: r.from.store}
	scan := func() error { return r.scan(logs, opt, r.from.lsn) }
	if r.copied != "" {
		scan = func() error { return r.scanCopy(logs, opt) }
	}
	err := scan()
	var damage *wal.CorruptionError
	var other *wal.StoreError
	switch {
	case errors.As(err, &other):
		return &foreignState{other.Error()}
	case !errors.As(err, &damage) && !errors.Is(err, errRecord):
		return err
	case r.copied != "":
		return &foreignState{r.copied + ", and " + err.Error()}
	case !r.s.cfg.Salvage:
		return &DamageError{err}
	}
	if damage == nil {
		return &foreignState{err.Error()}
	}
	done, err := wal.Salvage(logs, opt, r.from.lsn)
	if err != nil {
		return err
	}
	r.s.log.Error("the write-ahead log was damaged and is cut there: what these records alone held is missing",
		"first", done.First, "last", done.Last, "set_aside", done.SetAside, "damage", damage)
	return errAgain
}

// errAgain says that the state has to be read anew.
var errAgain = &foreignState{}

// scan takes in the records behind after.
func (r *recovery) scan(logs vfs.FS, opt wal.Options, after uint64) error {
	reader, err := wal.OpenReader(logs, opt, after)
	if err != nil {
		return err
	}
	defer reader.Close()
	var rec wal.Record
	for {
		if rec, err = reader.Next(); err != nil {
			break
		}
		if err := r.take(rec.Type, rec.Payload); err != nil {
			return fmt.Errorf("record %d: %w", rec.LSN, err)
		}
	}
	r.last = reader.Last()
	if err == io.EOF {
		return nil
	}
	return err
}

// take takes in one record.
func (r *recovery) take(typ byte, payload []byte) error {
	d := decoder{b: payload}
	switch typ {
	case recFile:
		f := &redo{number: d.uint(), name: d.text()}
		if d.end() == nil {
			r.files[f.number] = f
			r.from.next = max(r.from.next, f.number+1)
		}
		return d.err
	case recPlace:
		number, at := d.uint(), d.placement()
		f := r.files[number]
		d.check(f != nil)
		if err := d.end(); err != nil {
			return err
		}
		if at.own >= f.at.own { // the checkpoint may be newer
			f.skip(at.own)
			f.at = at
		}
		return nil
	case recForget:
		key := d.key()
		delete(r.sources, key)
		return d.end()
	case recBatch, recDivert:
		return r.takeBatch(typ, payload)
	}
	return fmt.Errorf("%w: type %d", errRecord, typ)
}

func (r *recovery) takeBatch(typ byte, payload []byte) error {
	var b batchRecord
	if err := b.decode(typ, payload); err != nil {
		return err
	}
	if typ == recDivert {
		f := r.files[b.diverted]
		if f == nil {
			return errRecord
		}
		f.skip(b.upto)
	}
	for i := range b.sources {
		a := &b.sources[i]
		if p := r.sources[a.key]; a.to > p.Offset { // the checkpoint may be newer
			r.sources[a.key] = moved(p, a, time.Now().Unix())
		}
	}
	for _, e := range b.extents {
		f := r.files[e.file]
		data := b.data[:e.length]
		b.data = b.data[e.length:]
		if f == nil && r.copied != "" {
			r.doubt("the write-ahead log has lines of a file that it does not name", "")
			continue
		}
		if f == nil {
			return errRecord
		}
		if len(f.want) == 0 && e.start > f.at.own {
			f.at.own = e.start // what lies between is in the checkpointed file
		}
		switch over := f.end() - e.start; {
		case over < 0:
			return errRecord
		case over < int64(len(data)):
			f.want = append(f.want, data[over:]...)
		}
	}
	return nil
}

// redo brings all files to where they have to be.
func (r *recovery) redo() error {
	s := r.s
	s.sources.at = make(map[SourceKey]*source)
	for key, p := range r.sources {
		s.sources.restore(key, p)
	}
	var overflow []byte
	files := slices.SortedFunc(maps.Values(r.files), func(a, b *redo) int {
		return cmp.Or(boolCompare(a.name == overflowFile, b.name == overflowFile), cmp.Compare(a.number, b.number))
	})
	var last *redo
	for _, f := range files {
		if f.name == overflowFile {
			last = f
			continue
		}
		rest, err := r.redoFile(f)
		if err != nil {
			return err
		}
		overflow = append(overflow, rest...)
	}
	if last == nil && len(overflow) > 0 {
		last = &redo{number: r.from.next, name: overflowFile}
		r.from.next++
	}
	if last != nil {
		last.want = append(last.want, overflow...)
		if rest, err := r.redoFile(last); err != nil || rest != nil {
			return cmp.Or(err, s.router.overflow.blocked)
		}
	}
	return r.settle()
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// redoFile brings one file to where it has to be. rest is what it cannot take,
// because its name is not fit to be written to.
func (r *recovery) redoFile(f *redo) (rest []byte, err error) {
	s := r.s
	log := s.router.restore(f.name)
	log.number.Store(f.number)
	end := f.end()
	log.unsafe = nil // everything since the checkpoint is written once more
	log.committed, log.published, log.workEnd = end, end, end
	at, err := r.locate(f)
	if err != nil {
		return nil, err
	}
	want := f.want
	switch {
	case at.rotated:
		fix := reconcile(at.behind, want, false)
		if !fix.exact {
			r.doubt("the file holds more than the state knows of", f.name)
		}
		want = append(fix.finish[:len(fix.finish):len(fix.finish)], fix.rest...)
	case at.elsewhere != "":
		if want, err = r.mendElsewhere(f, at, want); err != nil {
			return nil, err
		}
	}
	log.marking.Lock()
	log.position = placement{identity: at.identity, own: end, size: at.from, base: at.base, anchor: at.anchor}
	log.marking.Unlock()
	log.durable = log.position
	log.base.Store(at.base)
	r.settled[log] = at.intact
	damaged := false
	if len(want) == 0 {
		if !at.grown {
			return nil, nil
		}
		r.doubt("the file holds more than the state knows of", f.name)
		if damaged, err = r.damaged(f.name, at); err != nil {
			return nil, err
		}
	}
	err = s.folder.ready(log, time.Now())
	if isRefusal(err) && len(want) == 0 {
		return nil, nil
	}
	if isRefusal(err) {
		s.log.Error("lines of the write-ahead log go to the overflow file: their own cannot be written to", "file", f.name, "error", err)
		log.blocked = err
		return want, nil
	}
	if err != nil {
		return nil, err
	}
	if len(want) == 0 && !damaged {
		return nil, r.pass(log)
	}
	return nil, r.mend(log, at, want)
}

// located is where a file goes on.
type located struct {
	identity vfs.Identity // of what has the name; zero if there is no such file
	intact   bool         // it is as it was, and from on may have been added to
	grown    bool         // it was added to, with what may not have been durable
	from     int64        // from where on it is compared
	anchor   uint32       // of the bytes before that
	base     int64
	// elsewhere is the other name that the file has in which the own stream was
	// last placed, and there where it is to be compared from.
	elsewhere     string
	elsewhereFrom int64
	// rotated: it is a part by now. behind is the text from where it is to be
	// compared, to the end of what has the name.
	rotated bool
	behind  []byte
}

// locate finds the file, whatever was done to it meanwhile.
func (r *recovery) locate(f *redo) (at located, err error) {
	s := r.s
	at.identity, err = s.folder.fs.Identify(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return at, err
	}
	if f.at.identity == (vfs.Identity{}) {
		at.base, at.grown = s.parts.next(f.name), at.identity != (vfs.Identity{})
		return at, nil
	}
	if !at.identity.Same(f.at.identity) {
		at.base = max(f.at.base, s.parts.next(f.name))
		name, err := r.search(f)
		if err != nil {
			return at, err
		}
		if name == "" {
			if err := r.skipCopied(f); err != nil {
				return at, err
			}
			if found, err := r.findContent(f, &at); found || err != nil {
				return at, err
			}
			switch {
			case at.identity != (vfs.Identity{}):
				s.log.Warn("log file was replaced while dalogd was down", "file", f.name)
				r.doubt("another file has the name", f.name)
			case f.at.size > 0:
				s.log.Warn("log file was removed while dalogd was down", "file", f.name)
				r.doubt("a file is missing", f.name)
			}
			at.base = max(at.base, f.at.base+f.at.size)
			return at, nil
		}
		info, from, err := r.look(name, f.at)
		at.elsewhere, at.elsewhereFrom = name, from
		at.grown = true
		at.base = max(at.base, f.at.base+info.Size)
		return at, err
	}
	info, from, err := r.look(f.name, f.at)
	at.from, at.base, at.anchor, at.intact = from, f.at.base, f.at.anchor, true
	at.grown = info.Size > from
	if err == nil && from < f.at.size {
		at.anchor, at.intact, at.grown = 0, false, true
		s.count.shrunk.Add(1)
		s.log.Warn("log file was truncated or changed while dalogd was down", "file", f.name, "size", info.Size, "was", f.at.size)
		r.doubt("a file is shorter or another one", f.name)
		at.base += f.at.size
	}
	if err == nil && (from < f.at.size || f.at.size == 0 && info.Size < int64(len(f.want))) { // it was cut, or may have been
		err = r.skipCopied(f)
	}
	return at, err
}

// look tells from where on the file is to be compared: from its beginning if it
// is not, up to at.size, what it was.
func (r *recovery) look(name string, at placement) (info vfs.Info, from int64, err error) {
	h, err := r.s.folder.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return info, at.size, ignoreRefusal(name, err)
	}
	defer h.Close()
	if info, err = h.Stat(); err != nil || info.Size < at.size {
		return info, 0, err
	}
	anchor, err := anchorAt(h, at.size)
	if err != nil {
		return info, 0, err
	}
	if anchor != at.anchor {
		return info, 0, nil
	}
	return info, at.size, nil
}

// ignoreRefusal is for a look at a file that may not be opened: whoever writes
// to it meets the error again.
func ignoreRefusal(name string, err error) error {
	if isRefusal(refusedBy(name, err)) {
		return nil
	}
	return err
}

// search finds another name of the file in which the own stream was placed, in
// the folder or among the parts; "" if it is gone.
func (r *recovery) search(f *redo) (string, error) {
	for _, dir := range []string{".", partsDir(f.name)} {
		entries, err := r.s.folder.fs.ReadDir(dir)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
				continue
			}
			return "", err
		}
		for _, e := range entries {
			if !e.Type.IsRegular() {
				continue
			}
			name := strings.TrimPrefix(dir+"/"+e.Name, "./")
			id, err := r.s.folder.fs.Identify(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return "", err
			}
			if id.Same(f.at.identity) {
				return name, nil
			}
		}
	}
	return "", nil
}
