package main

import (
	"bufio"
	"context"
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
)

// controlName is the socket in the state folder over which a running dalogd is
// told what to do: a line with a command, answered by a line with "ok" or the
// reason why not. Only who may enter the folder reaches it.
const controlName = "control"

// controlPath names the socket in a way that no length of path is too long for.
func controlPath(dir *os.File) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), controlName)
}

// serveControl answers commands until ctx ends. The lock on the state folder is
// held, so a socket that is there is one left behind.
func serveControl(ctx context.Context, stateDir string, log *slog.Logger, reopen func() error) error {
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
			if err := control(conn, reopen); err != nil {
				log.Warn("control connection", "err", err)
			}
		}()
	}
}

func control(conn net.Conn, reopen func() error) error {
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(conn, 64).ReadSlice('\n')
	if err != nil {
		return err
	}
	answer := "ok"
	switch command := strings.TrimSpace(string(line)); command {
	case "reopen":
		if err := reopen(); err != nil {
			answer = err.Error()
		}
	default:
		answer = fmt.Sprintf("unknown command %q", command)
	}
	_, err = fmt.Fprintln(conn, answer)
	if errors.Is(err, syscall.EPIPE) {
		return nil // it did not want to wait
	}
	return err
}

// askReopen has the dalogd of a state folder open its files anew, and waits until
// it has if wait is set.
func askReopen(stateDir string, wait bool) error {
	dir, err := os.Open(stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	conn, err := net.Dial("unix", controlPath(dir))
	if err != nil {
		return fmt.Errorf("no dalogd answers in %s: %w", stateDir, err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, "reopen"); err != nil || !wait {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return fmt.Errorf("dalogd ended before it answered: %w", err)
	}
	if answer = strings.TrimSpace(answer); answer != "ok" {
		return errors.New(answer)
	}
	return nil
}
