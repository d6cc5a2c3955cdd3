package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/control"
	"github.com/dalog-project/dalog/internal/httpindex"
	"github.com/dalog-project/dalog/internal/logstore"
	"github.com/dalog-project/dalog/internal/syslogsrv"
)

var _ syslogsrv.Ledger = (*logstore.Store)(nil)

// httpGrace is how long answers under way may take when dalogd stops.
const httpGrace = 2 * time.Second

// run is dalogd. It returns the exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	f, inv, err := parseFlags(args, environ, stdout, stderr)
	switch {
	case err != nil:
		err = &cli.ExitError{Code: cli.ExitUsage, Err: inv.All(err)}
	case inv.Done:
	case f.command == "check":
		err = check(stdout, f, inv)
	case f.command == "reopen":
		if f.Reopen.Wait {
			_, err = f.running().Ask("reopen")
		} else {
			err = f.running().Tell("reopen")
		}
	case f.command == "status":
		err = printStatus(stdout, f)
	case f.command == "healthcheck":
		err = healthCheck(ctx, f)
	case f.command == "sources list":
		err = printSources(stdout, f)
	case f.command == "sources forget":
		err = forgetSources(stdout, f)
	case f.command == "inspect":
		err = inspect(stdout, f)
	case f.command == "password":
		err = printPassword(os.Stdin, stdout, stderr, f.Password.Name)
	case f.command == "token":
		err = printToken(stdout, stderr, f.Token.Name)
	default:
		log, level := f.Logger(stderr)
		inv.Warn(log)
		r := &reloader{args: args, environ: environ, log: log, level: level, service: cli.Service{Log: log}, settings: inv.Settings, configFile: inv.ConfigFile, begun: time.Now()}
		err = serve(ctx, f, inv.Env, r)
	}
	return cli.Report(stderr, "dalogd", err)
}

