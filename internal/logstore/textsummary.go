package logstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"strings"

	"github.com/dalog-project/dalog/internal/vfs"
)

// Of files that are not compressed, whole stretches have summaries without
// filters, so that not all of a large file is read to be counted. Others may cut
// or replace these files: so a summary says which file it is of, and how its
// stretch began and ended.

const (
	// textStretch is how long such a stretch is. Smaller files have none.
	textStretch = 16 << 20
	// textFrame is how much of it a frame is.
	textFrame = 256 << 10
	// textEdge is how much of both ends of a stretch is compared.
	textEdge   = 4 << 10
	textSuffix = ".text" + summarySuffix
)

func textPath(name string, offset int64) string {
	return fmt.Sprintf("%s/%s.%020d%s", summaryDir, name, offset, textSuffix)
}

// textStretches are the stretches of section i that are complete. The lines that
// begin in one are its.
func (t *Text) textStretches(i int) iter.Seq[stretch] {
	sec, size := t.sections[i], t.store.cfg.textStretch
	return func(yield func(stretch) bool) {
		for at := sec.start; sec.end-at >= size; at += size {
			if !yield(stretch{from: at, to: at + size}) {
				return
			}
		}
	}
}

// textSummary gives the summary of a stretch of section i; nil where there is
// none, or the file is not the one it was made of.
func (t *Text) textSummary(i int, x stretch) *summary {
	mark, ok := t.textMark(i, x)
	if !ok {
		return nil
	}
	return t.store.summaryAt(textPath(t.Name, x.from), logPart{offset: x.from, size: x.to - x.from, disk: mark})
}

// textMark is a checksum of the file that section i is in and of the ends of a
// stretch of it.
func (t *Text) textMark(i int, x stretch) (mark int64, ok bool) {
	o, err := t.acquire(i)
	if err != nil {
		return 0, false
	}
	defer t.release(o)
	if _, packed := o.snap.text.(*unpacked); packed {
		return 0, false // by now
	}
	id, err := o.snap.file.Identity()
	if err != nil {
		return 0, false
	}
	edge := min(textEdge, x.to-x.from)
	var buf [2 * textEdge]byte
	start := t.sections[i].start
	if n, _ := o.snap.ReadAt(buf[:edge], x.from-start); n < int(edge) {
		return 0, false
	}
	if n, _ := o.snap.ReadAt(buf[edge:2*edge], x.to-edge-start); n < int(edge) {
		return 0, false
	}
	file := binary.LittleEndian.AppendUint64([]byte(id.Handle), id.Inode)
	file = binary.LittleEndian.AppendUint64(file, uint64(id.Birth))
	return int64(crc32.Checksum(file, castagnoli))<<32 | int64(crc32.Checksum(buf[:2*edge], castagnoli)), true
}

// summarizeTexts makes the summaries that are missing, and removes those of what
// is not there any more. It is the keeper's.
func (s *Store) summarizeTexts(ctx context.Context) {
	wanted := make(map[string]bool)
	for name := range s.largeTexts() {
		t, err := s.OpenText(name)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrNotText) {
				s.log.Warn("a log file cannot be read, its lines are not counted beforehand", "file", name, "error", err)
			}
			continue
		}
		err = t.summarize(ctx, wanted)
		t.Close()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.log.Warn("the lines of a log file are not counted beforehand", "file", name, "error", err)
		}
	}
	have := int64(0)
	for _, sound := range wanted {
		if sound {
			have++
		}
	}
	s.count.textSummaries.Store(have)
	entries, err := s.state.ReadDir(summaryDir)
	if err != nil {
		return // there are none
	}
	for _, e := range entries {
		if path := summaryDir + "/" + e.Name; strings.HasSuffix(path, textSuffix) && !wanted[path] {
			s.dropSummary(path)
		}
	}
}

// largeTexts are the names of log files that have a stretch with a summary, or
// would have.
func (s *Store) largeTexts() map[string]bool {
	names := make(map[string]bool)
	files, err := s.List()
	if err != nil {
		s.log.Warn("log files cannot be listed, so their lines are not counted beforehand", "error", err)
	}
	for _, f := range files {
		if f.PartOf == "" && f.Size >= s.cfg.textStretch {
			names[f.Name] = true
		}
	}
	for name, parts := range s.parts.all() {
		for _, p := range parts {
			if !p.packed && p.size >= s.cfg.textStretch {
				names[name] = true
			}
		}
	}
	return names
}

// summarize makes the summaries that are missing of the stretches of t, and notes
// for each whether it has one.
func (t *Text) summarize(ctx context.Context, have map[string]bool) error {
	for i := range t.sections {
		if t.sections[i].part.packed {
			continue
		}
		for x := range t.textStretches(i) {
			path := textPath(t.Name, x.from)
			if have[path] = t.textSummary(i, x) != nil; have[path] {
				continue
			}
			err := t.makeTextSummary(ctx, i, x)
			if errors.Is(err, errChanging) || isEvicted(err) || vfs.IsFull(err) {
				return nil
			}
			if err != nil {
				return err
			}
			have[path] = true
		}
	}
	return nil
}

// errChanging says that a file was cut or replaced while it was read.
var errChanging = errors.New("it was changed meanwhile")

func (t *Text) makeTextSummary(ctx context.Context, i int, x stretch) error {
	mark, ok := t.textMark(i, x)
	if !ok {
		return errChanging
	}
	sum := newSummarizer(x.from)
	sum.unfiltered = true
	var b block
	for at := x.from; at < x.to; at += textFrame {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(at+textFrame, x.to)
		if err := t.read(i, at, to, &b); err != nil {
			return err
		}
		sum.add(b.text, to-at)
	}
	if again, ok := t.textMark(i, x); !ok || again != mark {
		return errChanging
	}
	part := logPart{offset: x.from, size: x.to - x.from, disk: mark}
	return t.store.writeSummary(textPath(t.Name, x.from), part, sum.end(mark), t.store.state.Rename)
}
