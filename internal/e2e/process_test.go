package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/proc"
)

// patience bounds every wait for something that should come within a second or
// two; the machine may be busy with other tests.
const patience = 20 * time.Second

// waitFor polls until reached says true.
func waitFor(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if reached() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// process is a program under test or a peer. It is killed when the test ends,
// and its output is shown when the test has failed.
type process struct {
	*proc.Process
	t      *testing.T
	name   string
	output output
}

func start(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: name}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	started, err := proc.Start(cmd)
	require.NoError(t, err)
	p.Process = started
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("output of %s, which ended with %s:\n%s", name, p.State(), p.output.tail(8000))
		}
	})
	return p
}

// waitOutput waits until the program has printed text.
func (p *process) waitOutput(text string) {
	p.t.Helper()
	waitFor(p.t, fmt.Sprintf("%s to print %q", p.name, text), func() bool {
		if bytes.Contains(p.output.bytes(), []byte(text)) {
			return true
		}
		p.requireRunning()
		return false
	})
}

func (p *process) requireRunning() {
	p.t.Helper()
	if p.Ended() {
		p.t.Fatalf("%s has ended with %s", p.name, p.State())
	}
}

// waitEnd waits for the program's end and returns its exit code.
func (p *process) waitEnd() int {
	p.t.Helper()
	select {
	case <-p.Done():
	case <-time.After(patience):
		p.t.Fatalf("%s has not ended after %v", p.name, patience)
	}
	return p.Wait()
}

// stop ends the program as a service manager does, and wants exit code 0.
func (p *process) stop() {
	p.t.Helper()
	require.NoError(p.t, p.Stop(patience))
	require.Zero(p.t, p.Wait(), "exit code of %s", p.name)
}

// kill ends the program as a crash does.
func (p *process) kill() {
	p.t.Helper()
	require.NoError(p.t, p.Signal(syscall.SIGKILL))
	p.Wait()
}

// output keeps what a program prints.
type output struct {
	mu  sync.Mutex
	buf []byte // under mu
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = append(o.buf, b...)
	return len(b), nil
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.buf)
}

func (o *output) tail(n int) []byte {
	b := o.bytes()
	return b[max(0, len(b)-n):]
}

// freePort finds a port for a peer that cannot choose one itself. It lies below
// the range that the kernel takes the ports of clients from.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		if tcp, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			tcp.Close()
			if udp, err := net.ListenPacket("udp", "127.0.0.1:"+port); err == nil {
				udp.Close()
				return port
			}
		}
	}
	t.Fatal("no free port")
	return ""
}
