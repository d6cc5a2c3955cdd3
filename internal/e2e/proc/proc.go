// Package proc runs the programs that the tests, the benchmarks and the demo
// need, and leaves none of them behind: a program started here ends with the
// process that started it, however that ends.
package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stayRoot keeps a dalogd that is started by root from becoming another user, who
// could not enter the folders that tests make. A test of just that unsets it.
const stayRoot = "DALOGD_USER"

func init() {
	if os.Getenv(stayRoot) == "" {
		os.Setenv(stayRoot, "root")
	}
}

// Process is a running program. Its methods may be called from any goroutine.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
	err  error         // as Wait returns it; set before done is closed
}

// Start starts cmd in a process group of its own, so that a Ctrl-C at the
// terminal reaches only the caller, who then ends the program in good order.
func Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	// A program that forks may hand its output on to a child that outlives it.
	cmd.WaitDelay = 2 * time.Second
	result := make(chan error, 1)
	starter().requests <- func() { result <- cmd.Start() }
	if err := <-result; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended says whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Wait waits for the program's end and returns its exit code, -1 if a signal
// ended it.
func (p *Process) Wait() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// State says in words how the program ended; it waits for that.
func (p *Process) State() string {
	<-p.done
	return p.cmd.ProcessState.String()
}

// PeakMemory is the most memory that the running program has had resident, in
// bytes. (What wait reports of a child includes the memory of its parent.)
func (p *Process) PeakMemory() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "\nVmHWM:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	return n << 10, err
}

// Signal sends sig to the program; one that has ended already is no error.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !p.Ended() {
		return fmt.Errorf("signal %s: %w", p.cmd.Path, err)
	}
	return nil
}

// Stop asks the program to end with SIGTERM, kills its process group if it has
// not ended within the grace period, and returns an error in that case.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(grace):
		return errors.Join(fmt.Errorf("%s has not ended within %v of SIGTERM", p.cmd.Path, grace), p.Kill())
	}
}

// Kill ends the program and its process group at once, and waits for that.
func (p *Process) Kill() error {
	if p.Ended() {
		return nil
	}
	err := syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.done
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.cmd.Path, err)
	}
	return nil
}

// The kernel sends the death signal when the thread that started the program
// ends, so one thread that never ends starts them all.
var starter = sync.OnceValue(func() *thread {
	t := &thread{requests: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for request := range t.requests {
			request()
		}
	}()
	return t
})

type thread struct{ requests chan func() }
