package forwarder

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/tail"
)

// Plan is what a forwarder with a configuration would do if it started now.
type Plan struct {
	Servers  []string `json:"servers"`
	Protocol string   `json:"protocol"`
	Hostname string   `json:"hostname"`
	StateDir string   `json:"state_dir"`
	// State says what is known of earlier runs.
	State string       `json:"state"`
	Files []FileStatus `json:"files"`
	// Idle are patterns that no file fits.
	Idle []string `json:"idle_patterns"`
	// Notes are events of looking at the files that somebody may want to know.
	Notes []string `json:"notes"`
}

// MakePlan looks at the files as a forwarder does when it starts, and changes
// nothing: neither files nor the state folder, which a running forwarder may use.
func MakePlan(cfg Config) (Plan, error) {
	if len(cfg.Servers) > 0 {
		if err := cfg.setDefaults(); err != nil {
			return Plan{}, err
		}
	}
	plan := Plan{Servers: cfg.Servers, Protocol: cfg.Protocol, Hostname: cfg.Hostname, StateDir: cfg.StateDir}
	memory, err := readMemory(cfg.StateDir, &plan)
	if err != nil {
		return plan, err
	}
	patterns := make([]string, len(cfg.Files))
	for i, f := range cfg.Files {
		patterns[i] = f.Pattern
	}
	t := tail.New(tail.Config{
		Patterns: patterns, FromEnd: cfg.FromEnd, OldDirs: cfg.OldDirs, RotateWait: time.Hour, Memory: memory, NoHints: true,
		Notify: func(e tail.Event) {
			if e.Kind == tail.FileMissed || e.Kind == tail.FileTruncated || e.Kind == tail.CopyFound {
				plan.Notes = append(plan.Notes, note(e))
			}
		},
	})
	defer t.Close()
	plan.Files = fileStatuses(t.Look(), cfg.Files, time.Now())
	used := map[int]bool{}
	for _, f := range plan.Files {
		i := slices.IndexFunc(cfg.Files, func(c File) bool {
			ok, _ := filepath.Match(c.Pattern, f.Path)
			return ok || c.Pattern == f.Path
		})
		used[i] = true
	}
	for i, f := range cfg.Files {
		if !used[i] && strings.ContainsAny(f.Pattern, `*?[\`) {
			plan.Idle = append(plan.Idle, f.Pattern)
		}
	}
	return plan, nil
}

func note(e tail.Event) string {
	switch e.Kind {
	case tail.FileMissed:
		return fmt.Sprintf("%s was rotated away before it was seen: it is sent as %s", e.Name, e.Path)
	case tail.CopyFound:
		return fmt.Sprintf("%s was emptied: the rest is sent from its copy %s", e.Path, e.Name)
	}
	if e.Unread > 0 {
		return fmt.Sprintf("%s was emptied before all was delivered: %d bytes are lost", e.Path, e.Unread)
	}
	return fmt.Sprintf("%s has new content: it is sent from the beginning", e.Path)
}

// planMemory is a registry that is only read.
type planMemory struct {
	mu      sync.Mutex
	sources map[delivery.SourceID]entry
	marks   map[string]int64
}

func readMemory(stateDir string, plan *Plan) (*planMemory, error) {
	m := &planMemory{sources: map[delivery.SourceID]entry{}, marks: map[string]int64{}}
	path := filepath.Join(stateDir, registryName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		plan.State = "none: everything is followed for the first time"
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	sources, marks, err := decodeRegistry(data)
	if errors.Is(err, errNewerRegistry) {
		return nil, fmt.Errorf("%w: %s: %w", ErrState, path, err)
	}
	if err != nil {
		plan.State = fmt.Sprintf("damaged (%v): everything would be sent again", err)
		return m, nil
	}
	for _, e := range sources {
		m.sources[e.ID] = e
	}
	m.marks = marks
	plan.State = fmt.Sprintf("%d sources known", len(sources))
	return m, nil
}

// Sources implements tail.Memory.
func (m *planMemory) Sources() (known []tail.Known) {
	for _, e := range m.sources {
		known = append(known, e.Known)
	}
	return known
}

// Marks implements tail.Memory.
func (m *planMemory) Marks() map[string]int64 { return maps.Clone(m.marks) }

// Apply implements tail.Memory. Nothing lasts longer than the plan.
func (m *planMemory) Apply(c tail.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	apply(m.sources, m.marks, c, 0)
	return nil
}

// Seen implements tail.Memory.
func (m *planMemory) Seen([]delivery.SourceID) {}
