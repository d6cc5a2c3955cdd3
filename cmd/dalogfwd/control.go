package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dalog-project/dalog/internal/forwarder"
)

// controlName is the socket in the state folder over which a running dalogfwd is
// asked how it stands: a line with a command, answered by JSON. Only who may
// enter the folder reaches it.
const controlName = "control"

const controlTimeout = 10 * time.Second

// controlPath names the socket in a way that no length of path is too long for.
func controlPath(dir *os.File) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), controlName)
}

// serveControl answers until ctx ends. The lock on the state folder is held, so a
// socket that is there is one left behind.
func serveControl(ctx context.Context, stateDir string, log *slog.Logger, status func(context.Context) (forwarder.Status, error)) error {
	dir, err := os.Open(stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := os.Remove(filepath.Join(stateDir, controlName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", controlPath(dir))
	if err != nil {
		return err
	}
	// The name may be another dalogfwd's by the end.
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go func() {
			defer conn.Close()
			if err := answer(ctx, conn, status); err != nil && !errors.Is(err, syscall.EPIPE) {
				log.Warn("control connection", "error", err)
			}
		}()
	}
}

func answer(ctx context.Context, conn net.Conn, status func(context.Context) (forwarder.Status, error)) error {
	if err := conn.SetDeadline(time.Now().Add(controlTimeout)); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(conn, 64).ReadSlice('\n')
	if err != nil {
		return err
	}
	if command := strings.TrimSpace(string(line)); command != "status" {
		return fmt.Errorf("unknown command %q", command)
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	st, err := status(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(conn).Encode(st)
}

// errNotRunning says that no dalogfwd uses the state folder.
var errNotRunning = errors.New("no dalogfwd is running with this state folder")

// askStatus asks the dalogfwd of a state folder how it stands.
func askStatus(stateDir string) (st forwarder.Status, err error) {
	dir, err := os.Open(stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return st, errNotRunning
	}
	if err != nil {
		return st, err
	}
	defer dir.Close()
	conn, err := net.DialTimeout("unix", controlPath(dir), controlTimeout)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return st, errNotRunning
	case err != nil:
		return st, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * controlTimeout)); err != nil {
		return st, err
	}
	if _, err := fmt.Fprintln(conn, "status"); err != nil {
		return st, err
	}
	if err := json.NewDecoder(conn).Decode(&st); err != nil {
		return st, fmt.Errorf("dalogfwd gave no answer: %w", err)
	}
	return st, nil
}
