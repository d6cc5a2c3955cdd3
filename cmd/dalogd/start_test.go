package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/logstore"
)

// Each failure to start is one line that says what, where and what to do next,
// and has its exit code.
func TestStartFailures(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { taken.Close() })
	takenUDP, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { takenUDP.Close() })
	port := func(a net.Addr) string {
		_, port, err := net.SplitHostPort(a.String())
		require.NoError(t, err)
		return port
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	running := startDaemon(t)
	free := []string{"--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0"}
	socket := filepath.Join(t.TempDir(), "socket")
	dir := func() string { return filepath.Join(t.TempDir(), "log") }

	for _, tc := range []struct {
		name string
		args []string
		code int
		want string // after "dalogd: "
	}{
		{"unknown flag", []string{"--log-drr", "x"}, cli.ExitUsage,
			`unknown flag --log-drr, did you mean "--log-dir"?; see dalogd --help`},
		{"argument", []string{"start"}, cli.ExitUsage, `unexpected argument start; see dalogd --help`},
		{"bad address", []string{"--syslog", "514"}, cli.ExitUsage,
			`--syslog: "514" names no port: write HOST:PORT or :PORT, or unix:PATH; see dalogd --help`},
		{"bad HTTP address", []string{"--http", "8080"}, cli.ExitUsage, `--http: "8080" is not HOST:PORT or :PORT; see dalogd --help`},
		{"bad network", []string{"--allow", "10.0.0.0/33"}, cli.ExitUsage,
			`--allow: "10.0.0.0/33" is neither a network such as 203.0.113.0/24 nor an address nor 'private', 'any' or 'none'; see dalogd --help`},
		{"bad zone", []string{"--zone", "10.0.0.0/8=Nowhere"}, cli.ExitUsage,
			`--zone: "Nowhere" is not a time zone such as America/New_York; see dalogd --help`},
		{"bad size", []string{"--max-message", "1 parsec"}, cli.ExitUsage,
			`--max-message: "1 parsec" is not a size such as 65536, 64KiB or 1MiB; see dalogd --help`},
		{"size out of range", []string{"--max-message", "12"}, cli.ExitUsage, `--max-message must be from 1KiB to 64MiB`},
		{"bad format", []string{"--log-format", "xml"}, cli.ExitUsage, `--log-format must be one of "text","json" but got "xml"; see dalogd --help`},
		{"half a certificate", []string{"--tls-cert", "x"}, cli.ExitUsage, `--tls-cert and --tls-key belong together; give both`},
		{"no certificate", append(free, "--tls-cert", "/no/cert", "--tls-key", "/no/key"), cli.ExitUsage,
			`load TLS certificate /no/cert with key /no/key: open /no/cert: no such file or directory`},
		{"TLS port without certificate", []string{"--syslog-tls", ":6514"}, cli.ExitUsage, `--syslog-tls needs --tls-cert and --tls-key`},
		{"unknown owner", append(free, "--user", "nobody-of-that-name", "--log-dir", dir()), cli.ExitUsage,
			`--user: there is no user "nobody-of-that-name"; write USER, USER:GROUP or UID:GID`},

		{"TCP port taken", []string{"--syslog", "tcp:" + taken.Addr().String()}, cli.ExitInUse,
			fmt.Sprintf("cannot listen on tcp %s: the port is taken. See by whom with: ss -ltnp 'sport = :%s'; stop that, or choose another address with --syslog", taken.Addr(), port(taken.Addr()))},
		{"UDP port taken", []string{"--syslog", "udp:" + takenUDP.LocalAddr().String()}, cli.ExitInUse,
			fmt.Sprintf("cannot listen on udp %s: the port is taken. See by whom with: ss -lunp 'sport = :%s'; stop that, or choose another address with --syslog", takenUDP.LocalAddr(), port(takenUDP.LocalAddr()))},
		{"the same port twice", []string{"--syslog", "127.0.77.2:5514", "--syslog", "tcp:127.0.77.2:5514"}, cli.ExitUsage,
			"cannot listen on tcp 127.0.77.2:5514: dalogd itself does already, on tcp 127.0.77.2:5514. Leave one of the two out of --syslog"},
		{"the same socket twice", []string{"--syslog", "unix:" + socket, "--syslog", "unix:" + socket}, cli.ExitUsage,
			fmt.Sprintf("cannot listen on unix %s: dalogd itself does already, on unix %s. Leave one of the two out of --syslog", socket, socket)},
		{"all HTTP ports taken", []string{"--syslog", "127.0.0.1:0", "--log-dir", dir(), "--http", taken.Addr().String()}, cli.ExitInUse,
			fmt.Sprintf("cannot listen on http %s: the port is taken. See by whom with: ss -ltnp 'sport = :%s'; stop that, or choose another address with --http", taken.Addr(), port(taken.Addr()))},
		{"foreign address", []string{"--syslog", "tcp:192.0.2.7:0"}, cli.ExitUsage,
			`cannot listen on tcp 192.0.2.7:0: this machine has no such address. See those it has with: ip address; choose another one with --syslog`},

		{"no folder above", append(free, "--log-dir", "/no/such/log"), cli.ExitFolder,
			`log folder /no/such/log: the folder above it does not exist. Create it with: mkdir -p /no/such, or choose another one with --log-dir`},
		{"file above", append(free, "--log-dir", file+"/log"), cli.ExitFolder, ``},
		{"file in its place", append(free, "--log-dir", file), cli.ExitFolder, ``},
		{"folder in use", append(free, "--log-dir", running.dir), cli.ExitLocked,
			fmt.Sprintf("another dalogd (process %d) uses %s. Stop it, or choose other folders with --log-dir and --state-dir", running.cmd.Process.Pid, filepath.Join(running.dir, ".dalogd"))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // should it start after all
			defer cancel()
			code := run(ctx, tc.args, nil, &stdout, &stderr)
			require.Equal(t, tc.code, code, stderr.String())
			require.Empty(t, stdout.String())
			require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
			if tc.want != "" {
				require.Equal(t, "dalogd: "+tc.want+"\n", stderr.String())
			} else {
				require.Contains(t, stderr.String(), file)
				require.Contains(t, stderr.String(), "--log-dir")
			}
		})
	}
}

