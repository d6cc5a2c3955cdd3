package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/syslog"
)

// With childEnv set this binary is dalogfwd.
const childEnv = "DALOG_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Unsetenv(childEnv)
		main()
	}
	os.Exit(m.Run())
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// runHere runs dalogfwd in this process until ctx ends.
func runHere(ctx context.Context, environ []string, args ...string) (code int, stdout, stderr string) {
	var out, err output
	code = run(ctx, args, environ, &out, &err)
	return code, out.String(), err.String()
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	server := []string{"LOGSERVER=127.0.0.1:1"}
	state := "--state-dir=" + t.TempDir()
	for _, c := range []struct {
		name    string
		environ []string
		args    []string
		code    int
		says    []string
	}{
		{"no server", nil, []string{state}, cli.ExitUsage, []string{"LOGSERVER", "--server", "--help"}},
		{"server null", []string{"LOGSERVER=null"}, []string{state}, cli.ExitUsage, []string{"LOGSERVER"}},
		{"server None", []string{"LOGSERVER=None", "DALOGFWD_SERVER=None"}, []string{state, "--server="}, cli.ExitUsage, []string{"LOGSERVER"}},
		{"bad server", server, []string{state, "--server=a:b:c"}, cli.ExitUsage, []string{"a:b:c"}},
		{"unknown flag", server, []string{state, "--no-such-flag"}, cli.ExitUsage, []string{"--no-such-flag", "--help"}},
		{"file without program", server, []string{state, "--file=/x.log"}, cli.ExitUsage, []string{"/x.log", "PATH=PROGRAM"}},
		{"file with empty program", server, []string{state, "--file=/x.log="}, cli.ExitUsage, []string{"/x.log", "program"}},
		{"file without path", server, []string{state, "--file==app"}, cli.ExitUsage, []string{"path"}},
		{"program with blanks", server, []string{state, "--file=/x.log=my app"}, cli.ExitUsage, []string{"my app"}},
		{"bad severity", server, []string{state, "--file=/x.log=app:loud"}, cli.ExitUsage, []string{"loud", "warning"}},
		{"severity 8", server, []string{state, "--file=/x.log=app:8"}, cli.ExitUsage, []string{`"8"`}},
		{"bad pattern", server, []string{state, "--file=/x[.log=app"}, cli.ExitUsage, []string{"/x[.log"}},
		{"bad protocol", server, []string{state, "--protocol=carrier-pigeon"}, cli.ExitUsage, []string{"carrier-pigeon", "syslog"}},
		{"bad size", server, []string{state, "--max-line=long"}, cli.ExitUsage, []string{"long", "MiB"}},
		{"size too small", server, []string{state, "--max-line=10"}, cli.ExitUsage, []string{"--max-line", "1KiB"}},
		{"state folder is a file", server, []string{"--state-dir=" + file}, cli.ExitFolder, []string{file, "--state-dir"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := runHere(t.Context(), c.environ, c.args...)
			assert.Equal(t, c.code, code)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
			assert.True(t, strings.HasPrefix(stderr, "dalogfwd: "), stderr)
			for _, s := range c.says {
				assert.Contains(t, stderr, s)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	code, stdout, _ := runHere(t.Context(), nil, "--help")
	assert.Equal(t, cli.ExitOK, code)
	for _, s := range []string{"LOGSERVER", "$DALOGFWD_STATE_DIR", "Exit codes", "Examples", "crash"} {
		assert.Contains(t, stdout, s)
	}
	code, stdout, _ = runHere(t.Context(), nil, "--version")
	assert.Equal(t, cli.ExitOK, code)
	assert.Contains(t, stdout, versionText()+" (go1.")
}

func TestConfig(t *testing.T) {
	t.Parallel()
	parse := func(environ []string, args ...string) (*flags, *cli.Invocation) {
		f, inv, err := parseFlags(args, environ, io.Discard, io.Discard)
		require.NoError(t, err)
		require.False(t, inv.Done)
		return f, inv
	}
	t.Run("docassemble", func(t *testing.T) {
		f, inv := parse([]string{"LOGSERVER=backend.internal", "SERVERHOSTNAME=web1.example.org"})
		c, err := f.config(inv.Env)
		require.NoError(t, err)
		assert.Equal(t, []string{"backend.internal"}, c.Servers)
		assert.Equal(t, "web1.example.org", c.Hostname)
		assert.Equal(t, "/var/lib/dalogfwd", c.StateDir)
		assert.Equal(t, "relp", c.Protocol)
		assert.Equal(t, 1<<20, c.MaxLine)
		assert.False(t, c.FromEnd || c.KeepBlank)
		var files []string
		for _, file := range c.Files {
			files = append(files, strings.Join([]string{file.Pattern, file.Program, syslog.SeverityName(file.Severity)}, " "))
		}
		assert.Equal(t, []string{
			"/usr/share/docassemble/log/docassemble.log docassemble debug",
			"/usr/share/docassemble/log/websockets.log websockets debug",
			"/usr/share/docassemble/log/worker.log celery debug",
			"/usr/share/docassemble/log/single_worker.log celerysingle debug",
			"/usr/share/docassemble/log/uwsgi.log uwsgi debug",
			"/var/log/nginx/access.log nginx debug",
			"/var/log/nginx/error.log nginx err",
			"/var/log/apache2/access.log apache debug",
			"/var/log/apache2/error.log apache err",
			"/var/log/supervisor/supervisord.log supervisor info",
		}, files)
	})
	t.Run("flags", func(t *testing.T) {
		f, inv := parse([]string{"LOGSERVER=other", "SERVERHOSTNAME=null", "DALOGFWD_KEEP_BLANK=true", "DALOGFWD_MAX_LINE=2KiB"},
			"--server=a,b:1514", "--protocol=bsd", "--start-at-end", "--state-dir=/s",
			"--file=/x=y/*.log=app", "--file=/z.log=Z-1:ERROR", "--file=/n.log=n:4")
		c, err := f.config(inv.Env)
		require.NoError(t, err)
		name, err := os.Hostname()
		require.NoError(t, err)
		name, _, _ = strings.Cut(name, ".")
		assert.Equal(t, name, c.Hostname)
		assert.Equal(t, []string{"a", "b:1514"}, c.Servers)
		assert.Equal(t, "bsd", c.Protocol)
		assert.Equal(t, 2<<10, c.MaxLine)
		assert.True(t, c.FromEnd && c.KeepBlank)
		require.Len(t, c.Files, 3)
		assert.Equal(t, "/x=y/*.log", c.Files[0].Pattern)
		assert.Equal(t, []uint8{6, 3, 4}, []uint8{c.Files[0].Severity, c.Files[1].Severity, c.Files[2].Severity})
		assert.Equal(t, "Z-1", c.Files[1].Program)
	})
	t.Run("environment", func(t *testing.T) {
		f, _ := parse([]string{"DALOGFWD_SERVER=s", "LOGSERVER=other", "DALOGFWD_FILE=/a.log=a,/b.log=b:err"})
		assert.Equal(t, "s", f.Server)
		require.Len(t, f.File, 2)
		assert.Equal(t, "/b.log", f.File[1].Pattern)
	})
	t.Run("unknown variables", func(t *testing.T) {
		_, inv := parse([]string{"DALOGFWD_SERVER=s", "DALOGFWD_SEVRER=t", "OTHER=x"})
		assert.Equal(t, []string{"DALOGFWD_SEVRER, did you mean DALOGFWD_SERVER?"}, inv.Warnings)
	})
}

// receiver counts the lines that arrive.
type receiver struct {
	addr string
	got  output
}

func startReceiver(t *testing.T) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	r := &receiver{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(&r.got, conn)
			}()
		}
	}()
	return r
}

// child is dalogfwd as a process.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr output
}

