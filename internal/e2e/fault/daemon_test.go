package fault

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/proc"
	"github.com/dalog-project/dalog/internal/e2e/startlog"
)

// patience bounds every wait for what should come at once; the machine may be
// busy with other tests.
const patience = 30 * time.Second

// setup is how a test starts dalogd, again and again on the same address.
type setup struct {
	t     *testing.T
	addr  string
	dir   string   // the log folder
	state string   // the state folder; empty: the default one
	args  []string // more flags
	wrap  []string // a command that is to run dalogd
}

func newSetup(t *testing.T, dir string, args ...string) *setup {
	t.Helper()
	return &setup{t: t, addr: "127.0.0.1:" + freePort(t), dir: dir, args: args}
}

// daemon is one run of dalogd.
type daemon struct {
	*proc.Process
	t      *testing.T
	output output
}

// start starts dalogd and does not wait for anything.
func (s *setup) start() *daemon {
	s.t.Helper()
	args := append(append([]string{}, s.wrap...), dalogdPath,
		"--log-dir", s.dir, "--syslog", "tcp:"+s.addr, "--http", "127.0.0.1:0", "--ready-file", "none", "--keep-free", "0")
	if s.state != "" {
		args = append(args, "--state-dir", s.state)
	}
	args = append(args, s.args...)
	d := &daemon{t: s.t, output: output{ready: make(chan struct{})}}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &d.output, &d.output
	if os.Getenv("DALOG_E2E_RACE") != "" { // the detector takes several times what the heap does
		cmd.Env = append(os.Environ(), "GOGC=50", "GOMEMLIMIT=40MiB", "GORACE=history_size=0")
	}
	p, err := proc.Start(cmd)
	require.NoError(s.t, err)
	d.Process = p
	s.t.Cleanup(func() {
		if err := d.Kill(); err != nil {
			s.t.Error(err)
		}
	})
	return d
}

// run starts dalogd and waits until it is ready.
func (s *setup) run() *daemon {
	s.t.Helper()
	d := s.start()
	if !d.waitReady() {
		s.t.Fatalf("dalogd does not start: %s\n%s", d.State(), d.output.String())
	}
	return d
}

// waitReady waits until dalogd is ready; false if it has ended before.
func (d *daemon) waitReady() bool {
	d.t.Helper()
	select {
	case <-d.output.ready:
		return true
	case <-d.Done():
		return false
	case <-time.After(patience):
		d.t.Fatalf("dalogd is not ready after %v\n%s", patience, d.output.String())
		return false
	}
}

// kill ends dalogd as a crash does, with whatever runs it.
func (d *daemon) kill() {
	d.t.Helper()
	require.NoError(d.t, d.Kill())
	d.examine()
}

// stop ends dalogd as a service manager does.
func (d *daemon) stop() {
	d.t.Helper()
	require.NoError(d.t, d.Stop(patience), "%s", &d.output)
	require.Zero(d.t, d.Wait(), "exit code\n%s", &d.output)
	d.examine()
}

// waitEnd waits until dalogd has ended by itself and returns its exit code.
func (d *daemon) waitEnd() int {
	d.t.Helper()
	select {
	case <-d.Done():
	case <-time.After(patience):
		d.t.Fatalf("dalogd has not ended after %v\n%s", patience, d.output.String())
	}
	d.examine()
	return d.Wait()
}

// examine wants nothing in the output that a program must never say.
func (d *daemon) examine() {
	d.t.Helper()
	for _, bad := range []string{"panic:", "fatal error:", "DATA RACE", "internal fault"} {
		if text := d.output.String(); strings.Contains(text, bad) {
			d.t.Fatalf("dalogd says %q:\n%s", bad, text)
		}
	}
}

// output keeps what dalogd prints and watches for the line that says that it is
// ready.
type output struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	ready chan struct{} // closed then
	seen  bool
}

// outputLimit bounds what is kept of one run, in bytes.
const outputLimit = 256 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf.Len() < outputLimit {
		o.buf.Write(p)
	}
	if !o.seen && startlog.Ready(o.buf.String()) {
		o.seen = true
		close(o.ready)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// freePort finds a port below the range that the kernel takes the ports of
// clients from, so that dalogd gets it back after each kill.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := fmt.Sprint(10000 + rand.IntN(20000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

// eventually polls until reached says true, and fails the test after patience.
func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	if !within(patience, reached) {
		t.Fatalf("waited %v in vain: %s", patience, what)
	}
}

func within(limit time.Duration, reached func() bool) bool {
	for deadline := time.Now().Add(limit); !reached(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
