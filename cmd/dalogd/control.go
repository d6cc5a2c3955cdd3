package main

import (
	"bufio"
	"bytes"
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
// told what to do: a line with a command, answered by what the command says and a
// line with "ok" or the reason why not. Only who may enter the folder reaches it.
const controlName = "control"

// controlCommands are by name what can be told; what they say they write.
type controlCommands map[string]func(io.Writer) error

// controlPath names the socket in a way that no length of path is too long for.
func controlPath(dir *os.File) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), controlName)
}

// serveControl answers commands until ctx ends. The lock on the state folder is
// held, so a socket that is there is one left behind.
func serveControl(ctx context.Context, stateDir string, log *slog.Logger, commands controlCommands) error {
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
			if err := control(conn, commands); err != nil {
				log.Warn("control connection", "err", err)
			}
		}()
	}
}

func control(conn net.Conn, commands controlCommands) error {
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(conn, 64).ReadSlice('\n')
	if err != nil {
		return err
	}
	answer := "ok"
	name := strings.TrimSpace(string(line))
	if command := commands[name]; command == nil {
		answer = fmt.Sprintf("unknown command %q", name)
	} else {
		if err := conn.SetDeadline(time.Time{}); err != nil {
			return err
		}
		if err := command(conn); err != nil {
			answer = err.Error()
		}
	}
	_, err = fmt.Fprintln(conn, answer)
	if errors.Is(err, syscall.EPIPE) {
		return nil // it did not want to wait
	}
	return err
}

// askControl has the dalogd of a state folder do something, and gives what it
// says; where wait is not set it does not wait for that.
func askControl(stateDir, command string, wait bool) (said []byte, err error) {
	dir, err := os.Open(stateDir)
	if err != nil {
		return nil, fmt.Errorf("no dalogd has its state there: %w; name its folder with --log-dir or --state-dir", err)
	}
	defer dir.Close()
	conn, err := net.Dial("unix", controlPath(dir))
	if err != nil {
		return nil, fmt.Errorf("no dalogd answers in %s: %w", stateDir, err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, command); err != nil || !wait {
		return nil, err
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasSuffix(answer, []byte("\n")) {
		return nil, errors.Join(errNoAnswer, err)
	}
	last := bytes.LastIndexByte(answer[:len(answer)-1], '\n') + 1
	if why := strings.TrimSpace(string(answer[last:])); why != "ok" {
		return nil, errors.New(why)
	}
	return answer[:last], nil
}

// askReopen has the dalogd of a state folder open its files anew.
func askReopen(stateDir string, wait bool) error {
	_, err := askControl(stateDir, "reopen", wait)
	return err
}
