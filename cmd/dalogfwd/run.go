package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/control"
	"github.com/dalog-project/dalog/internal/forwarder"
)

// run is dalogfwd. It returns the exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	// A reader of stderr that goes away is no reason to stop.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)

	f, inv, err := parseFlags(args, environ, stdout, stderr)
	switch {
	case err != nil:
		err = &cli.ExitError{Code: cli.ExitUsage, Err: inv.All(err)}
	case inv.Done:
	case f.command == "import":
		err = importConfig(os.Stdin, stdout, f.Import.File)
	case f.command == "plan":
		err = showPlan(stdout, f, inv.Env, f.Plan.Output)
	case f.command == "status":
		err = showStatus(stdout, f.running(), f.Status.Output, f.Status.MaxLag)
	case f.command == "reload":
		if f.Reload.Wait {
			_, err = f.running().Ask("reload")
		} else {
			err = f.running().Tell("reload")
		}
	case f.command == "check":
		err = check(stdout, f, inv)
	default:
		log, level := f.Logger(stderr)
		inv.Warn(log)
		s := &service{
			args: args, environ: environ, log: log, level: level, notify: cli.Service{Log: log}, settings: inv.Settings,
			next: make(chan order, 1), changed: make(chan struct{}),
		}
		err = s.forward(ctx, f, inv.Env, signals)
	}
	return cli.Report(stderr, "dalogfwd", err)
}

// forward follows and delivers until a signal or ctx says to stop.
func (s *service) forward(ctx context.Context, f *flags, env cli.Environment, signals <-chan os.Signal) error {
	log := s.log
	config, err := f.config(env)
	if err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	config.Log = log
	metrics, err := listenMetrics(f)
	if err != nil {
		return err
	}
	s.config = config
	if s.fwd, err = forwarder.Open(config); err != nil {
		if metrics != nil {
			metrics.Close()
		}
		return startError(err, f.StateDir)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	asked, noMore := context.WithCancel(context.WithoutCancel(ctx))
	controlled := make(chan struct{})
	go func() {
		defer close(controlled)
		err := control.Serve(asked, f.StateDir, log, control.Commands{
			"reload": func(ctx context.Context, _ []string) ([]byte, error) { return nil, s.reload(ctx) },
			"status": func(ctx context.Context, _ []string) ([]byte, error) {
				st, err := s.status(ctx)
				if err != nil {
					return nil, err
				}
				return json.Marshal(st)
			},
		})
		if err != nil {
			log.Warn("'dalogfwd status' and 'dalogfwd reload' will get no answer", "error", err)
		}
	}()
	defer func() {
		noMore()
		<-controlled
	}()
	go func() {
		var begun time.Time
		for {
			select {
			case sig := <-signals:
				switch {
				case sig == syscall.SIGHUP:
					if begun.IsZero() {
						go func() { _ = s.reload(asked) }() // it is logged
					}
				case begun.IsZero():
					begun = time.Now()
					log.Info("stopping", "signal", sig.String())
					cancel()
				case time.Since(begun) > sameSignal:
					log.Info("stopping at once", "signal", sig.String())
					s.current().Abort()
				}
			case <-ended:
				return
			}
		}
	}()
	if metrics != nil {
		log.Info("listening", "kind", "http", "addr", metrics.Addr().String())
		go serveMetrics(ctx, metrics, s.stats, log)
	}
	watch, noWatch := context.WithCancel(context.WithoutCancel(ctx))
	defer noWatch()
	go func() {
		if err := s.notify.Watch(watch, func() { s.stats() }); err != nil {
			log.Warn("the service manager's watchdog is not served", "err", err)
		}
	}()
	defer context.AfterFunc(ctx, s.notify.Stopping)()
	first, announced := s.current(), make(chan struct{})
	go func() {
		defer close(announced)
		select {
		case <-first.Found():
		case <-ctx.Done():
			return
		}
		s.notify.Ready("running")
		log.Info("ready", "version", versionText(), "pid", os.Getpid(), "server", strings.Join(config.Servers, ","),
			"protocol", config.Protocol, "hostname", config.Hostname, "files", len(config.Files), "state_dir", config.StateDir)
	}()
	err = s.run(ctx)
	cancel()
	<-announced
	if err != nil {
		return err
	}
	log.Info("ended")
	return nil
}

// sameSignal is the time in which a signal that is repeated is the same wish to
// stop: a supervisor may send it to the process and to its group.
const sameSignal = 200 * time.Millisecond

// startError says what to do about an error of forwarder.Open.
func startError(err error, stateDir string) error {
	switch {
	case errors.Is(err, forwarder.ErrInUse):
		return &cli.ExitError{Code: cli.ExitLocked, Err: fmt.Errorf("%w: another dalogfwd runs with it; stop that one or give --state-dir another folder", err)}
	case errors.Is(err, forwarder.ErrState):
		return &cli.ExitError{Code: cli.ExitFolder, Err: fmt.Errorf("%w; make %s a folder that this user may write to, or give --state-dir another one", err, stateDir)}
	}
	return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("%w; see dalogfwd --help", err)}
}
