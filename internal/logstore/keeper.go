package logstore

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/vfs"
)

const (
	// keepEvery is how often the parts are looked at, rotations aside.
	keepEvery = time.Minute
	// evictEvery is how often the limits are looked at while there is work.
	evictEvery = time.Second
	// packNice is the nice value of the thread that compresses.
	packNice = 10
)

// keeper looks after closed parts: it compresses them, one at a time, and takes
// away what passes the limits.
type keeper struct {
	wake     chan struct{}
	evicting sync.Mutex // one eviction at a time; protects full
	full     alarm      // of a disk that stays too full

	// The keeper's own.
	packer    *packer
	postponed map[string]time.Time // by path: parts that cannot be compressed, until when
}

func newKeeper() *keeper {
	return &keeper{wake: make(chan struct{}, 1), postponed: make(map[string]time.Time)}
}

// kick makes the keeper look at once. It does not block.
func (k *keeper) kick() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// startKeeper starts the keeper. The function it returns ends it.
func (s *Store) startKeeper() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread is not given back: it ends with this goroutine, and with it
		// its low priority.
		runtime.LockOSThread()
		lowPriority()
		tick := time.NewTicker(keepEvery)
		defer tick.Stop()
		for {
			s.keep(ctx)
			select {
			case <-tick.C:
				if err := s.parts.scan(); err != nil {
					s.log.Error("closed parts of log files cannot be listed", "error", err)
				}
			case <-s.keeper.wake:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// lowPriority makes this thread wait for all others. What the system does not
// let it do, it does without.
func lowPriority() {
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, packNice)
	const whoProcess, classIdle = 1, 3 << 13
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, 0, classIdle)
}

// keep evicts, and compresses the parts that are not.
func (s *Store) keep(ctx context.Context) {
	s.evict(false)
	evicted := time.Now()
	for _, w := range s.keeper.unpacked(s.parts.all()) {
		if ctx.Err() != nil {
			return
		}
		if time.Since(evicted) > evictEvery {
			s.evict(false)
			evicted = time.Now()
		}
		err := s.pack(ctx, w.name, w.part)
		if err == nil || ctx.Err() != nil || errors.Is(err, fs.ErrNotExist) {
			continue // or the part has gone meanwhile
		}
		s.keeper.postponed[w.part.path(w.name)] = time.Now().Add(keepEvery)
		if errors.Is(err, errWritten) {
			s.log.Info("a closed part is compressed when nobody writes to it any more: the program that has it open should open the log file anew", "part", w.part.path(w.name))
			continue
		}
		s.log.Error("a closed part cannot be compressed: it stays as it is for now", "part", w.part.path(w.name), "error", err)
	}
}

// work is a part to be compressed.
type work struct {
	name string
	part logPart
}

// unpacked are the parts to be compressed, those first that were written to
// longest ago.
func (k *keeper) unpacked(all map[string][]logPart) []work {
	now := time.Now()
	maps.DeleteFunc(k.postponed, func(_ string, until time.Time) bool { return now.After(until) })
	var list []work
	for name, parts := range all {
		for _, p := range parts {
			if p.packed || p.turning || p.broken {
				continue
			}
			if _, wait := k.postponed[p.path(name)]; !wait {
				list = append(list, work{name, p})
			}
		}
	}
	slices.SortFunc(list, func(a, b work) int { return a.part.modified.Compare(b.part.modified) })
	return list
}

// errWritten says that another process still writes to a closed part.
var errWritten = errors.New("another process writes to it")

