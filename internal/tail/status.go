package tail

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
)

// FileStatus is how it stands with an open file.
type FileStatus struct {
	Source    delivery.SourceID
	Path      string // as followed
	Name      string // its present name
	Pattern   int    // index in Config.Patterns
	Size      int64  // at the last look
	Read      int64
	Confirmed int64
	// Unfinished is the length of a last line that has no end yet. It waits for
	// that.
	Unfinished int64
	Rotated    bool // the path belongs to another file or to none
	Deleted    bool // it has no name any more, and is held open until all is confirmed
	Packed     bool // it is compressed; sizes and offsets count what it holds
	// Behind is since when what lies behind Confirmed waits, at least; zero if
	// nothing does.
	Behind time.Time
	// Acked is when Confirmed last moved; zero if it has not.
	Acked   time.Time
	Trouble string // why it cannot be read
}

// PathStatus is how it stands with a followed path that leads to no file.
type PathStatus struct {
	Path    string
	Pattern int
	Trouble string // empty: it does not exist, and is waited for
}

// LostFile is a source whose file is missed.
type LostFile struct {
	Known
	Pattern int
}

// Status is how it stands with everything.
type Status struct {
	Files []FileStatus // by path, the oldest first
	Paths []PathStatus
	// Lost are the sources whose files are missed.
	Lost []LostFile
	// Held is the bytes of files without a name that are not confirmed.
	Held int64
	// Waiting: new files cannot be made durable.
	Waiting bool
}

// Status asks the goroutine of Run how things stand.
func (t *Tailer) Status(ctx context.Context) (Status, error) {
	answer := make(chan Status, 1)
	select {
	case t.ask <- answer:
		return <-answer, nil
	case <-t.ended:
		return Status{}, errors.New("the files are not followed any more")
	case <-ctx.Done():
		return Status{}, ctx.Err()
	}
}

// Look looks at everything once, and tells how things stand: for callers that
// do not use Run.
func (t *Tailer) Look() Status {
	now := time.Now()
	t.packs.patience = time.Minute
	for range 3 { // what is found is looked at, and compressed files are found to be copies
		t.lookAgain()
		t.step(now)
	}
	return t.status()
}

func (t *Tailer) status() Status {
	var st Status
	t.mu.Lock()
	for _, s := range t.sources {
		if s.ended {
			continue
		}
		f := FileStatus{
			Source: s.ID, Path: s.Path, Name: s.name, Pattern: s.Pattern, Size: s.size, Read: max(s.offset(), s.confirmed.Offset),
			Confirmed: s.confirmed.Offset, Rotated: s.live == 0, Deleted: s.deleted(), Packed: s.pack != nil, Acked: s.ackedAt,
		}
		if s.eof && s.seen >= s.size {
			f.Unfinished = max(0, s.size-s.offset())
		}
		if s.confirmed.Offset < s.size-f.Unfinished {
			f.Behind = s.behind
		}
		if s.readErr != nil {
			f.Trouble = s.readErr.Error()
		} else if s.trouble {
			f.Trouble = "cannot be read"
		}
		st.Files = append(st.Files, f)
		if s.onlyHeld() {
			st.Held += s.size
		}
	}
	t.mu.Unlock()
	for _, p := range t.order {
		if p.cur == nil || p.trouble != "" {
			st.Paths = append(st.Paths, PathStatus{Path: p.path, Pattern: p.pattern.index, Trouble: p.trouble})
		}
		for _, k := range t.known.of(p.path) {
			if _, ok := p.lost[k.ID]; ok {
				st.Lost = append(st.Lost, LostFile{*k, p.pattern.index})
			}
		}
	}
	st.Waiting = !t.retry.IsZero()
	slices.SortStableFunc(st.Files, func(a, b FileStatus) int { return cmp.Compare(a.Path, b.Path) })
	return st
}
