package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
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
// told what to do, and asked how it is: a line with a command, answered by a line
// with "ok" or the reason why not, and what the command gives behind that. Only
// who may enter the folder reaches it.
const controlName = "control"

// controlPath names the socket in a way that no length of path is too long for.
func controlPath(dir *os.File) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), controlName)
}

// controls are the commands, by name.
type controls map[string]func() ([]byte, error)

// serveControl answers commands until ctx ends. The lock on the state folder is
// held, so a socket that is there is one left behind.
func serveControl(ctx context.Context, stateDir string, log *slog.Logger, commands controls) error {
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
			if err := commands.answer(conn); err != nil {
				log.Warn("control connection", "err", err)
			}
		}()
	}
}

func (commands controls) answer(conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(conn, 64).ReadSlice('\n')
	if err != nil {
		return err
	}
	name := strings.TrimSpace(string(line))
	answer, body := "ok", []byte(nil)
	if command := commands[name]; command == nil {
		answer = fmt.Sprintf("unknown command %q: this dalogd is of another version", name)
	} else if body, err = command(); err != nil {
		answer, body = oneLine(err), nil
	}
	_, err = conn.Write(append([]byte(answer+"\n"), body...))
	if errors.Is(err, syscall.EPIPE) {
		return nil // it did not want to wait
	}
	return err
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// ask has the dalogd of a state folder do a command, and returns what that
// gives. Without wait it is left to its own.
func ask(stateDir, command string, wait bool) ([]byte, error) {
	dir, err := os.Open(stateDir)
	if err != nil {
		return nil, noAnswer(stateDir, err)
	}
	defer dir.Close()
	conn, err := net.Dial("unix", controlPath(dir))
	if err != nil {
		return nil, noAnswer(stateDir, err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, command); err != nil || !wait {
		return nil, err
	}
	r := bufio.NewReader(conn)
	answer, err := r.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("dalogd ended before it answered: %w", err)
	}
	if answer = strings.TrimSpace(answer); answer != "ok" {
		return nil, errors.New(answer)
	}
	return io.ReadAll(r)
}

// noAnswer says what the reason can be.
func noAnswer(stateDir string, err error) error {
	hint := "It does not run, or runs with other folders: see --log-dir and --state-dir"
	if errors.Is(err, fs.ErrPermission) {
		hint = "Only root and the user that dalogd runs as may ask it"
	}
	return fmt.Errorf("no dalogd answers in %s: %w. %s", stateDir, err, hint)
}
