package forwarder

import (
	"context"
	"time"

	"github.com/dalog-project/dalog/internal/tail"
)

// Status is how a running forwarder stands.
type Status struct {
	Servers   []string `json:"servers"`
	Connected string   `json:"connected"` // the server's address; empty for none
	// Since is when that began.
	Since    time.Time `json:"since,omitzero"`
	Protocol string    `json:"protocol"`
	Hostname string    `json:"hostname"`
	Stats    Stats     `json:"counters"`
	// HeldBytes is what files take that have no name any more and are not
	// delivered, of which HeldLimit may be.
	HeldBytes int64 `json:"held_bytes"`
	HeldLimit int64 `json:"held_limit"`
	// Problem is why positions cannot be written, or new files not be followed.
	Problem string       `json:"problem,omitempty"`
	Files   []FileStatus `json:"files"`
}

// FileStatus is how it stands with one file, or with a path that leads to none.
type FileStatus struct {
	Path     string `json:"path"`
	Name     string `json:"name,omitempty"` // its present name, where that is another one
	Program  string `json:"program"`
	Severity uint8  `json:"severity"`
	Source   string `json:"source,omitempty"`
	State    string `json:"state"` // one of the State constants
	// Offset is up to where all is delivered, Size that of the file, Behind the
	// bytes between.
	Offset int64 `json:"offset"`
	Size   int64 `json:"size"`
	Behind int64 `json:"behind_bytes"`
	// Unfinished is the length of a last line without its end, which waits for that.
	Unfinished int64 `json:"unfinished_line_bytes,omitempty"`
	// BehindSeconds is how long the oldest of those have waited.
	BehindSeconds float64 `json:"behind_seconds"`
	// Acked is when the server last confirmed something; nil: not in this run.
	Acked   *time.Time `json:"last_ack,omitempty"`
	Problem string     `json:"problem,omitempty"`
}

// States of a file.
const (
	StateFollowed = "followed"
	StateRotated  = "rotated" // has another name by now
	StatePacked   = "packed"  // is read from a compressed file
	StateDeleted  = "deleted" // has no name, and is held open
	StateAwaited  = "awaited" // does not exist
	StateUnusable = "unusable"
	StateMissing  = "missing" // was not delivered to its end, and is not found
)

// Status tells how things stand. It answers while Run does.
func (f *Forwarder) Status(ctx context.Context) (Status, error) {
	files, err := f.tailer.Status(ctx)
	if err != nil {
		return Status{}, err
	}
	st := Status{
		Servers: f.cfg.Servers, Protocol: f.cfg.Protocol, Hostname: f.cfg.Hostname, Stats: f.Stats(),
		HeldBytes: files.Held, HeldLimit: f.cfg.HoldDeleted,
		Files: fileStatuses(files, f.cfg.Files, time.Now()),
	}
	st.Connected = st.Stats.Connected
	if since := f.counters.since.Load(); since != nil && st.Connected != "" {
		st.Since = *since
	}
	switch {
	case f.counters.saveFailing.Load():
		st.Problem = "positions cannot be written to " + f.cfg.StateDir
	case files.Waiting:
		st.Problem = "new files wait: they cannot be registered in " + f.cfg.StateDir
	}
	return st, nil
}

func fileStatuses(st tail.Status, files []File, now time.Time) (list []FileStatus) {
	about := func(path string, pattern int, state string) *FileStatus {
		f := &files[pattern]
		list = append(list, FileStatus{Path: path, Program: f.Program, Severity: f.Severity, State: state})
		return &list[len(list)-1]
	}
	for _, s := range st.Files {
		state := StateFollowed
		switch {
		case s.Packed:
			state = StatePacked
		case s.Deleted:
			state = StateDeleted
		case s.Rotated:
			state = StateRotated
		}
		f := about(s.Path, s.Pattern, state)
		f.Source, f.Offset, f.Size, f.Behind, f.Problem = s.Source.String(), s.Confirmed, s.Size, max(0, s.Size-s.Unfinished-s.Confirmed), s.Trouble
		f.Unfinished = s.Unfinished
		if s.Name != s.Path {
			f.Name = s.Name
		}
		if !s.Behind.IsZero() {
			f.BehindSeconds = now.Sub(s.Behind).Seconds()
		}
		if !s.Acked.IsZero() {
			f.Acked = &s.Acked
		}
	}
	for _, p := range st.Paths {
		if p.Trouble == "" {
			about(p.Path, p.Pattern, StateAwaited)
		} else {
			about(p.Path, p.Pattern, StateUnusable).Problem = p.Trouble
		}
	}
	for _, k := range st.Lost {
		f := about(k.Path, k.Pattern, StateMissing)
		f.Source, f.Offset, f.Size, f.Behind = k.ID.String(), k.Position.Offset, k.Size, max(0, k.Size-k.Position.Offset)
		f.Problem = "looked for under other names"
	}
	return list
}
