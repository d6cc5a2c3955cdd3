package control

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

const (
	socketName = "control"
	maxCommand = 1024
	// readTimeout is how long who has connected may take to say what it wants, or to
	// take the answer.
	readTimeout = 10 * time.Second
)

// socketPath names the socket in a way that no length of path is too long for.
func socketPath(dir *os.File) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketName)
}

// Commands are what a program does when it is told to, by name. They are called
// by several goroutines, with the words behind the name.
type Commands map[string]func(ctx context.Context, words []string) ([]byte, error)

// Serve answers commands until ctx ends. The lock on the state folder must be
// held: a socket that is there is one left behind.
func Serve(ctx context.Context, stateDir string, log *slog.Logger, commands Commands) error {
	dir, err := os.Open(stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := os.Remove(filepath.Join(stateDir, socketName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socketPath(dir))
	if err != nil {
		return err
	}
	// The name may be another process's by the end.
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
			// Who does not want to wait for the answer is gone by then.
			if err := commands.answer(ctx, conn); err != nil && !errors.Is(err, syscall.EPIPE) {
				log.Warn("control connection", "err", err)
			}
		}()
	}
}

func (commands Commands) answer(ctx context.Context, conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(conn, maxCommand).ReadSlice('\n')
	if err != nil {
		return err
	}
	name, words := "", strings.Fields(string(line))
	if len(words) > 0 {
		name, words = words[0], words[1:]
	}
	answer, body := "ok", []byte(nil)
	if command := commands[name]; command == nil {
		answer = fmt.Sprintf("unknown command %q: the running program is of another version", name)
	} else if body, err = command(ctx, words); err != nil {
		answer, body = strings.ReplaceAll(err.Error(), "\n", "; "), nil
	}
	if err := conn.SetWriteDeadline(time.Now().Add(readTimeout)); err != nil {
		return err
	}
	_, err = conn.Write(append([]byte(answer+"\n"), body...))
	return err
}
