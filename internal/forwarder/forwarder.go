package forwarder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dalog-project/dalog/internal/tail"
	"github.com/dalog-project/dalog/internal/vfs"
)

// Names in the state folder.
const (
	lockName = "lock"
	pinsName = "pins"
)

// Forwarder follows files and delivers their lines.
//
//	files ──▶ tail.Tailer ──▶ pump ──▶ window ──▶ session ══▶ server
//	               │            │ positions         │
//	               └─▶ registry ◀───────────────────┘ what is confirmed
type Forwarder struct {
	cfg      Config
	fs       vfs.FS
	lock     vfs.File
	registry *registry
	agent    *agent // nil: the protocol has no positions at the server
	tailer   *tail.Tailer
	pump     *pump
	counters *counters

	abort     chan struct{}
	abortOnce sync.Once
}

// Open takes the state folder and reads what it holds. Files and the server are
// not touched before Run. Errors are ErrState, ErrInUse, or about cfg.
func Open(cfg Config) (*Forwarder, error) { return open(cfg, new(counters)) }

// Next opens the one that goes on in f's place with another configuration. f's Run
// must have returned. It counts on where f has stopped.
func (f *Forwarder) Next(cfg Config) (*Forwarder, error) { return open(cfg, f.counters) }

func open(cfg Config, counters *counters) (*Forwarder, error) {
	proto, secure, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	f := &Forwarder{cfg: cfg, abort: make(chan struct{}), counters: counters}
	if err := f.openState(); err != nil {
		f.closeState()
		return nil, err
	}
	patterns := make([]string, len(f.cfg.Files))
	for i, file := range f.cfg.Files {
		patterns[i] = file.Pattern
	}
	f.tailer = tail.New(tail.Config{
		Patterns:   patterns,
		FromEnd:    f.cfg.FromEnd,
		MaxLine:    f.cfg.MaxLine,
		RotateWait: f.cfg.RotateWait,
		TempDir:    f.cfg.StateDir,

		HoldDeleted: f.cfg.HoldDeleted,
		PinDir:      filepath.Join(f.cfg.StateDir, pinsName), Pin: f.cfg.Pin,
		OldDirs: f.cfg.OldDirs,
		Memory:  f.registry,
		Notify:  f.tell,
	})
	f.pump = &pump{
		cfg: &f.cfg, log: f.cfg.Log, tailer: f.tailer, registry: f.registry,
		protocol: proto, stats: f.counters,
		dialer: dialer{servers: f.cfg.Servers, log: f.cfg.Log, stats: f.counters, tls: secure},
	}
	f.pump.setFrameLimit(maxFrame)
	if f.cfg.Protocol == protocolRELP {
		f.pump.courier = newCourier(f.pump, f.agent)
		f.pump.batches = true
	}
	return f, nil
}

// openState makes the state folder, takes its lock and reads the registry. It
// writes there, so that a folder that cannot be written to is found out at the
// start.
func (f *Forwarder) openState() (err error) {
	dir := f.cfg.StateDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if f.fs, err = vfs.Open(dir); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if f.lock, err = f.fs.Lock(lockName); err != nil {
		if errors.Is(err, vfs.ErrLocked) {
			return fmt.Errorf("%w: %s", ErrInUse, dir)
		}
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	defer func() {
		if err == nil {
			err = f.openAgent()
		}
	}()
	var damage error
	if f.registry, damage, err = openRegistry(f.fs); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrState, dir, err)
	}
	if damage != nil {
		f.cfg.FromEnd = false // what was not sent before would be skipped
		f.cfg.Log.Error("positions are lost: all files are sent again from their beginning, and rotated files that are there count as delivered",
			"state_dir", dir, "error", damage)
		return nil
	}
	f.registry.dirty = true
	if err := f.registry.save(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrState, dir, err)
	}
	return nil
}

func (f *Forwarder) openAgent() (err error) {
	if f.cfg.Protocol != protocolRELP {
		return nil
	}
	if f.agent, err = openAgent(f.registry); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrState, f.cfg.StateDir, err)
	}
	f.registry.dropping = f.agent.dropped
	return nil
}

func (f *Forwarder) closeState() {
	if f.lock != nil {
		f.lock.Close()
	}
	if f.fs != nil {
		f.fs.Close()
	}
}

// Found is closed once Run has opened the files that were there.
func (f *Forwarder) Found() <-chan struct{} { return f.tailer.Found() }

// Held gives how many bytes of deleted files are not delivered: they would be lost
// if Run ended now and the server could not be reached.
func (f *Forwarder) Held() int64 { return f.tailer.Held() }

// Abort makes Run return without waiting for the server.
func (f *Forwarder) Abort() { f.abortOnce.Do(func() { close(f.abort) }) }

// Run delivers until ctx ends. It then sends what the files hold, waits until
// that is confirmed, at most Config.StopTimeout, writes the positions and
// releases the state folder.
func (f *Forwarder) Run(ctx context.Context) error {
	defer f.closeState()
	defer f.tailer.Close()
	promise := f.pump.protocol.promise()
	if f.agent != nil {
		promise = relpPromise
	}
	f.cfg.Log.Info(promise, "protocol", f.cfg.Protocol)

	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := make(chan struct{})  // the files have been looked at for the last time
	ended := make(chan struct{}) // the pump has ended
	var group errgroup.Group
	group.Go(func() error {
		defer close(stop)
		return f.tailer.Run(ctx)
	})
	group.Go(func() error {
		defer close(ended)
		_ = f.pump.run(sending, stop) // why it ended makes no difference to what is kept
		return nil
	})
	group.Go(func() error {
		select {
		case <-f.abort:
		case <-ended:
		case <-ctx.Done():
			f.cfg.Log.Info("stopping: sending the rest", "limit", f.cfg.StopTimeout.String())
			timer := time.NewTimer(f.cfg.StopTimeout)
			defer timer.Stop()
			select {
			case <-f.abort:
			case <-ended:
			case <-timer.C:
			}
		}
		cancel()
		return nil
	})
	group.Go(func() error {
		f.keep(ended)
		return nil
	})
	err := group.Wait()
	s := f.Stats()
	if s.Unconfirmed > 0 || s.Unread > 0 {
		f.cfg.Log.Warn("stopped with lines not delivered; they are sent at the next start",
			"unread_bytes", s.Unread, "unconfirmed_bytes", s.Unconfirmed)
	}
	return err
}

// keep writes the positions now and then, and when done is closed.
func (f *Forwarder) keep(done <-chan struct{}) {
	save := time.NewTicker(f.cfg.SaveEvery)
	defer save.Stop()
	report := time.NewTicker(time.Minute)
	defer report.Stop()
	failing := false
	for {
		last := false
		select {
		case <-done:
			last = true
		case <-report.C:
			f.cfg.Log.Debug("status", "stats", f.Stats())
			continue
		case <-save.C:
		}
		f.registry.grown(f.tailer.Sizes())
		err := f.registry.save()
		if f.agent != nil {
			err = errors.Join(err, f.agent.save())
		}
		if err != nil {
			f.counters.saveFailures.Add(1)
			if !failing || last {
				f.cfg.Log.Error("positions cannot be written; after a crash lines since the last writing are sent again",
					"state_dir", f.cfg.StateDir, "error", err)
			}
		} else if failing {
			f.cfg.Log.Info("positions are written again", "state_dir", f.cfg.StateDir)
		}
		failing = err != nil
		f.counters.saveFailing.Store(failing)
		if last {
			return
		}
	}
}
