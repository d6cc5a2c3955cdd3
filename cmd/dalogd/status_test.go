package main

import (
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
)

// A well dalogd says so, to people and to programs; one with a trouble names it
// and gives the code for it.
func TestStatus(t *testing.T) {
	t.Parallel()
	config := configFile{t, filepath.Join(t.TempDir(), "dalogd.yaml")}
	config.write("keep_age: 5d")
	d := startDaemon(t, "--config", config.path)
	c := dial(t, "tcp", d.addr["tcp"])
	_, err := c.Write([]byte("<13>p: one\n<13>p: two\n"))
	require.NoError(t, err)
	eventually(t, func() bool { return d.metric("dalogd_stored_messages_total") == 2 }, "both are stored")

	code, out, stderr := call("status", "--log-dir", d.dir)
	require.Equal(t, 0, code, stderr)
	for _, want := range []string{
		`dalogd +\S.*, process \d+ of user \d+, for \d+ s\n`, `state +ok\n`, `configuration +` + config.path + `\n`,
		`listening +tcp ` + d.addr["tcp"] + `, udp .*, http ` + d.addr["http"] + `\n`,
		`log folder +` + d.dir + `: \d+ files, 0 closed parts with 0 B, .* of .* free\n`,
		`stored +2 messages, \d+ B; `, `received +lines 2; 1 connections\n`, `refused +nothing\n`,
		`senders +127.0.0.1: lines, 2 messages, last \d+ s ago\n`,
	} {
		require.Regexp(t, want, out)
	}
	var s status
	code, out, _ = call("status", "-o", "json", "--state-dir", filepath.Join(d.dir, ".dalogd"))
	require.Equal(t, 0, code)
	require.NoError(t, json.Unmarshal([]byte(out), &s))
	require.EqualValues(t, 2, s.Store.Messages)
	require.EqualValues(t, 2, s.Received["lines"])
	require.Equal(t, d.cmd.Process.Pid, s.PID)
	require.Empty(t, s.Reasons)

	config.write("keep_age: 5d", "alow: x", "line_format: bsd")
	d.reload()
	code, out, stderr = call("status", "--log-dir", d.dir)
	require.Equal(t, 1, code)
	require.Empty(t, stderr)
	require.Regexp(t, `state +warning\n +- the last reload failed: .*unknown setting alow`, out)
	config.write("keep_age: 5d", "line_format: bsd")
	d.reload()
	code, out, _ = call("status", "--log-dir", d.dir)
	require.Equal(t, 1, code)
	require.Regexp(t, `- settings wait for a restart: line_format\n`, out)

	code, _, stderr = call("status", "--log-dir", t.TempDir())
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "start it, or give the --log-dir and --state-dir that it was started with")
}

func TestHealthCheck(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, "--ready-file", filepath.Join(t.TempDir(), "ready"))
	_, port, err := net.SplitHostPort(d.addr["http"])
	require.NoError(t, err)
	code, out, stderr := call("healthcheck", "--http", ":"+port)
	require.Equal(t, cli.ExitOK, code, stderr)
	require.Empty(t, out)
	code, _, stderr = call("healthcheck", "--ready", "--http", ":"+port)
	require.Equal(t, cli.ExitInternal, code)
	require.True(t, strings.HasPrefix(stderr, "dalogd: not healthy: http://127.0.0.1:"+port+"/readyz: 5"), stderr)
	code, _, stderr = call("healthcheck", "--http", "127.0.0.1:1")
	require.Equal(t, cli.ExitInternal, code)
	require.Contains(t, stderr, "connection refused")
}

func TestSpansAndSizes(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{0: "0 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min", 119 * time.Minute: "119 min", 47 * time.Hour: "47 h", 72 * time.Hour: "3 days"} {
		require.Equal(t, want, ago(d))
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 200 << 20: "200 MiB", 5 << 40: "5.0 TiB"} {
		require.Equal(t, want, size(n))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, want, grouped(n))
	}
}