// pack replaces the file of a part by a compressed one. Whenever it ends, the
// part is there, at least in one of both forms, and whoever has it open keeps
// what is open.
func (s *Store) pack(ctx context.Context, name string, part logPart) error {
	logs := s.folder.fs
	src, err := logs.OpenFile(part.path(name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err == nil && isWritten(src) {
		err = errWritten
	}
	if err != nil {
		return err
	}
	draft := partPath(name, part.offset, draftSuffix)
	size, err := s.writePacked(ctx, draft, src, info, part.offset)
	if err == nil {
		after, statErr := src.Stat()
		if err = statErr; err == nil && (after.Size != info.Size || !after.ModTime.Equal(info.ModTime) || isWritten(src)) {
			err = errWritten
		}
	}
	if err == nil {
		err = s.parts.replace(name, part.offset, draft, logPart{
			offset: part.offset, size: info.Size, disk: size, modified: info.ModTime, packed: true,
		})
	}
	if err != nil {
		s.parts.discard(draft)
		return err
	}
	if err := logs.SyncDir(partsDir(name)); err != nil {
		return err
	}
	s.count.packed.Add(1)
	s.parts.discard(partPath(name, part.offset, plainSuffix))
	return nil
}

// writePacked writes the draft of a compressed part. It is durable on return,
// its name is not.
func (s *Store) writePacked(ctx context.Context, draft string, src vfs.File, info vfs.Info, offset int64) (size int64, err error) {
	if s.keeper.packer == nil {
		if s.keeper.packer, err = newPacker(s.parts.dec); err != nil {
			return 0, err
		}
	}
	dst, err := s.folder.fs.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_EXCL, info.Mode.Perm())
	if err != nil {
		return 0, err
	}
	size, err = s.keeper.packer.pack(ctx, dst, src, note{offset: offset, size: info.Size, modified: info.ModTime})
	if err == nil {
		err = likeOwner(dst, info)
	}
	if err == nil {
		err = dst.Datasync()
	}
	return size, errors.Join(err, dst.Close())
}

// likeOwner gives f the owner of the file that it replaces.
func likeOwner(f vfs.File, of vfs.Info) error {
	info, err := f.Stat()
	if err != nil || info.UID == of.UID && info.GID == of.GID {
		return err
	}
	if err := f.Chown(int(of.UID), int(of.GID)); err != nil && os.Geteuid() == 0 {
		return err
	}
	return nil
}

// isWritten tells whether any process has f open for writing: only if none has,
// the kernel grants a lease for reading (fcntl(2), F_SETLEASE). Where it grants
// none for other reasons, nobody is taken to write.
func isWritten(f vfs.File) bool {
	file := f.OS()
	if file == nil {
		return false
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	written := false
	err = raw.Control(func(fd uintptr) {
		_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK)
		written = errors.Is(err, unix.EAGAIN)
		if err == nil {
			_, _ = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		}
	})
	return written && err == nil
}

// limits are the bounds of the configuration.
func (c Config) limits() limits { return limits{c.Keep, c.KeepRules, c.KeepFree} }

// evict takes away the parts that pass the limits, and in need, when the disk
// is full whatever it says of itself, at least the oldest. It reports whether
// any went.
func (s *Store) evict(need bool) bool {
	k := s.keeper
	k.evicting.Lock()
	defer k.evicting.Unlock()
	space, err := s.folder.fs.Free()
	if err != nil {
		s.log.Error("cannot tell how much space is free", "error", err)
	}
	l := s.cfg.limits()
	if err != nil {
		l.free = Reserve{}
	}
	files := s.stocks()
	list := l.plan(files, space, time.Now())
	if need && len(list) == 0 {
		space = vfs.Space{}
		l.free = Reserve{Bytes: 1}
		list = l.plan(files, space, time.Now())
	}
	gone := false
	for _, e := range list {
		if err := s.evictPart(e); err != nil {
			s.log.Error("a closed part cannot be removed", "part", e.part.path(e.name), "error", err)
			continue
		}
		gone = true
	}
	if bytes, inodes := l.free.missing(space); len(list) == 0 && (bytes > 0 || inodes > 0) && k.full.due() {
		s.log.Warn("the file system of the log folder has less free space than is to be kept, and there are no closed parts to remove", "missing_bytes", max(0, bytes), "missing_inodes", max(0, inodes))
	}
	return gone
}

// makeRoom is for who finds the disk full. It reports whether trying again may
// help.
func (s *Store) makeRoom() bool {
	return s.cfg.KeepFree != (Reserve{}) && s.evict(true)
}

// stocks are all log files that are written here, or have parts.
func (s *Store) stocks() []stock {
	all := s.parts.all()
	for _, name := range s.router.fileNames() {
		if _, ok := all[name]; !ok {
			all[name] = nil
		}
	}
	list := make([]stock, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		st := stock{name: name, parts: all[name]}
		if info, err := s.folder.fs.Lstat(name); err == nil && info.Mode.IsRegular() {
			st.active = info.Size
		}
		list = append(list, st)
	}
	return list
}

// evictPart removes one part. Where nothing else tells where the active file
// begins, a mark stays.
func (s *Store) evictPart(e eviction) error {
	if e.newest {
		base := s.parts.next(e.name)
		if f := s.router.lookup(e.name); f != nil {
			base = max(base, f.base.Load())
		}
		if err := s.parts.leaveMark(e.name, base); err != nil && !vfs.IsFull(err) {
			return err
		}
	}
	if err := s.parts.remove(e.name, e.part); err != nil {
		return err
	}
	s.count.evictedParts.Add(1)
	s.count.evictedBytes.Add(e.part.disk)
	s.log.Info("closed part of a log file removed", "file", e.name, "why", e.why, "from", e.part.offset, "to", e.part.end(),
		"last_line", e.part.modified, "disk_bytes", e.part.disk)
	return nil
}

// fileNames are the names of all files.
func (r *router) fileNames() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.names))
}
