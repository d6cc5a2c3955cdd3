package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/forwarder"
)

// run is dalogfwd. It returns the exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	// A reader of stderr that goes away is no reason to stop, and neither is a
	// hang-up: there is nothing to read anew.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
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
		err = showStatus(stdout, f.StateDir, f.Status.Output, f.Status.MaxLag)
	case f.command == "check":
		err = check(stdout, f, inv)
	default:
		log, _ := f.Logger(stderr)
		inv.Warn(log)
		err = forward(ctx, f, inv.Env, signals, log)
	}
	return cli.Report(stderr, "dalogfwd", err)
}

// forward follows and delivers until a signal or ctx says to stop.
func forward(ctx context.Context, f *flags, env cli.Environment, signals <-chan os.Signal, log *slog.Logger) error {
	config, err := f.config(env)
	if err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	config.Log = log
	metrics, err := listenMetrics(f)
	if err != nil {
		return err
	}
	fwd, err := forwarder.Open(config)
	if err != nil {
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
	control := make(chan struct{})
	go func() {
		defer close(control)
		if err := serveControl(asked, f.StateDir, log, fwd.Status); err != nil {
			log.Warn("'dalogfwd status' will get no answer", "error", err)
		}
	}()
	defer func() {
		noMore()
		<-control
	}()
	go func() {
		var begun time.Time
		for {
			select {
			case sig := <-signals:
				switch {
				case begun.IsZero():
					begun = time.Now()
					log.Info("stopping", "signal", sig.String())
					cancel()
				case time.Since(begun) > sameSignal:
					log.Info("stopping at once", "signal", sig.String())
					fwd.Abort()
				}
			case <-ended:
				return
			}
		}
	}()
	if metrics != nil {
		log.Info("listening", "kind", "http", "addr", metrics.Addr().String())
		go serveMetrics(ctx, metrics, fwd, log)
	}
	service := cli.Service{Log: log}
	watch, noWatch := context.WithCancel(context.WithoutCancel(ctx))
	defer noWatch()
	go func() {
		if err := service.Watch(watch, func() { fwd.Stats() }); err != nil {
			log.Warn("the service manager's watchdog is not served", "err", err)
		}
	}()
	service.Ready("running")
	defer context.AfterFunc(ctx, service.Stopping)()
	log.Info("ready", "version", versionText(), "pid", os.Getpid(), "server", strings.Join(config.Servers, ","),
		"protocol", config.Protocol, "hostname", config.Hostname, "files", len(config.Files), "state_dir", config.StateDir)
	if err := fwd.Run(ctx); err != nil {
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
