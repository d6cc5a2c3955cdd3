package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// daemonEnv makes the test binary dalogd itself.
const daemonEnv = "DALOGTEST_DAEMON"

func TestMain(m *testing.M) {
	if os.Getenv(daemonEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// daemon is a running dalogd.
type daemon struct {
	t     *testing.T
	cmd   *exec.Cmd
	dir   string
	err   lockedBuffer // standard error
	ended chan struct{}
	addr  map[string]string // first address by kind
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// command is dalogd with these arguments, not yet started.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), daemonEnv+"=1", "DALOGD_USER=root") // the test's folders are its own
	return cmd
}

var listeningLine = regexp.MustCompile(`msg=listening kind=(\w+) addr=(\S+)`)

// startDaemon starts dalogd with a folder of its own and free ports, and waits
// until it is ready.
func startDaemon(t *testing.T, args ...string) *daemon {
	t.Helper()
	return startIn(t, command(), args...)
}

// startIn is startDaemon with a command that args are added to.
func startIn(t *testing.T, cmd *exec.Cmd, args ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, cmd: cmd, dir: filepath.Join(t.TempDir(), "log"), ended: make(chan struct{}), addr: map[string]string{}}
	if !strings.Contains(strings.Join(args, " "), "--syslog ") {
		args = append(args, "--syslog", "127.0.0.1:0")
	}
	if !strings.Contains(strings.Join(args, " "), "--http ") {
		args = append(args, "--http", "127.0.0.1:0")
	}
	if i := slices.Index(cmd.Args, "--log-dir"); i > 0 {
		d.dir = cmd.Args[i+1]
	} else {
		args = append(args, "--log-dir", d.dir)
	}
	d.cmd.Args = append(d.cmd.Args, args...)
	d.cmd.Stderr = &d.err
	require.NoError(t, d.cmd.Start())
	go func() {
		d.cmd.Wait()
		close(d.ended)
	}()
	t.Cleanup(func() {
		d.cmd.Process.Kill()
		<-d.ended
		if t.Failed() {
			t.Logf("dalogd said:\n%s", d.err.String())
		}
	})
	eventually(t, func() bool {
		select {
		case <-d.ended:
			t.Fatalf("dalogd ended: %s", d.err.String())
		default:
		}
		return strings.Contains(d.err.String(), "msg=ready")
	}, "dalogd is ready")
	for _, m := range listeningLine.FindAllStringSubmatch(d.err.String(), -1) {
		if d.addr[m[1]] == "" {
			d.addr[m[1]] = m[2]
		}
	}
	return d
}

func (d *daemon) signal(sig syscall.Signal) {
	d.t.Helper()
	require.NoError(d.t, d.cmd.Process.Signal(sig))
}

// wantExit waits for the end and wants this code.
func (d *daemon) wantExit(code int) {
	d.t.Helper()
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		d.t.Fatal("dalogd does not end")
	}
	require.Equal(d.t, code, d.cmd.ProcessState.ExitCode(), d.err.String())
}

// lines are those of a log file.
func (d *daemon) lines(name string) []string {
	d.t.Helper()
	content, err := os.ReadFile(filepath.Join(d.dir, name))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(d.t, err)
	if len(content) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

// get fetches a path over HTTP.
func (d *daemon) get(path string) string {
	d.t.Helper()
	resp, err := http.Get("http://" + d.addr["http"] + path)
	require.NoError(d.t, err)
	defer resp.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(resp.Body)
	require.NoError(d.t, err)
	require.Equal(d.t, http.StatusOK, resp.StatusCode, body.String())
	return body.String()
}

// metric is a sample of /metrics by its name with labels.
func (d *daemon) metric(name string) (value float64) {
	d.t.Helper()
	for line := range strings.Lines(d.get("/metrics")) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			_, err := fmt.Sscan(rest, &value)
			require.NoError(d.t, err)
			return value
		}
	}
	d.t.Fatalf("no metric %s", name)
	return 0
}

func eventually(t *testing.T, what func() bool, format string, args ...any) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !what(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 15 s: "+format, args...)
		}
	}
}
