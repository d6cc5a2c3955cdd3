package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/forwarder"
)

const checkDial = 5 * time.Second

// check is dalogfwd check: it looks at everything that can be wrong before the
// start, and takes nothing into use. What keeps dalogfwd from starting gives 2,
// what keeps lines from being delivered gives 1.
func check(stdout io.Writer, f *flags, inv *cli.Invocation) error {
	for _, w := range inv.Warnings {
		fmt.Fprintf(stdout, "warning: unknown environment variable %s\n", w)
	}
	config, err := f.config(inv.Env)
	if err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: inv.Locate(err)}
	}
	if err := checkState(config.StateDir); err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	plan, err := forwarder.MakePlan(config)
	if err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: inv.Locate(err)}
	}
	var wrong []error
	for _, f := range plan.Files {
		if f.Problem != "" {
			wrong = append(wrong, fmt.Errorf("%s: %s", f.Path, f.Problem))
		}
	}
	reached := false
	for _, server := range plan.Servers {
		conn, err := net.DialTimeout("tcp", server, checkDial)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("server %s: %w", server, err))
			continue
		}
		conn.Close()
		reached = true
	}
	if !reached {
		wrong = append(wrong, errors.New("no server can be reached: lines stay in their files until one can"))
	}
	if err := errors.Join(wrong...); err != nil {
		return &cli.ExitError{Code: exitTrouble, Err: err}
	}
	_, err = fmt.Fprintf(stdout, "ok: %s can be followed, %s can be reached\n", count(len(plan.Files), "file"), count(len(plan.Servers), "server"))
	return err
}

// checkState tells whether the state folder can be used, or made.
func checkState(dir string) error {
	at := dir
	for {
		st, err := os.Stat(at)
		if errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
			at = filepath.Dir(at)
			continue
		}
		if err == nil && !st.IsDir() {
			err = errors.New("it is no folder")
		}
		if err == nil {
			err = unix.Access(at, unix.W_OK|unix.X_OK)
		}
		if err != nil {
			return fmt.Errorf("state folder %s: %s: %w; make it a folder that this user may write to, or give --state-dir another one", dir, at, err)
		}
		return nil
	}
}
