package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/forwarder"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), filepath.Join(t.TempDir(), "not/yet")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.log"), []byte("a\nb\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.log.1"), []byte("old\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.log"), 0o700))
	args := []string{
		"plan", "--server", "logs", "--state-dir", state, "--file", filepath.Join(dir, "app.log") + "=app:err",
		"--file", filepath.Join(dir, "later.log") + "=later", "--file", filepath.Join(dir, "*.txt") + "=text",
	}
	code, stdout, stderr := runHere(t.Context(), nil, args...)
	assert.Zero(t, code, stderr)
	for _, want := range []string{
		"to: logs:514", "followed for the first time", "app:err", "4 B", "awaited", "no file fits " + dir, "1 file to follow, 4 B to send now",
	} {
		assert.Contains(t, stdout, want)
	}
	assert.NotContains(t, stdout, "app.log.1")
	assert.NoDirExists(t, state, "nothing is touched")

	code, stdout, stderr = runHere(t.Context(), nil, append(args, "-o", "json", "--file", filepath.Join(dir, "folder.log")+"=x")...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "trouble with 1 file")
	var plan forwarder.Plan
	require.NoError(t, json.Unmarshal([]byte(stdout), &plan))
	states := map[string]string{}
	for _, f := range plan.Files {
		states[filepath.Base(f.Path)] = f.State
	}
	assert.Equal(t, map[string]string{"app.log": "followed", "later.log": "awaited", "folder.log": "unusable"}, states)

	code, stdout, stderr = runHere(t.Context(), nil, "plan", "--docassemble-config", "none", "--state-dir", state)
	assert.Equal(t, 1, code)
	assert.Contains(t, stdout, "nowhere")
	assert.Contains(t, stderr, "no log server is set")

	require.NoError(t, os.MkdirAll(state, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(state, "registry"), []byte("DALOGREG junk"), 0o600))
	_, stdout, _ = runHere(t.Context(), nil, args...)
	assert.Contains(t, stdout, "damaged")
}

func TestStatus(t *testing.T) {
	t.Parallel()
	r := startReceiver(t)
	dir, state := t.TempDir(), t.TempDir()
	ask := func(args ...string) (int, string, string) {
		return runHere(t.Context(), nil, append([]string{"status", "--state-dir", state}, args...)...)
	}
	code, _, stderr := ask()
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "no dalogfwd answers in "+state)
	code, _, stderr = runHere(t.Context(), nil, "status", "--state-dir", filepath.Join(state, "missing"))
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "no dalogfwd answers in "+state)

	path := filepath.Join(dir, "app.log")
	require.NoError(t, os.WriteFile(path, []byte("a\nb\nunfinished"), 0o600))
	c := startChild(t, "--protocol", "syslog", "--server", r.addr, "--state-dir", state, "--file", path+"=app", "--file", filepath.Join(dir, "later.log")+"=later")
	var st struct {
		forwarder.Status
		OK bool `json:"ok"`
	}
	require.Eventually(t, func() bool {
		code, stdout, _ := ask("-o", "json")
		return code == 0 && json.Unmarshal([]byte(stdout), &st) == nil && len(st.Files) == 2 && st.Files[0].Offset == 4
	}, 30*time.Second, 20*time.Millisecond)
	assert.True(t, st.OK)
	assert.Equal(t, r.addr, st.Connected)
	f := st.Files[0]
	assert.Equal(t, "followed", f.State)
	assert.EqualValues(t, 10, f.Unfinished)
	assert.Zero(t, f.Behind)
	assert.NotNil(t, f.Acked)
	assert.Equal(t, "awaited", st.Files[1].State)
	doc, err := os.ReadFile("../../docs/formats/status.md")
	require.NoError(t, err)
	_, stdout, _ := ask("-o", "json")
	for _, name := range regexp.MustCompile(`"([^"]*)":`).FindAllStringSubmatch(stdout, -1) {
		assert.Regexp(t, "^[a-z]+(_[a-z]+)*$", name[1])
		assert.Contains(t, string(doc), "`"+name[1]+"`")
	}
	code, stdout, _ = ask()
	assert.Zero(t, code)
	assert.Contains(t, stdout, "connected to "+r.addr)

	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
	_ = c.cmd.Wait()
	code, _, _ = ask()
	assert.Equal(t, 2, code)
}

func TestStatusBehind(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	l.Close() // nobody answers
	path, state := filepath.Join(t.TempDir(), "app.log"), t.TempDir()
	require.NoError(t, os.WriteFile(path, []byte("a\n"), 0o600))
	startChild(t, "--server", addr, "--state-dir", state, "--file", path+"=app")
	require.Eventually(t, func() bool {
		code, _, stderr := runHere(t.Context(), nil, "status", "--state-dir", state, "--max-lag", "1ms")
		return code == 1 && strings.Contains(stderr, "not connected to "+addr) && strings.Contains(stderr, "2 B of 1 file")
	}, 30*time.Second, 20*time.Millisecond)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	r := startReceiver(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	require.NoError(t, os.WriteFile(path, []byte("a\n"), 0o600))
	for _, c := range []struct {
		name         string
		args         []string
		code         int
		stdout, says string
	}{
		{"well", []string{"--server", r.addr, "--state-dir", filepath.Join(dir, "a/b")}, 0, "ok: 1 file can be followed", ""},
		{"server away", []string{"--server", "127.0.0.1:1", "--state-dir", dir}, 1, "", "no server can be reached"},
		{"one server away", []string{"--server", r.addr + ",127.0.0.1:1", "--state-dir", dir}, 1, "", "server 127.0.0.1:1"},
		{"blank in the server", []string{"--server", "a b", "--state-dir", dir}, 2, "", "with commas between"},
		{"no server", []string{"--docassemble-config", "none"}, 2, "", "no log server"},
		{"null server", []string{"--docassemble-config", "none", "--server", "null"}, 2, "", "no log server"},
		{"state folder is a file", []string{"--server", r.addr, "--state-dir", path}, 2, "", "it is no folder"},
		{"file is a folder", []string{"--server", r.addr, "--state-dir", dir, "--file", dir + "=x"}, 1, "", "not a regular file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			code, stdout, stderr := runHere(ctx, nil, append([]string{"check", "--file", path + "=app"}, c.args...)...)
			assert.Equal(t, c.code, code, stderr)
			assert.Contains(t, stdout, c.stdout)
			assert.Contains(t, stderr, c.says)
		})
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "nothing is made")
}
