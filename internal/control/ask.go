package control

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// ErrNotRunning says that nobody answers in the state folder.
var ErrNotRunning = errors.New("it does not run, or with another state folder")

// Program is one that may be running.
type Program struct {
	Name     string
	StateDir string
	Settings string // that lead to the state folder, for people: "--state-dir"
}

// Ask has the program do a command, and returns what that gives.
func (p Program) Ask(command ...string) ([]byte, error) {
	conn, err := p.tell(command)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	answer, err := r.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s ended before it answered: %w", p.Name, err)
	}
	if answer = strings.TrimSpace(answer); answer != "ok" {
		return nil, errors.New(answer)
	}
	return io.ReadAll(r)
}

// Tell has the program do a command, and does not wait for it.
func (p Program) Tell(command ...string) error {
	conn, err := p.tell(command)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (p Program) tell(command []string) (net.Conn, error) {
	dir, err := os.Open(p.StateDir)
	if err != nil {
		return nil, p.noAnswer(err)
	}
	defer dir.Close()
	conn, err := net.Dial("unix", socketPath(dir))
	if err != nil {
		return nil, p.noAnswer(err)
	}
	if _, err := fmt.Fprintln(conn, strings.Join(command, " ")); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// noAnswer says what the reason can be.
func (p Program) noAnswer(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		err = fmt.Errorf("%w; start it, or give the %s that it was started with", ErrNotRunning, p.Settings)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w. Only root and the user that %s runs as may ask it", err, p.Name)
	}
	return fmt.Errorf("no %s answers in %s: %w", p.Name, p.StateDir, err)
}
