package e2e

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

var demoURL = regexp.MustCompile(`In a browser +(http://[^/\s]+)/`)

// startDemo runs the demo until lines of both app servers can be read.
func startDemo(t *testing.T) (demo *process, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "demo")
	demo = start(t, "demo", exec.Command(demoPath, "-bin", filepath.Dir(dalogdPath), "-dir", dir))
	demo.waitOutput("Press Ctrl-C to end.")
	url := demoURL.FindSubmatch(demo.output.bytes())
	require.NotNil(t, url)
	d := &dalogd{process: demo, http: []string{string(url[1])}}
	waitFor(t, "lines of both app servers", func() bool {
		demo.requireRunning()
		body := d.get("/docassemble.log?n=1000")
		return bytes.Contains(body, []byte(" web1 docassemble: docassemble: ip=")) && bytes.Contains(body, []byte(" web2 docassemble: docassemble: ip="))
	})
	return demo, dir
}

// processesOf are the processes that have dir on their command line.
func processesOf(t *testing.T, dir string) (pids map[int]string) {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	pids = make(map[int]string)
	for _, path := range entries {
		cmdline, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(cmdline, []byte(dir)) {
			continue // a process that has ended in the meantime, or another one
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		require.NoError(t, err)
		pids[pid] = strings.ReplaceAll(string(cmdline), "\x00", " ")
	}
	return pids
}

func TestDemoEndsCleanly(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{"Ctrl-C": syscall.SIGINT, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			demo, dir := startDemo(t)
			require.Len(t, processesOf(t, dir), 4, "the demo, dalogd, two dalogfwd")
			require.NoError(t, demo.Signal(signal))
			require.Zero(t, demo.waitEnd())
			require.Empty(t, processesOf(t, dir))
		})
	}
}

func TestDemoWhenAProgramDies(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"dalogd", "dalogfwd"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			demo, dir := startDemo(t)
			for pid, cmdline := range processesOf(t, dir) {
				if filepath.Base(strings.Fields(cmdline)[0]) == program {
					require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
					break
				}
			}
			demo.waitOutput("demo: " + program)
			require.Equal(t, 1, demo.waitEnd())
			require.Contains(t, string(demo.output.bytes()), "signal: killed")
			require.Empty(t, processesOf(t, dir))
		})
	}
}

// Even a demo that is killed leaves nothing running.
func TestDemoKilled(t *testing.T) {
	t.Parallel()
	demo, dir := startDemo(t)
	demo.kill()
	waitFor(t, "its programs to end", func() bool { return len(processesOf(t, dir)) == 0 })
}

// The demo does not need the ports that it likes best.
func TestDemoPortsTaken(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:5140", "127.0.0.1:8080", "127.0.0.1:8082"} {
		l, err := net.Listen("tcp", addr)
		if err == nil { // else somebody else has it, which will do
			defer l.Close()
		}
	}
	demo, _ := startDemo(t)
	require.NoError(t, demo.Stop(patience))
	require.Zero(t, demo.Wait())
	require.Contains(t, string(demo.output.bytes()), "127.0.0.1:5140 is taken")
}