// inspect prints what is in the state folder.
func inspect(stdout io.Writer, f *flags) error {
	dir := cmp.Or(f.Inspect.Path, f.stateDir())
	var err error
	if f.Inspect.What == "wal" {
		if wal := filepath.Join(dir, "wal"); isDir(wal) {
			dir = wal
		}
		err = logstore.InspectLog(stdout, dir)
	} else {
		err = logstore.InspectCheckpoint(stdout, dir)
	}
	if err != nil {
		return &cli.ExitError{Code: cli.ExitFolder, Err: fmt.Errorf("%w. Name the state folder: dalogd inspect %s PATH", err, f.Inspect.What)}
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// serve opens everything, runs it until a signal or ctx says to stop, and
// closes it in the opposite order:
//
//	senders ══▶ receiver ──▶ store ──▶ files ──▶ pages ══▶ readers
//	            syslogsrv    logstore            httpindex
func serve(ctx context.Context, f *flags, env cli.Environment, r *reloader) error {
	log := r.log
	limitMemory(env)
	logFiles := shareDescriptors(f, log)
	var err error
	if r.certs, err = loadCertificates(f); err != nil {
		return err
	}
	if r.guard, err = newGuard(f, log); err != nil {
		return err
	}
	receiver, webSockets, err := openReceiver(f, env, r.certs, log)
	if err != nil {
		return err
	}
	web, err := listenHTTP(f, webSockets, log)
	if err != nil {
		receiver.Close()
		return err
	}
	store, err := openStore(f, logFiles, log)
	if err != nil {
		receiver.Close()
		web.close()
		return err
	}
	r.receiver, r.store, r.web = receiver, store, web
	registry := metrics(receiver, store)
	pages := httpindex.New(httpindex.Config{
		Logs: store, Guard: r.guard, Alive: store.Err, ReadyFile: f.readyFile(),
		Metrics:  promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		Hostname: hostname(), Logger: log,
		Intake: intake(receiver, store, f.LogDir), Limits: f.limits(),
	})
	server := httpindex.NewServer(pages, log)
	if r.certs != nil {
		server.TLSConfig = r.certs.ForReaders()
	}
	connections := httpindex.NewConnections(f.HTTPMax, f.HTTPMaxOfPeer, r.guard.IsProxy)
	connections.Bind(server)
	refused := func(peer netip.Addr) { receiver.Refuse(syslogsrv.ReaderRefused, peer) }
	web.wrap = func(l net.Listener) net.Listener {
		return connections.Limit(&filter{l, r.guard.MayConnect, refused})
	}
	registry.MustRegister(pages, r.guard, connections)

	// A reader of stderr that goes away is no reason to stop.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)

	storing := start(ctx, store.Run)
	guarding := start(ctx, r.guard.Run)
	defer guarding.stop()
	serving := start(ctx, web.run(server))
	receiving := start(ctx, func(ctx context.Context) error { return receiver.Run(ctx, store) })
	controlling := start(ctx, func(ctx context.Context) error {
		err := control.Serve(ctx, f.stateDir(), log, control.Commands{
			"reopen":  func(context.Context, []string) ([]byte, error) { return nil, r.reload(ctx) },
			"status":  func(context.Context, []string) ([]byte, error) { return json.Marshal(r.status(f)) },
			"sources": func(context.Context, []string) ([]byte, error) { return writeSources(receiver, store) },
			"forget":  func(ctx context.Context, words []string) ([]byte, error) { return forget(ctx, receiver, words) },
		})
		if err != nil {
			log.Warn("dalogd reopen (a HUP signal does the same) and dalogd sources do not work", "err", err)
		}
		return nil
	})
	defer controlling.stop()
	watching := start(ctx, func(ctx context.Context) error {
		return r.service.Watch(ctx, func() { store.Stats(); receiver.Stats() })
	})
	defer watching.stop()
	announce(log, receiver, web)
	r.service.Ready("running")

	// Until somebody or something says stop.
	for stop := false; !stop; {
		select {
		case <-ctx.Done():
			stop = true
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				go r.reload(ctx)
				continue
			}
			log.Info("stopping", "signal", sig.String())
			stop = true
		case <-storing.done:
			stop = true
		case <-serving.done:
			stop = true
		case <-receiving.done:
			stop = true
		}
	}

	r.service.Stopping()
	stopped := make(chan error, 1)
	begun := time.Now()
	go func() { stopped <- stopAll(log, receiving, serving, storing, store) }()
	for {
		select {
		case err := <-stopped:
			return err
		case sig := <-signals:
			if sig != syscall.SIGHUP && time.Since(begun) > sameSignal {
				return fmt.Errorf("second signal (%v): stopped at once; messages not yet stored are lost", sig)
			}
		}
	}
}

// sameSignal is the time in which a signal that is repeated is the same wish to
// stop: a supervisor may send it to the process and to its group.
const sameSignal = 200 * time.Millisecond

// stopAll ends the parts one after the other, each when nothing comes to it any more.
func stopAll(log *slog.Logger, receiving, serving, storing *part, store *logstore.Store) error {
	begin := time.Now()
	step := func(name string, f func() error) error {
		t := time.Now()
		err := f()
		took := time.Since(t).Round(time.Millisecond)
		if err != nil {
			log.Error("stopped with an error", "part", name, "took", took, "err", err)
		} else {
			log.Info("stopped", "part", name, "took", took)
		}
		return err
	}
	received := step("syslog", receiving.stop)
	served := step("http", serving.stop)
	stored := step("store", storing.stop)
	closed := step("files", store.Close)
	log.Info("ended", "took", time.Since(begin).Round(time.Millisecond))
	if stored != nil {
		return &cli.ExitError{Code: cli.ExitDisk, Err: fmt.Errorf("disk failure: %w. Messages that came since the last commit may be missing; see to the disk, then start dalogd again", stored)}
	}
	return errors.Join(received, served, closed)
}

// part is a goroutine with its own stop.
type part struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of the goroutine, once done is closed
}

// start runs f with a context that only stop ends, not ctx: the parts stop in order.
func start(ctx context.Context, f func(context.Context) error) *part {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &part{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = f(ctx)
	}()
	return p
}

func (p *part) stop() error {
	p.cancel()
	<-p.done
	return p.err
}

// announce tells all addresses, in a form that programs read.
func announce(log *slog.Logger, receiver *syslogsrv.Server, web *webListeners) {
	for _, e := range receiver.Bound() {
		log.Info("listening", "kind", e.Kind(), "addr", e.Address)
	}
	for _, s := range web.sockets {
		if s.Listener != nil {
			log.Info("listening", "kind", s.kind(), "addr", s.Addr())
		}
	}
	log.Info("ready", "version", versionText(), "pid", os.Getpid())
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
