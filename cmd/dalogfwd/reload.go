package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/forwarder"
)

// service is dalogfwd at work: one Forwarder after the other, over one state
// folder. A reload ends the present one as a stop does, with what the files hold
// sent and confirmed, and the next one goes on where it stood.
type service struct {
	args, environ []string
	log           *slog.Logger
	level         *slog.LevelVar
	notify        cli.Service

	reloading sync.Mutex // held over a reload
	next      chan order

	mu       sync.Mutex // guards what follows
	fwd      *forwarder.Forwarder
	config   forwarder.Config // fwd's
	settings []cli.Setting    // in force, or about to be
	last     cli.Reloaded
	waits    string        // what a reload waits for
	changed  chan struct{} // closed when fwd is another one
}

// order is a configuration that is to be put in force. done holds how that went.
type order struct {
	config forwarder.Config
	done   chan error
}

// restartOnly are the settings that a reload does not take over.
var restartOnly = []string{"state_dir", "metrics", "log_format"}

const (
	// heldEvery is how often a reload that waits looks whether it need not any more.
	heldEvery = 200 * time.Millisecond
	// reloadPatience is how long who asked for a reload waits for its end.
	reloadPatience = 20 * time.Second
)

func (s *service) current() *forwarder.Forwarder {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fwd
}

func (s *service) stats() forwarder.Stats { return s.current().Stats() }

// run delivers until ctx ends, with one configuration after the other.
func (s *service) run(ctx context.Context) error {
	var before *forwarder.Forwarder
	for {
		fwd := s.current()
		if fwd == before {
			return nil // ctx has ended while there was none
		}
		before = fwd
		running, end := context.WithCancel(ctx)
		var next *order
		done := make(chan struct{})
		go func() {
			defer close(done)
			next = s.await(running, fwd)
			end()
		}()
		err := fwd.Run(running)
		end()
		<-done
		if err != nil || next == nil || ctx.Err() != nil {
			return err
		}
		s.change(ctx, fwd, next)
	}
}

// await gives the next configuration, when fwd may be ended for it; nil when ctx
// ends before that. Deleted files that are held open are delivered first: they
// could not be opened again.
func (s *service) await(ctx context.Context, fwd *forwarder.Forwarder) (next *order) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-s.next:
			next = &o
		case <-again:
		}
		held := fwd.Held()
		if held == 0 {
			s.wait("")
			return next
		}
		s.wait(fmt.Sprintf("deleted files with %s are held open, and delivered before that", sizeText(held)))
		again = time.After(heldEvery)
	}
}

func (s *service) wait(reason string) {
	s.mu.Lock()
	begins := s.waits == "" && reason != ""
	s.waits = reason
	s.mu.Unlock()
	if begins {
		s.log.Warn("the new configuration waits", "for", reason)
	}
}

// change makes the next Forwarder. Where it cannot be had, the former configuration
// is taken up again. Only ctx ends that without one.
func (s *service) change(ctx context.Context, old *forwarder.Forwarder, next *order) {
	fwd, err := old.Next(next.config)
	s.mu.Lock()
	config := s.config
	if err == nil {
		config = next.config
	} else {
		s.last.Error = err.Error()
		s.settings = nil // the next reload tries again
	}
	s.mu.Unlock()
	next.done <- err
	if err == nil {
		s.log.Info("reloaded", "server", strings.Join(config.Servers, ","), "protocol", config.Protocol, "files", len(config.Files))
	} else {
		s.log.Error("configuration not reloaded, the former one stays in force", "error", err)
		if fwd = s.takeUp(ctx, old, config); fwd == nil {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fwd, s.config = fwd, config
	close(s.changed)
	s.changed = make(chan struct{})
}

// takeUp opens what was open a moment ago. What stands in the way of that, a full
// disk for instance, is waited for: there is nobody to start the program again
// everywhere.
func (s *service) takeUp(ctx context.Context, old *forwarder.Forwarder, config forwarder.Config) *forwarder.Forwarder {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for told := false; ; {
		fwd, err := old.Next(config)
		if err == nil {
			return fwd
		}
		if !told {
			told = true
			s.log.Error("nothing is delivered until the state folder can be used again; trying", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// reload reads the configuration again, and returns when it is in force. With a
// mistake in it the former one stays.
func (s *service) reload(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.log.Info("reloading")
	s.notify.Reloading()
	defer s.notify.Ready("running")
	s.mu.Lock()
	s.last = cli.Reloaded{At: time.Now()}
	s.mu.Unlock()
	config, waits, err := s.configure()
	if err != nil {
		err = fmt.Errorf("configuration not reloaded, the former one stays in force: %w", err)
		s.log.Error("configuration not reloaded, the former one stays in force", "error", errors.Unwrap(err))
		s.mu.Lock()
		s.last.Error = err.Error()
		s.mu.Unlock()
		return err
	}
	if !waits {
		s.log.Info("reloaded; nothing has changed that concerns delivery")
		return nil
	}
	select { // the newest counts
	case <-s.next:
	default:
	}
	next := order{config, make(chan error, 1)}
	s.next <- next
	timer := time.NewTimer(reloadPatience)
	defer timer.Stop()
	select {
	case err := <-next.done:
		return err
	case <-timer.C:
		s.mu.Lock()
		defer s.mu.Unlock()
		return errors.New("the new configuration is right, and not in force yet: " + cmp.Or(s.waits, "what was sent is being confirmed"))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// configure reads the configuration. waits tells whether the Forwarder is to be
// changed for it.
func (s *service) configure() (config forwarder.Config, waits bool, err error) {
	f, inv, err := parseFlags(s.args, s.environ, io.Discard, io.Discard)
	if err != nil {
		return config, false, err
	}
	if config, err = f.config(inv.Env); err != nil {
		return config, false, err
	}
	config.Log = s.log
	if err := config.Check(); err != nil {
		return config, false, inv.Locate(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	config.StateDir = s.config.StateDir
	s.level.Set(f.Level())
	changed := inv.Settings
	if s.settings != nil {
		changed = cli.Changes(s.settings, inv.Settings)
		if len(changed) > 0 {
			s.log.Info("settings changed", "settings", cli.Describe(changed))
		}
	}
	kept := slices.Clone(inv.Settings)
	for _, c := range changed {
		switch i := slices.IndexFunc(kept, func(k cli.Setting) bool { return k.Name == c.Name }); {
		case s.settings != nil && slices.Contains(restartOnly, c.Name):
			s.last.Restart = append(s.last.Restart, c.Name)
			kept[i] = s.settings[i] // is told of again at the next reload
		case c.Name != "log_level":
			waits = true
		}
	}
	if len(s.last.Restart) > 0 {
		s.log.Warn("settings that changed count only after a restart", "settings", strings.Join(s.last.Restart, ", "))
	}
	s.settings = kept
	return config, waits || config.TLS != nil, nil // whose files may have changed
}

// liveStatus is a Forwarder's status and what became of the last reload.
type liveStatus struct {
	forwarder.Status
	LastReload *cli.Reloaded `json:"last_reload,omitempty"`
}

// status tells how things stand. During a reload it waits for the next Forwarder.
func (s *service) status(ctx context.Context) (st liveStatus, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		s.mu.Lock()
		fwd, changed := s.fwd, s.changed
		s.mu.Unlock()
		if st.Status, err = fwd.Status(ctx); err == nil {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return st, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.At.IsZero() {
		last := s.last
		if s.waits != "" {
			last.Error = "the new configuration waits: " + s.waits
		}
		st.LastReload = &last
	}
	return st, nil
}
