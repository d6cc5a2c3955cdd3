package httpindex

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// While lines are appended, an answer has exactly the length it announced, ends
// at a line end, and holds the lines written so far in order.
func TestFileWhileItGrows(t *testing.T) {
	t.Parallel()
	base, dir := serveFiles(t, map[string]string{"web.log": ""})
	file, err := os.OpenFile(filepath.Join(dir, "web.log"), os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	defer file.Close()

	stop, wrote := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { wrote <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			// Lines come in two writes, so that half lines stand at the end.
			line := fmt.Sprintf("line %d %s\n", n, strings.Repeat("x", n%300))
			if _, err := io.WriteString(file, line[:len(line)/2]); err != nil {
				return
			}
			if _, err := io.WriteString(file, line[len(line)/2:]); err != nil {
				return
			}
			n++
		}
	}()

	check := func(path string) int {
		resp, body := get(t, base+path)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, resp.Header.Get("Content-Length"), strconv.Itoa(len(body)))
		if body == "" {
			return 0
		}
		require.True(t, strings.HasSuffix(body, "\n"), "ends within a line")
		lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
		first := -1
		for i, line := range lines {
			var n int
			_, err := fmt.Sscanf(line, "line %d ", &n)
			require.NoError(t, err, "%.80q", line)
			if first < 0 {
				first = n
			}
			require.Equal(t, first+i, n)
		}
		return len(lines)
	}
	seen := 0
	for deadline := time.Now().Add(10 * time.Second); seen < 1500 && time.Now().Before(deadline); {
		n := check("/web.log")
		require.GreaterOrEqual(t, n, seen, "lines that were shown have vanished")
		seen = n
		require.LessOrEqual(t, check("/web.log?n=30"), 30)
	}
	close(stop)
	total := <-wrote
	require.GreaterOrEqual(t, seen, 1000, "the writer was too slow for the test to mean anything")
	require.Equal(t, total, check("/web.log"))
}

// A file that a foreign program truncates while it is sent cannot be sent
// whole: the client must see that, by an end before Content-Length.
func TestFileCutWhileItIsSent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "web.log")
	const size = 32 << 20
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("0123456789abcde\n", size/16)), 0o600))
	store, _ := openStore(t, dir)
	h := New(Config{Logs: store})
	srv := startServer(t, h)

	conn, err := net.Dial("tcp", srv)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, "GET /web.log HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	first := make([]byte, 4096)
	_, err = io.ReadFull(conn, first)
	require.NoError(t, err)
	require.Contains(t, string(first), fmt.Sprintf("Content-Length: %d\r\n", size))
	require.NoError(t, os.Truncate(path, 0))
	rest, err := io.ReadAll(conn)
	require.NoError(t, err, "the connection must end")
	require.Less(t, len(rest), size-4096)
	require.Eventually(t, func() bool { return counter(t, h, "dalogd_http_incomplete_total") == 1 }, eventually, tick)
}

// The bytes of a file go to the connection in a form that package net sends
// with sendfile(2).
func TestFileUsesSendfile(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte(strings.Repeat("0123456789abcde\n", size/16)), 0o600))
	store, _ := openStore(t, dir)
	spy := startSpy(t, New(Config{Logs: store}))

	for _, c := range []struct {
		name, path, ranges string
		sent               int
	}{
		{"whole", "/web.log", "", size},
		{"range", "/web.log", "bytes=100000-899999", 800_000},
		{"last lines", "/web.log?n=10000", "", 160_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			var header []string
			if c.ranges != "" {
				header = []string{"Range", c.ranges}
			}
			_, body := get(t, spy.url+c.path, header...)
			require.Len(t, body, c.sent)
			source := <-spy.sources
			limited, ok := source.(*io.LimitedReader)
			require.True(t, ok, "%T", source)
			_, ok = limited.R.(syscall.Conn)
			require.True(t, ok, "%T", limited.R)
		})
	}
}

// A large file may take longer than a small answer, but not for ever.
func TestFileMayTakeTimeBySize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "small.log"), []byte("line\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "large.log"), nil, 0o600))
	const size = 3600 * minSendRate
	require.NoError(t, os.Truncate(filepath.Join(dir, "large.log"), size-1))
	file, err := os.OpenFile(filepath.Join(dir, "large.log"), os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = file.WriteString("\n")
	require.NoError(t, err)
	require.NoError(t, file.Close())
	store, _ := openStore(t, dir)
	spy := startSpy(t, New(Config{Logs: store}))

	for path, limit := range map[string]time.Duration{
		"/":              answerTimeout,
		"/small.log":     answerTimeout,
		"/large.log":     answerTimeout + time.Hour,
		"/large.log?n=1": answerTimeout + time.Hour,
		"/small.log?n=1": answerTimeout,
		"/large.log?x=1": answerTimeout,
		"/listlog/":      answerTimeout,
		assetsPath + assetsVersion + "/css/base.css": answerTimeout,
		"/small.log?n=1&n=2":                         answerTimeout,
		"/small.log?q=line":                          answerTimeout,
		"/small.log?follow=1":                        answerTimeout,
		"/search?q=line":                             answerTimeout,
		"/archive.zip":                               answerTimeout,
	} {
		spy.forget()
		before := time.Now()
		do(t, http.MethodHead, spy.url+path)
		require.WithinDuration(t, before.Add(limit), spy.lastWriteDeadline(), 10*time.Second, path)
	}
}