func startChild(t *testing.T, args ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0], args...)}
	c.cmd.Env = append(os.Environ(), childEnv+"=1")
	c.cmd.Stderr = &c.stderr
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	c.waitFor("msg=ready")
	return c
}

func (c *child) waitFor(text string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return strings.Contains(c.stderr.String(), text) }, 10*time.Second, time.Millisecond,
		"waiting for %q in: %s", text, &c.stderr)
}

func (c *child) wait() int {
	c.t.Helper()
	ended := make(chan struct{})
	go func() { _ = c.cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		require.Fail(c.t, "does not end", c.stderr.String())
	}
	return c.cmd.ProcessState.ExitCode()
}

func TestSignals(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startReceiver(t)
			path, state := filepath.Join(t.TempDir(), "app.log"), filepath.Join(t.TempDir(), "made/state")
			c := startChild(t, "--protocol", "syslog", "--server", r.addr, "--state-dir", state, "--file", path+"=app")
			c.waitFor("msg=connected")
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("line\n", 1000)), 0o600))
			require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP)) // which ends nothing
			require.NoError(t, c.cmd.Process.Signal(sig))
			require.NoError(t, c.cmd.Process.Signal(sig)) // the same wish
			assert.Equal(t, cli.ExitOK, c.wait())
			require.Eventually(t, func() bool { return strings.Count(r.got.String(), "\n") == 1000 }, 5*time.Second, time.Millisecond)
			info, err := os.Stat(state)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
		})
	}
}

// The first signal waits for a server that takes nothing; the second does not.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() { // accepts and reads nothing
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
			<-t.Context().Done()
		}
	}()
	path, state := filepath.Join(t.TempDir(), "app.log"), t.TempDir()
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("0123456789012345678901234567890123456789\n"), 1<<19), 0o600))
	c := startChild(t, "--protocol", "syslog", "--server", l.Addr().String(), "--state-dir", state, "--file", path+"=app")
	c.waitFor("msg=connected")
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
	c.waitFor("sending the rest")
	time.Sleep(sameSignal + 50*time.Millisecond) // or it is the same wish
	began := time.Now()
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, cli.ExitOK, c.wait())
	assert.Less(t, time.Since(began), 3*time.Second)
	assert.Contains(t, c.stderr.String(), "not delivered")
}

func TestSecondProcess(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	args := []string{"--server", "127.0.0.1:1", "--state-dir", state, "--file", "/nowhere/app.log=app"}
	c := startChild(t, args...)
	code, _, stderr := runHere(t.Context(), nil, args...)
	assert.Equal(t, cli.ExitLocked, code)
	assert.Contains(t, stderr, state)
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, cli.ExitOK, c.wait())
}

// A name that cannot be looked up is not fatal: it may be there tomorrow.
func TestServerOfUnknownName(t *testing.T) {
	t.Parallel()
	c := startChild(t, "--server", "no-such-host.invalid", "--state-dir", t.TempDir(), "--file", "/nowhere/app.log=app")
	c.waitFor("no-such-host.invalid:514")
	c.waitFor("retrying")
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, cli.ExitOK, c.wait())
}

func TestLogFormat(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, _, stderr := runHere(ctx, []string{"DALOGFWD_SEVRER=x"}, "--server", "127.0.0.1:1", "--state-dir", t.TempDir(), "--log-format", "json",
		"--file", "/nowhere/app.log=app")
	assert.Equal(t, cli.ExitOK, code)
	for line := range strings.Lines(stderr) {
		assert.True(t, strings.HasPrefix(line, `{"time":`), line)
	}
	assert.Contains(t, stderr, `"msg":"ended"`)
	assert.Contains(t, stderr, "DALOGFWD_SEVRER")
}
