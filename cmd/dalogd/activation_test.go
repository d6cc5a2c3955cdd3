package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Sockets of the service manager take the place of the default addresses.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	syslog, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	http, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "log")

	cmd := command()
	// LISTEN_PID is known when the process is there.
	cmd.Args = []string{"/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, cmd.Path, "--log-dir", dir}
	cmd.Path = "/bin/sh"
	cmd.Env = append(cmd.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES=syslog:http")
	for _, l := range []net.Listener{syslog, http} {
		f, err := l.(*net.TCPListener).File()
		require.NoError(t, err)
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		defer f.Close()
	}
	var stderr lockedBuffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	c := dial(t, "tcp", syslog.Addr().String())
	_, err = c.Write([]byte("<13>p: hello\n"))
	require.NoError(t, err)
	eventually(t, func() bool { return strings.Contains(stderr.String(), "msg=ready") }, "ready: %s", &stderr)
	d := &daemon{t: t, addr: map[string]string{"http": http.Addr().String()}}
	eventually(t, func() bool {
		return strings.Contains(d.get("/"), "p.log\n") && strings.HasSuffix(d.get("/p.log"), " p: hello\n")
	}, "the line can be read")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
	require.Equal(t, fmt.Sprintf("[tcp %s http %s]", syslog.Addr(), http.Addr()), fmt.Sprint(listened(stderr.String())))
}

func listened(log string) (all []string) {
	for _, m := range listeningLine.FindAllStringSubmatch(log, -1) {
		all = append(all, m[1], m[2])
	}
	return all
}
