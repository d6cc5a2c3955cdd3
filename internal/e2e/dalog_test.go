package e2e

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/startlog"
)

// dalogd is a running dalogd.
type dalogd struct {
	*process
	dir  string // the log folder
	tcp  string // first address of each kind
	udp  string
	http []string // URLs without a slash at the end
}

// startDalogd starts dalogd on ports of its own choice with its folder in dir,
// or in a new one when dir is empty, and waits until it is ready.
func startDalogd(t *testing.T, dir string, args ...string) *dalogd {
	t.Helper()
	return startDalogdAs(t, uint32(os.Getuid()), dir, args...)
}

// startDalogdAs is startDalogd under another user, as far as the test may
// choose one.
func startDalogdAs(t *testing.T, uid uint32, dir string, args ...string) *dalogd {
	t.Helper()
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "log")
	}
	d := &dalogd{dir: dir}
	args = append([]string{"--log-dir", dir, "--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0"}, args...)
	d.process = start(t, "dalogd", as(exec.Command(dalogdPath, args...), uid))
	d.waitOutput("msg=ready")
	for line := range strings.Lines(string(d.output.bytes())) {
		switch kind, addr, _ := startlog.Listening(strings.TrimSuffix(line, "\n")); kind {
		case "tcp":
			d.tcp = first(d.tcp, addr)
		case "udp":
			d.udp = first(d.udp, addr)
		case "http":
			d.http = append(d.http, "http://"+addr)
		}
	}
	require.NotEmpty(t, d.tcp, "no TCP listener was reported")
	require.NotEmpty(t, d.udp, "no UDP listener was reported")
	require.NotEmpty(t, d.http, "no HTTP listener was reported")
	return d
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (d *dalogd) path(name string) string { return filepath.Join(d.dir, name) }

// get fetches a path of the HTTP interface and wants status 200.
func (d *dalogd) get(path string) []byte {
	d.t.Helper()
	resp, err := http.Get(d.http[0] + path)
	require.NoError(d.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(d.t, err)
	require.Equal(d.t, http.StatusOK, resp.StatusCode, "GET %s: %s", path, body)
	return body
}

// startDalogfwd starts a forwarder to server with its state in stateDir, and
// waits until it is ready.
func startDalogfwd(t *testing.T, server, stateDir string, args ...string) *process {
	t.Helper()
	args = append([]string{"--server", server, "--state-dir", stateDir}, args...)
	p := start(t, "dalogfwd", exec.Command(dalogfwdPath, args...))
	p.waitOutput("msg=ready")
	return p
}
