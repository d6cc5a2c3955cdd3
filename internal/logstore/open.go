package logstore

import (
	"cmp"
	"container/list"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// Open takes the folder into use: it takes the lock of the state folder, brings
// the files to where the write-ahead log says, and creates the standard files
// that are missing. A *LockedError says that another process uses the state
// folder, a *DamageError that a part of the state cannot be read.
func Open(cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := makeDir(cfg.Dir, 0o755, cfg.Owner); err != nil {
		return nil, fmt.Errorf("log folder: %w", err)
	}
	if err := makeDir(cfg.StateDir, 0o700, cfg.Owner); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	state, err := vfs.Open(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	logs, err := vfs.Open(cfg.Dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("log folder: %w", err), state.Close())
	}
	if info, err := os.Stat(cfg.Dir); err == nil && info.Mode()&0o002 != 0 {
		cfg.Logger.Warn("everybody may write to the log folder, and so replace log files: take that right away (chmod o-w)", "dir", cfg.Dir)
	}
	held, err := lock(state, cfg)
	if err != nil {
		return nil, errors.Join(err, logs.Close(), state.Close())
	}
	s, err := open(cfg, logs, state)
	if err != nil {
		return nil, errors.Join(err, held.Close(), logs.Close(), state.Close())
	}
	s.lock = held
	return s, nil
}

// open makes a Store over logs and state, which it owns if it succeeds, and
// recovers what a crash left undone. That waits for Run where there is no room.
func open(cfg Config, logs, state vfs.FS) (*Store, error) {
	entries, err := logs.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("log folder: %w", err)
	}
	var existing []string
	for _, e := range entries {
		if e.Type.IsRegular() && readable(e.Name) && strings.HasSuffix(e.Name, ".log") {
			existing = append(existing, e.Name)
		}
	}
	parts, err := loadParts(logs, cfg.Logger)
	if err != nil {
		return nil, fmt.Errorf("log folder: %w", err)
	}
	s := &Store{
		parts:    parts,
		keeper:   newKeeper(),
		cfg:      cfg,
		scanners: make(chan struct{}, cfg.SearchCores),
		log:      cfg.Logger,
		state:    state,
		router:   newRouter(existing, cfg.MaxFiles, cfg.MaxFilesPerPeer),
		budget:   budget{limit: cfg.MaxUncommitted},
		batches:  batchPool{limit: int(cfg.MaxUncommitted) + maxGroup}, // a group that is merged is there twice, for a moment
		queue:    newQueue(),
		pending:  pending{wake: make(chan struct{}, 1)},
		reopen:   make(chan chan error),
		verdicts: make(chan verdict),
		journal:  journal{wake: make(chan struct{}, 1), ahead: make(chan struct{}, 1), enough: make(chan struct{}, 1)},
		refusals: make(chan struct{}, 1),
		stopped:  make(chan struct{}),
		failing:  make(chan struct{}),
	}
	s.rules.Store(&cfg)
	s.router.setRoutes(cfg.Routes)
	s.folder = folder{
		fs: logs, owner: cfg.Owner, log: cfg.Logger, count: &s.count, placed: s.placed,
		opened: list.New(), maxOpen: cfg.MaxOpenFiles, many: cmp.Or(cfg.manyDirty, manyDirty),
	}
	s.fillers.New = func() any {
		return &filler{formatter: formatter{layout: cfg.LineFormat, host: cfg.Host}, router: s.router}
	}
	if err := s.recover(); vfs.IsFull(err) {
		s.unrecovered.Store(&err)
		s.log.Error("no room to begin: intake is held until there is some", "error", err)
	} else if err != nil {
		return nil, errors.Join(err, s.folder.closeAll())
	}
	return s, nil
}

// createStandard creates the standard files that are missing. A name that
// something else has, and a full disk, are alarms, not errors.
func (s *Store) createStandard() error {
	now := time.Now()
	for _, r := range standardRoutes {
		for _, name := range []string{r.errors, r.rest} {
			f := s.router.lookup(name)
			if f.inDoubt {
				continue // it is opened when that is settled
			}
			err := s.folder.ready(f, now)
			if err == nil {
				continue
			}
			_, missing := s.folder.fs.Lstat(name)
			if !vfs.IsFull(err) && (missing != nil || !isRefusal(err)) {
				return err
			}
			if f.alarm.due() {
				s.log.Error("a standard log file cannot be written", "file", name, "error", err)
			}
		}
	}
	return s.folder.syncNames()
}

// makeDir makes dir if it is missing, for owner if this process is root.
func makeDir(dir string, perm os.FileMode, owner *Owner) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, perm); err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return owner.take(f)
}
