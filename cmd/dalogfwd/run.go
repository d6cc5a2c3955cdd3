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

	env := parseEnviron(environ)
	f, done, err := parseFlags(args, env, stdout, stderr)
	switch {
	case err != nil:
		err = &exitError{exitUsage, err}
	case done:
		return exitOK
	default:
		log := newLogger(stderr, f)
		for _, name := range env.unknown() {
			log.Warn("unknown environment variable; dalogfwd --help lists those that count", "name", name)
		}
		err = forward(ctx, f, env, signals, log)
	}
	if err != nil {
		fmt.Fprintf(stderr, "dalogfwd: %v\n", err)
	}
	return exitCode(err)
}

// forward follows and delivers until a signal or ctx says to stop.
func forward(ctx context.Context, f *flags, env environment, signals <-chan os.Signal, log *slog.Logger) error {
	config, err := f.config(env)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	config.Log = log
	fwd, err := forwarder.Open(config)
	if err != nil {
		return startError(err, f.StateDir)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
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
		return &exitError{exitLocked, fmt.Errorf("%w: another dalogfwd runs with it; stop that one or give --state-dir another folder", err)}
	case errors.Is(err, forwarder.ErrState):
		return &exitError{exitFolder, fmt.Errorf("%w; make %s a folder that this user may write to, or give --state-dir another one", err, stateDir)}
	}
	return &exitError{exitUsage, fmt.Errorf("%w; see dalogfwd --help", err)}
}
