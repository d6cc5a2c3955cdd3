package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/access"
	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/logstore"
	"github.com/dalog-project/dalog/internal/syslogsrv"
)

// live are the settings that a reload takes over; all others need a restart.
var live = []string{
	"allow", "proxy_from", "zone", "max_connections", "max_connections_per_peer", "max_sources", "forget_sources",
	"tls_cert", "tls_key", "tls_client_ca", "tls_allow_name",
	"rotate_size", "rotate_every", "keep_count", "keep_age", "keep_bytes", "keep_free", "keep", "route",
	"open_to", "login_from", "users", "tokens", "rights", "trust_proxy", "proxy_users", "http_name",
	"log_level",
}

// reloader reads the configuration again while dalogd runs.
type reloader struct {
	args, environ []string
	log           *slog.Logger
	level         *slog.LevelVar
	service       cli.Service
	store         *logstore.Store
	receiver      *syslogsrv.Server
	certs         *syslogsrv.Certificates // nil: no TLS
	guard         *access.Guard
	web           *webListeners
	configFile    string
	begun         time.Time

	mu       sync.Mutex
	settings []cli.Setting // in force
	last     cli.Reloaded
}

// reload opens the log files anew, takes the configuration over as it is now and
// reads the TLS files. The log files come first: whoever rotates them may be about
// to compress them. A configuration with a mistake changes nothing, and the log files
// are opened anew all the same.
func (r *reloader) reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.Info("reloading")
	r.service.Reloading()
	defer r.service.Ready("running")
	r.last = cli.Reloaded{At: time.Now()}
	reopenErr := r.store.Reopen(ctx)
	if reopenErr != nil {
		r.log.Error("log files not opened anew", "err", reopenErr)
		reopenErr = fmt.Errorf("log files not opened anew: %w", reopenErr)
	}
	err := r.configure()
	if err != nil {
		r.log.Error("configuration not reloaded, the former one stays in force", "err", err)
		err = fmt.Errorf("configuration not reloaded, the former one stays in force: %w", err)
	}
	err = errors.Join(err, reopenErr)
	if err != nil {
		r.last.Error = err.Error()
		return err
	}
	r.log.Info("reloaded")
	return nil
}

// configure puts the configuration in force, if nothing is wrong with it or with
// the files that it names.
func (r *reloader) configure() error {
	f, inv, err := parseFlags(r.args, r.environ, io.Discard, io.Discard)
	if err != nil {
		return err
	}
	if wrong := f.checkOthers(); len(wrong) > 0 {
		return inv.Locate(errors.Join(wrong...))
	}
	changed := cli.Changes(r.settings, inv.Settings)
	if r.certs != nil && f.TLSCert != "" {
		err := r.certs.Change(f.certificateFiles())
		sameFiles := !slices.ContainsFunc(changed, func(s cli.Setting) bool { return strings.HasPrefix(s.Name, "tls_") })
		switch {
		case err == nil:
			r.log.Info("TLS certificate reloaded")
		case sameFiles: // which this user may not be able to read; it is said at the start
			r.log.Error("TLS certificate not reloaded, the former one stays in use", "err", err)
		default:
			return err
		}
	}
	if err := r.guard.Change(accessConfig(f, r.log)); err != nil {
		return err
	}
	shareDescriptors(f, r.log)
	r.receiver.SetRules(f.rules())
	var cfg logstore.Config
	f.keepFlags.apply(&cfg)
	cfg.Routes = f.routes()
	r.store.SetRules(cfg)
	r.level.Set(f.Level())

	for _, s := range changed {
		isTLS := strings.HasPrefix(s.Name, "tls_")
		if !slices.Contains(live, s.Name) || isTLS && (r.certs == nil || f.TLSCert == "") {
			r.last.Restart = append(r.last.Restart, s.Name)
		}
	}
	if len(changed) > 0 {
		r.log.Info("settings changed", "settings", cli.Describe(changed))
	}
	if len(r.last.Restart) > 0 {
		r.log.Warn("settings that changed count only after a restart", "settings", strings.Join(r.last.Restart, ", "))
		return nil // and are told of again at the next reload
	}
	r.settings = inv.Settings
	return nil
}

// state is what became of the last reload; zero before the first one.
func (r *reloader) state() cli.Reloaded {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}