// Without the right to it, port 514 and a foreign folder are refused with
// advice. The process runs as nobody.
func TestStartWithoutRights(t *testing.T) {
	t.Parallel()
	readOnly := t.TempDir()
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"port 514", []string{"--syslog", "tcp:127.0.0.1:514"}, cli.ExitNoRight,
			`dalogd: cannot listen on tcp 127.0.0.1:514: no right to use ports below 1024. Give it with: setcap cap_net_bind_service=+ep /path/to/dalogd, or in the systemd unit: AmbientCapabilities=CAP_NET_BIND_SERVICE; or choose a higher port: --syslog :5140` + "\n"},
		{"folder", []string{"--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-dir", readOnly}, cli.ExitFolder,
			"Make it writable for user 65534, or choose another one with --log-dir\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if start := unprivilegedPorts(t); tc.code == cli.ExitNoRight && start <= 514 {
				t.Skipf("this system gives ports from %d on to everybody", start)
			}
			out, err := asNobody(t, tc.args...)
			var exit *exec.ExitError
			require.True(t, errors.As(err, &exit), "%v: %s", err, out)
			require.Equal(t, tc.code, exit.ExitCode(), out)
			require.Contains(t, out, tc.want)
			require.Equal(t, 1, strings.Count(out, "\n"), out)
		})
	}
}

func unprivilegedPorts(t *testing.T) (start int) {
	t.Helper()
	content, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	require.NoError(t, err)
	_, err = fmt.Sscan(string(content), &start)
	require.NoError(t, err)
	return start
}

