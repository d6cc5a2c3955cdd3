package httpindex

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

// Who writes to the files, and how often, so that silence can be told from
// rest. It is learnt from the files themselves whenever somebody looks: first
// from the end of each, then from what came since. Nothing of it is kept on the
// disk.

const (
	learnBytes  = 16 << 20 // of a file that are read at once: the last ones
	learnTime   = 3 * time.Second
	rhythmAge   = 2 * time.Second // for which what was learnt is good
	maxWriters  = 5000
	gapsKept    = 128
	gapsNeeded  = 8               // before a rhythm is known
	leastSilent = 2 * time.Minute // shorter silence is never told
)

// writer is a program on a host that writes to a file.
type writer struct{ file, host, program string }

// rhythm is how often a writer writes.
type rhythm struct {
	last  time.Time
	lines int64
	gaps  []time.Duration // the latest ones of a second or more; a ring of gapsKept
	next  int             // where in gaps the next one goes
}

// add takes a line's time. Lines that come late change nothing.
func (r *rhythm) add(at time.Time) {
	r.lines++
	gap := at.Sub(r.last)
	if gap <= 0 && r.lines > 1 {
		return
	}
	if r.lines > 1 && gap >= time.Second {
		if len(r.gaps) < gapsKept {
			r.gaps = append(r.gaps, gap)
		} else {
			r.gaps[r.next] = gap
			r.next = (r.next + 1) % gapsKept
		}
	}
	r.last = at
}

// usual is the gap that 19 of 20 do not exceed; false where too little was seen.
func (r *rhythm) usual() (time.Duration, bool) {
	if len(r.gaps) < gapsNeeded {
		// Many lines and hardly ever a pause of a second.
		return time.Second, r.lines >= 100
	}
	sorted := slices.Sorted(slices.Values(r.gaps))
	return sorted[len(sorted)*19/20], true
}

// silent tells whether the writer has paused for far longer than it ever did:
// four times its usual gap and half again of its longest.
func (r *rhythm) silent(now time.Time) bool {
	usual, known := r.usual()
	if !known {
		return false
	}
	longest := time.Duration(0)
	for _, gap := range r.gaps {
		longest = max(longest, gap)
	}
	return now.Sub(r.last) > max(leastSilent, 4*usual, longest*3/2)
}

// rhythms is what is known of all writers.
type rhythms struct {
	mu      sync.Mutex // held while files are read; protects what follows
	writers map[writer]*rhythm
	read    map[string]int64 // up to where each file was read
	looked  time.Time
	partial bool // the last look did not get through
}

// look reads what came to the files since the last look. Files that cannot be
// read keep what is known of them.
func (s *rhythms) look(ctx context.Context, logs Logs, now time.Time) error {
	if now.Sub(s.looked) < rhythmAge {
		return nil
	}
	files, err := logs.List()
	if err != nil {
		return err
	}
	if s.writers == nil {
		s.writers, s.read = make(map[writer]*rhythm), make(map[string]int64)
	}
	s.partial = false
	deadline := now.Add(learnTime)
	known := make(map[string]bool, len(files))
	for _, f := range files {
		if f.PartOf != "" || reserved[f.Name] || typeOf(f.Name) != textType {
			continue
		}
		known[f.Name] = true
		if end := f.Start + f.Size; s.read[f.Name] == end {
			continue
		}
		if err := s.learn(ctx, logs, f.Name, now, deadline); err != nil {
			return err
		}
	}
	for w := range s.writers {
		if !known[w.file] {
			delete(s.writers, w)
			delete(s.read, w.file)
		}
	}
	s.looked = time.Now()
	return nil
}

// learn reads what came to one file.
func (s *rhythms) learn(ctx context.Context, logs Logs, name string, now, deadline time.Time) error {
	text, err := logs.OpenText(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, logstore.ErrNotText) {
		return nil // removed meanwhile
	}
	if err != nil {
		return err
	}
	defer text.Close()
	from, known := s.read[name]
	if from = max(from, text.End()-learnBytes, text.Start()); from > text.End() {
		from = text.Start() // another file has its name
	}
	lines := logstore.NewLineReader(time.Local, now)
	res, err := text.Scan(ctx, logstore.Query{From: from, Deadline: deadline}, func(f *logstore.Found) error {
		c := lines.Columns(f.Raw)
		if !c.Time.Valid || len(c.Host) == 0 {
			return nil
		}
		w := writer{name, string(c.Host), string(c.Program)}
		r := s.writers[w]
		if r == nil {
			if len(s.writers) >= maxWriters {
				return nil
			}
			// The strings outlive the block that they were read from.
			w.host, w.program = strings.Clone(w.host), strings.Clone(w.program)
			r = new(rhythm)
			s.writers[w] = r
		}
		at := c.Time.Time()
		if at.After(now) {
			at = now // a clock that is ahead
		}
		r.add(at)
		return nil
	})
	if isGone(err) && known {
		return nil // it expired while it was read
	}
	if err != nil {
		return err
	}
	s.read[name] = res.Next
	s.partial = s.partial || res.Limited != logstore.LimitNone
	return nil
}

func isGone(err error) bool {
	var gone *logstore.EvictedError
	return errors.As(err, &gone)
}
