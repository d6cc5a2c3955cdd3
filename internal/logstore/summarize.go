package logstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/dalog-project/dalog/internal/vfs"
)

// summarize makes the summaries that are missing. It is the keeper's.
func (s *Store) summarize(ctx context.Context) {
	have := int64(0)
	defer func() { s.count.summaries.Store(have) }()
	for name, parts := range s.parts.all() {
		for _, part := range parts {
			if ctx.Err() != nil {
				return
			}
			if !part.packed || part.broken || s.keeper.unsummarized[part.path(name)] {
				continue
			}
			if s.summaryOf(name, part) != nil {
				have++
				continue
			}
			err := s.makeSummary(ctx, name, part)
			if err == nil {
				have++
				continue
			}
			if ctx.Err() != nil || errors.Is(err, fs.ErrNotExist) {
				continue
			}
			s.keeper.unsummarized[part.path(name)] = true
			if !errors.Is(err, errNoSummary) && !vfs.IsFull(err) {
				s.log.Warn("no summary can be made of a part: searches look through all of it", "part", part.path(name), "error", err)
			}
		}
	}
}

// errNoSummary says that a part has lines so long that frames are cut inside.
var errNoSummary = errors.New("a line of it is too long")

func (s *Store) makeSummary(ctx context.Context, name string, part logPart) error {
	snap, err := s.reopenPart(name, part)
	if err != nil {
		return err
	}
	defer snap.Close()
	u, ok := snap.text.(*unpacked)
	if !ok {
		return fs.ErrNotExist
	}
	sum := newSummarizer(part.offset)
	var x unpacking
	for i := range len(u.frames) - 1 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if u.frames[i+1].plain-u.frames[i].plain >= maxFrameText {
			return errNoSummary
		}
		if err := u.load(&x, i); err != nil {
			return err
		}
		sum.add(x.text, int64(len(x.text)))
	}
	return s.writeSummary(summaryPath(name, part.offset), part, sum.end(part.disk), func(draft, path string) error {
		return s.placeSummary(name, part, draft, path)
	})
}

// dropSummary removes a summary that is of no use any more.
func (s *Store) dropSummary(path string) {
	s.summaries.forget(path)
	if err := s.state.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("a summary that is of no use any more cannot be removed", "file", path, "error", err)
	}
}

// sweepSummaries removes those whose parts have gone.
func (s *Store) sweepSummaries() {
	entries, err := s.state.ReadDir(summaryDir)
	if err != nil {
		return // there are none
	}
	wanted := make(map[string]bool)
	for name, parts := range s.parts.all() {
		for _, part := range parts {
			wanted[summaryPath(name, part.offset)] = true
		}
	}
	for _, e := range entries {
		if path := summaryDir + "/" + e.Name; !wanted[path] && !strings.HasSuffix(path, textSuffix) {
			s.dropSummary(path)
		}
	}
}

// writeSummary writes a summary, to which place gives its name. It need not be
// durable: what is not whole is found by its checksums.
func (s *Store) writeSummary(path string, part logPart, sum *summary, place func(draft, path string) error) error {
	draft := path + ".tmp"
	if err := s.state.Mkdir(summaryDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	s.dropSummary(draft)
	f, err := s.state.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Append([][]byte{sum.encode()})
	if owner := s.cfg.Owner; err == nil && owner != nil {
		err = owner.take(f)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = place(draft, path)
	}
	if err != nil {
		s.dropSummary(draft)
		return err
	}
	s.summaries.put(path, s.readSummary(path, part))
	return nil
}

// placeSummary gives a summary its name, if its part is still there.
func (s *Store) placeSummary(name string, part logPart, draft, path string) error {
	s.parts.turn.RLock()
	defer s.parts.turn.RUnlock()
	if l := s.parts.files[name]; l != nil {
		if i, ok := l.find(part.offset); ok && l.parts[i].disk == part.disk {
			return s.state.Rename(draft, path)
		}
	}
	return fs.ErrNotExist
}