// asNobody runs dalogd without privileges, where the test has them, and
// returns what it says on stderr.
func asNobody(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := command(args...)
	if os.Geteuid() == 0 {
		// The test binary stands where only root can reach it.
		source, err := os.Open("/proc/self/exe")
		require.NoError(t, err)
		defer source.Close()
		// What another test starts meanwhile must not have the file open: it could not
		// be run then.
		syscall.ForkLock.RLock()
		name, err := copyProgram(source)
		syscall.ForkLock.RUnlock()
		t.Cleanup(func() { os.Remove(name) })
		require.NoError(t, err)
		cmd.Path = name
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	return stderr.String(), err
}

// One of several HTTP ports may be taken: logs are received, the other port
// works, and the taken one follows once it is free.
func TestOneHTTPPortTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	d := startDaemon(t, "--http", taken.Addr().String(), "--http", "127.0.0.1:0")
	require.Contains(t, d.err.String(), "HTTP port is taken")
	require.Contains(t, d.get("/"), "docassemble.log")
	if testing.Short() {
		return
	}
	require.NoError(t, taken.Close())
	eventually(t, func() bool { return strings.Contains(d.err.String(), "addr="+taken.Addr().String()+"\n") }, "the port is taken over")
	d.addr["http"] = taken.Addr().String()
	require.Contains(t, d.get("/"), "docassemble.log")
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	require.Equal(t, cli.ExitOK, run(t.Context(), []string{"--help"}, nil, &stdout, &stderr))
	help := strings.Join(strings.Fields(stdout.String()), " ")
	for _, want := range []string{
		"--log-dir=DIR Folder of the log files. Created if the folder above it exists. Default: /usr/share/docassemble/log. ($DALOGD_LOG_DIR)",
		"--syslog=ADDR,...", "by default :514", "--http=ADDR,...", "by default :8080 and :8082", "$DALOGD_TLS_CERT",
		"Exit codes: 0 stopped as asked; 1 internal failure; 2 wrong usage; 3 address in use", "70 disk failure",
		"Examples:", "Default: 1MiB.",
	} {
		require.Contains(t, help, want)
	}
	for line := range strings.Lines(stdout.String()) {
		require.LessOrEqual(t, len(line), 101)
	}
	stdout.Reset()
	require.Equal(t, cli.ExitOK, run(t.Context(), []string{"--version"}, nil, &stdout, &stderr))
	require.Contains(t, stdout.String(), versionText()+" (go1.")
	require.Empty(t, stderr.String())
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	parse := func(args []string, environ ...string) (*flags, *cli.Invocation) {
		f, inv, err := parseFlags(args, environ, io.Discard, io.Discard)
		require.NoError(t, err)
		require.False(t, inv.Done)
		return f, inv
	}
	f, inv := parse(nil)
	require.Equal(t, "/usr/share/docassemble/log", f.LogDir)
	require.Equal(t, "[tcp::514 udp::514]", fmt.Sprint(f.syslogEndpoints(false)))
	require.Empty(t, f.syslogEndpoints(true), "sockets of the service manager take their place")
	require.Equal(t, []httpAddr{":8080", ":8082"}, f.httpAddrs(false))
	require.Len(t, flatten(f.Allow), 9)
	require.Empty(t, inv.Warnings)

	f, inv = parse([]string{"--line-format", "iso", "--zone", "UTC"},
		"DALOGD_LOG_DIR=/srv/log", "DALOGD_SYSLOG=:5140,unixgram:/dev/log", "DALOGD_HTTP=127.0.0.1:80",
		"DALOGD_LINE_FORMAT=bsd", "DALOGD_MAX_MESSAGE=64KiB", "DALOGD_ALLOW=private,203.0.113.0/24,2001:db8::7",
		"DALOGD_STATE_DIR=null", "DALOGD_USER=None", "DALOGD_MAX_CONNECTIONS=", "DALOGD_LOGDIR=x", "DALOGFWD_SERVER=y", "HOME=/")
	require.Equal(t, "/srv/log", f.LogDir)
	require.Equal(t, "[tcp::5140 udp::5140 unixgram:/dev/log]", fmt.Sprint(f.syslogEndpoints(true)))
	require.Equal(t, []httpAddr{"127.0.0.1:80"}, f.httpAddrs(false))
	require.Equal(t, logstore.LineISO, f.LineFormat.LineFormat, "the command line wins")
	require.EqualValues(t, 64<<10, f.MaxMessage)
	require.Len(t, flatten(f.Allow), 11)
	require.Empty(t, f.StateDir)
	require.Empty(t, f.User)
	require.Equal(t, 10000, f.MaxConnections)
	require.Equal(t, []string{"DALOGD_LOGDIR, did you mean DALOGD_LOG_DIR?"}, inv.Warnings)

	var stderr bytes.Buffer
	code := run(t.Context(), nil, []string{"DALOGD_HTTP=8080"}, io.Discard, &stderr)
	require.Equal(t, cli.ExitUsage, code)
	require.Contains(t, stderr.String(), `"8080" is not HOST:PORT`)
}

// copyProgram makes a file that everybody can run.
func copyProgram(source io.Reader) (name string, err error) {
	f, err := os.CreateTemp("", "dalogd-test-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, source)
	return f.Name(), errors.Join(err, f.Chmod(0o755), f.Close())
}
