package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/logstore"
)

// openStore takes the log folder into use.
func openStore(f *flags, logFiles int, log *slog.Logger) (*logstore.Store, error) {
	owner, err := findOwner(f.Owner)
	if err != nil {
		return nil, &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	if err := checkParent(f.LogDir); err != nil {
		return nil, &cli.ExitError{Code: cli.ExitFolder, Err: err}
	}
	cfg := logstore.Config{
		Dir: f.LogDir, StateDir: f.StateDir, Owner: owner,
		LineFormat: f.LineFormat.LineFormat, Host: f.Host.HostColumn, Logger: log,
		Durability: f.Durability.Durability, Salvage: f.Salvage,
		MaxUncommitted: maxUncommitted, MaxOpenFiles: logFiles,
	}
	f.keepFlags.apply(&cfg)
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

// findOwner reads USER[:GROUP], by name or number. Without one it is www-data
// where that exists. Only root can give files away.
func findOwner(s string) (*logstore.Owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	name, group, hasGroup := strings.Cut(s, ":")
	if s == "" {
		name = "www-data"
	}
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	if uid, numErr := strconv.Atoi(name); err != nil && numErr == nil && hasGroup {
		u, err = &user.User{Uid: strconv.Itoa(uid)}, nil
	}
	switch {
	case err != nil && s == "":
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("--owner: there is no user %q; write USER, USER:GROUP or UID:GID", name)
	}
	if hasGroup {
		g, err := user.LookupGroup(group)
		if err == nil {
			u.Gid = g.Gid
		} else if _, numErr := strconv.Atoi(group); numErr == nil {
			u.Gid = group
		} else {
			return nil, fmt.Errorf("--owner: there is no group %q", group)
		}
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, fmt.Errorf("--owner: user id %q is not a number", u.Uid)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, fmt.Errorf("--owner: group id %q is not a number", u.Gid)
	}
	return &logstore.Owner{UID: uid, GID: gid}, nil
}
