package httpindex

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is no regular file of its own name is no log file: it is neither listed
// nor opened, by no page, and nobody waits for it.
func TestNamesOfOtherThings(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	secret := filepath.Join(parent, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("the secret line\n"), 0o644))
	dir := filepath.Join(parent, "log")
	require.NoError(t, os.Mkdir(dir, 0o755))
	in := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(in("web.log"), []byte("one\n"), 0o600))
	require.NoError(t, os.Symlink(secret, in("link.log")))
	require.NoError(t, os.Symlink("../secret", in("relative.log")))
	require.NoError(t, os.Symlink("web.log", in("inner.log")))
	require.NoError(t, os.Symlink("loop.log", in("loop.log")))
	require.NoError(t, os.Symlink("/proc/self/environ", in("proc.log")))
	require.NoError(t, os.Symlink("/dev/zero", in("zero.log")))
	require.NoError(t, os.Link(secret, in("hard.log")))
	require.NoError(t, os.Mkdir(in("folder.log"), 0o755))
	require.NoError(t, os.WriteFile(in("folder.log/inside.log"), []byte("the secret line\n"), 0o644))
	require.NoError(t, os.Symlink(parent, in("linked.log.d")))
	require.NoError(t, syscall.Mkfifo(in("fifo.log"), 0o666))
	socket, err := net.Listen("unix", in("socket.log"))
	require.NoError(t, err)
	defer socket.Close()
	if err := syscall.Mknod(in("device.log"), syscall.S_IFCHR|0o666, 1<<8|5); err != nil { // /dev/zero
		t.Logf("no device: %v", err)
	}
	store, _ := openStore(t, dir)
	base := serve(t, Config{Logs: store})
	client := http.Client{Timeout: 4 * eventually}
	ask := func(path string) (int, string) {
		resp, err := client.Get(base + path)
		require.NoError(t, err, "%s hangs", path)
		defer resp.Body.Close()
		body := new(strings.Builder)
		buf := make([]byte, 1<<20)
		n, _ := resp.Body.Read(buf)
		body.Write(buf[:n])
		return resp.StatusCode, body.String()
	}
	for _, name := range []string{"link.log", "relative.log", "inner.log", "loop.log", "proc.log", "zero.log", "hard.log", "folder.log", "fifo.log", "socket.log", "device.log", "linked.log.d", "folder.log%2Finside.log", "link.log.1", "."} {
		for _, path := range []string{"/" + name, "/" + name + "?n=30", "/" + name + "?grep=secret", "/" + name + "?format=json", "/" + name + "?follow=1", "/search?file=" + name, "/histogram?file=" + name, "/errors?file=" + name, zipPath + "?file=" + name} {
			status, body := ask(path)
			require.True(t, status == 404 || status == 400 || name == "." && status == 200, "%s: %d %s", path, status, body)
			require.NotContains(t, body, "the secret")
		}
	}
	for _, path := range []string{"/", "/?format=json", "/search", "/search?grep=secret", "/histogram", "/errors", "/board", tarPath} {
		status, body := ask(path)
		require.Equal(t, 200, status)
		for _, name := range []string{"link.log", "hard.log", "folder.log", "fifo.log", "socket.log", "device.log", "the secret"} {
			require.NotContains(t, body, name, path)
		}
	}
}

// Absurd parameters get a clear answer at once: 4xx, or what they ask for if
// that is harmless.
func TestAbsurdQueries(t *testing.T) {
	t.Parallel()
	f := serveRotated(t, true)
	long := strings.Repeat("x", 5000)
	values := map[string][]string{
		"grep":      {"(", "[", "*", "a{1001}", "(a{1,1000}){1,1000}", "((a*)*)*b", "(?<=x)y", `\1`, `\C`, "(?P<n>", "\xff\xfe", "\x00", long, strings.Repeat("(", 900), strings.Repeat("a?", 400) + strings.Repeat("a", 200), "(?i)" + strings.Repeat("ſ", 300)},
		"exclude":   {"(", long},
		"match":     {"glob", "", "regex,literal"},
		"case":      {"x", ""},
		"invert":    {"2", "-1", "maybe"},
		"host":      {long, ",,,,", strings.Repeat("h,", 2000), "\x00"},
		"program":   {strings.Repeat("p,", 2000)},
		"level":     {"panic", "error,critical", "-1", ""},
		"at":        {"x", "-", "-9999999999h", "99999-01-01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", long},
		"since":     {"x", "-", "-h", "-9999999999h", "99999-01-01", "0000-00-00", "25:00", "2026-02-30", "-1e9s", "9999-12-31T23:59:59Z", "-292y", long},
		"until":     {"x", "-", "0001-01-01T00:00:00Z"},
		"zone":      {"x", "../../etc/passwd", "/etc/passwd", "UTC\x00", "Local", "", long},
		"n":         {"0", "-1", "1.5", "1e3", "99999999999999999999", "0x10", "", " 1", "+1"},
		"limit":     {"0", "-1", "99999999999999999999", ""},
		"direction": {"sideways", ""},
		"context":   {"-1", "1000000", "x"},
		"before":    {"-1", "9223372036854775807"},
		"after":     {"-1", "9223372036854775808"},
		"events":    {"2", "x"},
		"format":    {"xml", "JSON", ""},
		"from":      {"-1", "9223372036854775807", "9223372036854775808", "1.5", "x", "1", "3"},
		"to":        {"-1", "9223372036854775807", "x"},
		"cut":       {"-1", "0", "x", "99999999999999999999"},
		"cursor":    {"x", "=", "worker.log=", "worker.log=-1", "worker.log=99999999999999999999", "x.log=1", strings.Repeat("worker.log=1,", 2000), "../x=1"},
		"buckets":   {"0", "-1", "1000000000", "x"},
		"file":      {"../worker.log", "/etc/passwd", "\x00", strings.Repeat("a.log,", 1000), "worker.log/", ".dalogd", "%2e%2e"},
		"download":  {"2"},
		"follow":    {"2", "x"},
		"unknown":   {"1"},
	}
	client := http.Client{Timeout: 6 * eventually}
	begin := time.Now()
	asked := 0
	for _, page := range []string{"/worker.log", "/search", "/histogram", "/errors", zipPath, tarPath, "/", "/board"} {
		for name, list := range values {
			for _, value := range list {
				for _, query := range []string{name + "=" + url.QueryEscape(value), name + "=" + url.QueryEscape(value) + "&format=json", name + "=1&" + name + "=" + url.QueryEscape(value)} {
					resp, err := client.Get(f.base + page + "?" + query)
					require.NoError(t, err, "%s?%.100s", page, query)
					require.Less(t, resp.StatusCode, 500, "%s?%.100s", page, query)
					require.GreaterOrEqual(t, resp.StatusCode, 200)
					resp.Body.Close()
					asked++
				}
			}
		}
	}
	t.Logf("%d absurd queries in %v", asked, time.Since(begin))

	for _, header := range []string{"bytes=-", "bytes=", "bytes=a-b", "bytes=5-1", "bytes=99999999999999999999-", "bytes=-99999999999999999999", "bytes=0-0,0-0,0-0", "bytes=--1", "bytes 0-1", "bytes=0-1\tx", "lines=1-2",
		"bytes=" + strings.Repeat("0-1,", 500) + "3-4", "bytes=0-,-1,5-"} {
		resp, _ := get(t, f.base+"/worker.log", "Range", header)
		require.Contains(t, []int{200, 206, 416}, resp.StatusCode, header)
	}
}
