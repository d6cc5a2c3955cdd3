package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/logstore"
)

// openStore takes the log folder into use, as whom dalogd is to be.
func openStore(f *flags, logFiles int, log *slog.Logger) (*logstore.Store, error) {
	if err := settle(f, log); err != nil {
		return nil, err
	}
	cfg := logstore.Config{
		Dir: f.LogDir, StateDir: f.StateDir,
		LineFormat: f.LineFormat.LineFormat, Host: f.Host.HostColumn, Logger: log,
		Durability: f.Durability.Durability, Salvage: f.Salvage,
		MaxUncommitted: maxUncommitted, MaxOpenFiles: logFiles, SearchCores: f.SearchCores,
	}
	f.keepFlags.apply(&cfg)
	cfg.Routes = f.routes()
	store, err := logstore.Open(cfg)
	if err == nil {
		return store, nil
	}
	var locked *logstore.LockedError
	if errors.As(err, &locked) {
		return nil, &cli.ExitError{Code: cli.ExitLocked, Err: fmt.Errorf("another dalogd (process %d) uses %s. Stop it, or choose other folders with --log-dir and --state-dir", locked.PID, locked.Dir)}
	}
	return nil, &cli.ExitError{Code: cli.ExitFolder, Err: fmt.Errorf("log folder %s cannot be used: %w. Make it writable for user %d, or choose another one with --log-dir", f.LogDir, err, os.Geteuid())}
}

// dropRights says whether this process may give up root. Tests that run dalogd
// in their own process may not.
var dropRights bool

// settle prepares the folders for whom dalogd is to be, and becomes it. Whatever
// needs root has to be done by then.
func settle(f *flags, log *slog.Logger) error {
	if err := checkParent(f.LogDir); err != nil {
		return &cli.ExitError{Code: cli.ExitFolder, Err: err}
	}
	who, err := findAccount(f.User)
	if err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	if who == nil || !dropRights {
		return nil
	}
	err = who.prepareFolders(f.LogDir, f.stateDir())
	if errors.Is(err, errInUse) {
		return nil // which the store finds, and by whom
	}
	if err != nil {
		return &cli.ExitError{Code: cli.ExitFolder, Err: fmt.Errorf("log folder %s cannot be made ready for user %s: %w", f.LogDir, who.name, err)}
	}
	if err := who.become(); err != nil {
		return err
	}
	log.Info("no longer root", "user", who.name, "uid", who.uid, "gid", who.gid)
	for _, file := range []string{f.configFile, f.TLSCert, f.TLSKey, f.TLSClientCA, f.Users, f.Tokens, f.Rights} {
		if file == "" {
			continue
		}
		if err := unix.Access(file, unix.R_OK); err != nil {
			log.Warn("cannot be read again by this user: when it changes, dalogd has to be restarted. Let its group read it, or stay root with --user root", "file", file, "user", who.name, "err", err)
		}
	}
	return nil
}

// checkParent keeps a mistyped path from becoming a folder: only the last part
// of it is created.
func checkParent(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil // what is wrong with it, if anything, the store finds
	}
	parent := filepath.Dir(filepath.Clean(dir))
	info, err := os.Stat(parent)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("log folder %s: the folder above it does not exist. Create it with: mkdir -p %s, or choose another one with --log-dir", dir, parent)
	case err != nil:
		return fmt.Errorf("log folder %s: %w. Choose another one with --log-dir", dir, err)
	case !info.IsDir():
		return fmt.Errorf("log folder %s: %s is not a folder. Choose another one with --log-dir", dir, parent)
	}
	return nil
}
