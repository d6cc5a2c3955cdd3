package logstore

import (
	"maps"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

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
	l := s.rules.Load().limits()
	if err != nil {
		l.free = Reserve{}
	}
	files := s.stocks()
	list := l.plan(files, space, time.Now())
	if bytes, inodes := l.free.missing(space); len(list) == 0 && (bytes > 0 || inodes > 0) && k.full.due() {
		s.log.Warn("the file system of the log folder has less free space than is to be kept, and there are no closed parts to remove", "missing_bytes", max(0, bytes), "missing_inodes", max(0, inodes))
	}
	if need && len(list) == 0 {
		l.free = Reserve{Bytes: 1}
		list = l.plan(files, vfs.Space{}, time.Now())
	}
	gone := false
	for _, e := range list {
		if err := s.evictPart(e); err != nil {
			s.log.Error("a closed part cannot be removed", "part", e.part.path(e.name), "error", err)
			continue
		}
		gone = true
	}
	return gone
}

// makeRoom is for who finds the disk full. It reports whether trying again may
// help.
func (s *Store) makeRoom() bool {
	return s.rules.Load().KeepFree != (Reserve{}) && s.evict(true)
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
	s.dropSummary(summaryPath(e.name, e.part.offset))
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
