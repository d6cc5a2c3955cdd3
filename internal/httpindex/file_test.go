package httpindex

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
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

	"github.com/dalog-project/dalog/internal/logstore"
)

func TestFileNames(t *testing.T) {
	t.Parallel()
	base, dir := serveFiles(t, map[string]string{
		"docassemble.log":     "one\n",
		"my file.log":         "blank\n",
		"docassemble.log.1":   "older\n",
		"10.0.0.5_worker.log": "host\n",
		"docassemble.log.gz":  "\x1f\x8b no line end",
		".hidden":             "secret\n",
		"_x.log":              "secret\n",
		"a+b.log":             "secret\n",
		"web@1.log":           "secret\n",
		"host:514.log":        "secret\n",
		"ünï.log":             "secret\n",
		"100%.log":            "secret\n",
		"empty.log":           "",
		"half.log":            "whole line\nhalf a li",
	})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "x.log"), []byte("secret\n"), 0o600))
	require.NoError(t, os.Symlink("docassemble.log", filepath.Join(dir, "link.log")))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "passwd.log")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo.log"), 0o600))

	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/docassemble.log", 200, "one\n"},
		{"/my%20file.log", 200, "blank\n"},
		{"/docassemble.log.1", 200, "older\n"},
		{"/10.0.0.5_worker.log", 200, "host\n"},
		{"/docassemble.log.gz", 200, "\x1f\x8b no line end"},
		{"/%64ocassemble.log", 200, "one\n"},
		{"/empty.log", 200, ""},
		{"/half.log", 200, "whole line\n"},
		{"/nope.log", 404, ""},
		{"/.hidden", 404, ""},
		{"/.dalogd", 404, ""},
		{"/.dalogd/", 400, ""},
		{"/_x.log", 404, ""},
		{"/a+b.log", 404, ""},
		{"/a%2Bb.log", 404, ""},
		{"/web@1.log", 404, ""},
		{"/web%401.log", 404, ""},
		{"/host:514.log", 404, ""},
		{"/%C3%BCn%C3%AF.log", 404, ""},
		{"/100%25.log", 404, ""},
		{"/sub", 404, ""},
		{"/sub/x.log", 404, ""},
		{"/sub%2Fx.log", 404, ""},
		{"/link.log", 404, ""},
		{"/passwd.log", 404, ""},
		{"/fifo.log", 404, ""},
		{"/DOCASSEMBLE.LOG", 404, ""},
		{"/docassemble.log%00", 404, ""},
		{"/docassemble.log%0a", 404, ""},
		{"/docassemble.log%20", 404, ""},
		{"/%20docassemble.log", 404, ""},
		{"/-/style.css/x", 404, ""},
		{"/-/", 200, "docassemble.log\n"},
		{"/" + strings.Repeat("a", 300), 404, ""},
		{"/" + strings.Repeat("a", 30_000), 404, ""},
	} {
		name := c.path
		if len(name) > 40 {
			name = fmt.Sprintf("%s...(%d)", name[:20], len(name))
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, base+c.path)
			require.Equal(t, c.status, resp.StatusCode, body)
			require.NotContains(t, body, "secret")
			require.EqualValues(t, len(body), resp.ContentLength)
			if c.status == 200 {
				require.True(t, strings.HasPrefix(body, c.want), body)
				require.Equal(t, c.want == "", body == "")
				return
			}
			require.Equal(t, textType, resp.Header.Get("Content-Type"))
			require.Equal(t, 1, strings.Count(body, "\n"))
			require.True(t, strings.HasSuffix(body, "\n"))
			require.Less(t, len(body), 1000)
		})
	}
	_, list := get(t, base+"/")
	for _, name := range []string{".hidden", "_x", "a+b", "web@", "host:", "ünï", "100%", "sub", "link", "passwd", "fifo", ".dalogd"} {
		require.NotContains(t, list, name)
	}
}

func TestFileHeaders(t *testing.T) {
	t.Parallel()
	base, _ := serveFiles(t, map[string]string{"web.log": "a\nb\n", "old.log.gz": "\x1f\x8b", "old.log.zst": "x", "notes": "n\n"})
	for _, c := range []struct{ path, contentType, disposition string }{
		{"/web.log", textType, ""},
		{"/notes", textType, ""},
		{"/web.log?download=1", textType, "attachment; filename=web.log"},
		{"/web.log?download", textType, "attachment; filename=web.log"},
		{"/web.log?download=0", textType, ""},
		{"/old.log.gz", "application/octet-stream", ""},
		{"/old.log.gz?download=1", "application/octet-stream", "attachment; filename=old.log.gz"},
		{"/old.log.zst", "application/octet-stream", ""},
	} {
		resp, body := get(t, base+c.path, "Accept", browser, "Accept-Encoding", "gzip, deflate, br")
		require.Equal(t, 200, resp.StatusCode, c.path)
		require.Equal(t, c.contentType, resp.Header.Get("Content-Type"), c.path)
		require.Equal(t, c.disposition, resp.Header.Get("Content-Disposition"), c.path)
		require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
		require.Equal(t, "default-src 'none'; frame-ancestors 'none'", resp.Header.Get("Content-Security-Policy"))
		require.Equal(t, "no-referrer", resp.Header.Get("Referrer-Policy"))
		require.Equal(t, "bytes", resp.Header.Get("Accept-Ranges"))
		require.Empty(t, resp.Header.Get("Content-Encoding"))
		require.Regexp(t, `^"[^"]+"$`, resp.Header.Get("ETag"))
		require.EqualValues(t, len(body), resp.ContentLength)

		head, none := do(t, http.MethodHead, base+c.path)
		require.Empty(t, none)
		require.Equal(t, resp.StatusCode, head.StatusCode)
		for _, name := range []string{"Content-Type", "Content-Length", "Content-Disposition", "ETag", "Accept-Ranges"} {
			require.Equal(t, resp.Header.Get(name), head.Header.Get(name), name)
		}
	}
}

func TestFileLastLines(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for i := range 500 {
		fmt.Fprintf(&all, "line %d\n", i)
	}
	base, _ := serveFiles(t, map[string]string{
		"web.log": all.String(), "empty.log": "", "one.log": "only\n", "half.log": "a\nb\nhal", "long.log": "x\n" + strings.Repeat("y", 200_000) + "\nz\n",
		"old.log.gz": "\x1f\x8b",
	})
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/web.log?n=1", 200, "line 499\n"},
		{"/web.log?n=3", 200, "line 497\nline 498\nline 499\n"},
		{"/web.log?n=500", 200, all.String()},
		{"/web.log?n=501", 200, all.String()},
		{"/web.log?n=1000000", 200, all.String()},
		{"/web.log?n=1&download=1", 200, "line 499\n"},
		{"/empty.log?n=30", 200, ""},
		{"/one.log?n=30", 200, "only\n"},
		{"/half.log?n=1", 200, "b\n"},
		{"/long.log?n=2", 200, strings.Repeat("y", 200_000) + "\nz\n"},
		{"/web.log?n=0", 400, `n="0": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=-5", 400, `n="-5": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=1000001", 400, `n="1000001": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=99999999999999999999", 400, `n="99999999999999999999": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=", 400, `n="": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=3x", 400, `n="3x": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=1e3", 400, `n="1e3": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=3&n=4", 400, "parameter n is given 2 times\n"},
		{"/web.log?grpe=x", 400, `unknown parameter "grpe"; known here: n, download` + "\n"},
		{"/web.log?N=3", 400, `unknown parameter "N"; known here: n, download` + "\n"},
		{"/web.log?format=json", 400, `unknown parameter "format"; known here: n, download` + "\n"},
		{"/web.log?download=maybe", 400, `download="maybe": give 1 or 0` + "\n"},
		{"/web.log?", 200, all.String()},
		{"/old.log.gz?n=3", 400, `n=3: "old.log.gz" is not text and has no lines; get it whole` + "\n"},
		{"/nope.log?n=3", 404, `no such file: "/nope.log" - GET / lists the files` + "\n"},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, base+c.path)
			require.Equal(t, c.status, resp.StatusCode)
			require.Equal(t, c.want, body)
			require.EqualValues(t, len(c.want), resp.ContentLength)
			head, none := do(t, http.MethodHead, base+c.path)
			require.Empty(t, none)
			require.Equal(t, c.status, head.StatusCode)
			require.Equal(t, resp.Header.Get("Content-Length"), head.Header.Get("Content-Length"))
		})
	}

	whole, _ := get(t, base+"/web.log")
	three, _ := get(t, base+"/web.log?n=3")
	two, _ := get(t, base+"/web.log?n=2")
	tags := map[string]bool{whole.Header.Get("ETag"): true, three.Header.Get("ETag"): true, two.Header.Get("ETag"): true}
	require.Len(t, tags, 3, "different answers share an ETag: %v", tags)

	resp, body := get(t, base+"/web.log?n=3", "If-None-Match", three.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, resp.StatusCode)
	require.Empty(t, body)
	resp, body = get(t, base+"/web.log?n=3", "Range", "bytes=5-7")
	require.Equal(t, http.StatusPartialContent, resp.StatusCode)
	require.Equal(t, "497", body)
	require.Equal(t, "bytes 5-7/27", resp.Header.Get("Content-Range"))
}

func TestFileRanges(t *testing.T) {
	t.Parallel()
	const text = "0123456789\nabcdefghij\n"
	base, _ := serveFiles(t, map[string]string{"web.log": text, "empty.log": ""})
	url := base + "/web.log"
	for _, c := range []struct {
		ranges string
		status int
		want   string
	}{
		{"bytes=0-1", 206, "01"},
		{"bytes=11-", 206, "abcdefghij\n"},
		{"bytes=-3", 206, "ij\n"},
		{"bytes=-100", 206, text},
		{"bytes=0-", 206, text},
		{"bytes=21-21", 206, "\n"},
		{"bytes=20-99999999999", 206, "j\n"},
		{"bytes=22-", 416, "invalid range: failed to overlap\n"},
		{"bytes=5-4", 416, "invalid range\n"},
		{"bytes=a-b", 416, "invalid range\n"},
		{"bytes=-9223372036854775807", 206, text},
		{"bytes=-9223372036854775808", 416, "invalid range\n"},
		{"bytes=9223372036854775807-", 416, "invalid range: failed to overlap\n"},
		{"bytes=99999999999999999999-", 416, "invalid range\n"},
		{"lines=0-1", 416, "invalid range\n"},
		{"bytes=0-20,0-20,0-20", 200, text},
	} {
		t.Run(c.ranges, func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, url, "Range", c.ranges)
			require.Equal(t, c.status, resp.StatusCode)
			require.Equal(t, c.want, body)
			require.EqualValues(t, len(body), resp.ContentLength)
			if c.status == 206 {
				require.Regexp(t, `^bytes \d+-\d+/22$`, resp.Header.Get("Content-Range"))
			}
		})
	}

	t.Run("several", func(t *testing.T) {
		t.Parallel()
		resp, body := get(t, url, "Range", "bytes=0-1,11-12,-2")
		require.Equal(t, http.StatusPartialContent, resp.StatusCode)
		media, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, "multipart/byteranges", media)
		parts := multipart.NewReader(strings.NewReader(body), params["boundary"])
		for _, want := range []string{"01", "ab", "j\n"} {
			part, err := parts.NextPart()
			require.NoError(t, err)
			require.Equal(t, textType, part.Header.Get("Content-Type"))
			got, err := io.ReadAll(part)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}
		_, err = parts.NextPart()
		require.ErrorIs(t, err, io.EOF)
	})

	resp, _ := get(t, base+"/empty.log", "Range", "bytes=0-1")
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestFileConditions(t *testing.T) {
	t.Parallel()
	base, dir := serveFiles(t, map[string]string{"web.log": "one\n", "fresh.log": "one\n"})
	url := base + "/web.log"
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "web.log"), old, old))
	date := func(at time.Time) string { return at.UTC().Format(http.TimeFormat) }

	resp, _ := get(t, url)
	etag := resp.Header.Get("ETag")
	require.Equal(t, date(old), resp.Header.Get("Last-Modified"))
	for _, c := range []struct {
		name   string
		header []string
		status int
	}{
		{"same ETag", []string{"If-None-Match", etag}, 304},
		{"weak form of it", []string{"If-None-Match", "W/" + etag}, 304},
		{"any", []string{"If-None-Match", "*"}, 304},
		{"other ETag", []string{"If-None-Match", `"x"`}, 200},
		{"not changed since", []string{"If-Modified-Since", date(old)}, 304},
		{"changed since", []string{"If-Modified-Since", date(old.Add(-time.Second))}, 200},
		{"a date that is none", []string{"If-Modified-Since", "yesterday"}, 200},
		{"ETag goes before the date", []string{"If-None-Match", `"x"`, "If-Modified-Since", date(old)}, 200},
		{"If-Match", []string{"If-Match", etag}, 200},
		{"If-Match another", []string{"If-Match", `"x"`}, 412},
		{"If-Unmodified-Since", []string{"If-Unmodified-Since", date(old.Add(-time.Minute))}, 412},
		{"range if the same", []string{"Range", "bytes=0-1", "If-Range", etag}, 206},
		{"range if another", []string{"Range", "bytes=0-1", "If-Range", `"x"`}, 200},
		{"range if of that date", []string{"Range", "bytes=0-1", "If-Range", date(old)}, 206},
		{"range if of another date", []string{"Range", "bytes=0-1", "If-Range", date(old.Add(time.Second))}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, _ := get(t, url, c.header...)
			require.Equal(t, c.status, resp.StatusCode)
		})
	}

	require.NoError(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("one\ntwo\n"), 0o600))
	require.Eventually(t, func() bool {
		resp, body := get(t, url, "If-None-Match", etag)
		return resp.StatusCode == 200 && body == "one\ntwo\n"
	}, eventually, tick)
}

func TestStampModified(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 8, 27, 10, 0, time.UTC)
	half := at.Add(500 * time.Millisecond)
	for _, c := range []struct {
		name          string
		modified, now time.Time
		compare       time.Time
		shown         string
	}{
		{"whole second", at, at.Add(time.Minute), at, ""},
		{"rounded up", half, at.Add(time.Minute), at.Add(time.Second), ""},
		{"rounded up to now", half, at.Add(time.Second), at.Add(time.Second), ""},
		{"within this second", half, half.Add(time.Millisecond), time.Time{}, "Mon, 23 Nov 2026 08:27:10 GMT"},
		{"from the future", at.Add(time.Hour), at, time.Time{}, "Mon, 23 Nov 2026 08:27:10 GMT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			got := stampModified(header, &logstore.Snapshot{ModTime: c.modified}, c.now)
			require.Equal(t, c.compare, got)
			require.Equal(t, c.shown, header.Get("Last-Modified"))
		})
	}
}

func TestFileReadOnly(t *testing.T) {
	t.Parallel()
	base, _ := serveFiles(t, map[string]string{"web.log": "one\n"})
	for _, path := range []string{"/", "/web.log", "/listlog", "/listlog/health_check", "/healthz", "/nope.log", "/sub/", "/-/style.css"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "BREW"} {
			resp, body := do(t, method, base+path)
			require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode, "%s %s", method, path)
			require.Equal(t, "GET, HEAD", resp.Header.Get("Allow"))
			require.Equal(t, "everything here is read only: use GET or HEAD\n", body)
		}
	}
	_, body := get(t, base+"/web.log")
	require.Equal(t, "one\n", body)
}

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
		"/":                  answerTimeout,
		"/small.log":         answerTimeout,
		"/large.log":         answerTimeout + time.Hour,
		"/large.log?n=1":     answerTimeout + time.Hour,
		"/small.log?n=1":     answerTimeout,
		"/large.log?x=1":     answerTimeout,
		"/listlog/":          answerTimeout,
		"/-/style.css":       answerTimeout,
		"/small.log?n=1&n=2": answerTimeout,
	} {
		spy.forget()
		before := time.Now()
		do(t, http.MethodHead, spy.url+path)
		require.WithinDuration(t, before.Add(limit), spy.lastWriteDeadline(), 10*time.Second, path)
	}
}

// What the store does not cut at a line end is not called text, and the other
// way round.
func TestTypesAreThoseOfTheStore(t *testing.T) {
	t.Parallel()
	const data = "line\nno line end"
	files := map[string]string{}
	for _, ending := range []string{"", ".1", ".log", ".txt", ".gz", ".zst", ".xz", ".bz2", ".zip", ".lz4", ".GZ", ".tgz", ".json"} {
		files["x"+ending] = data
	}
	base, _ := serveFiles(t, files)
	for name := range files {
		_, body := get(t, base+"/"+name)
		require.Equal(t, body == data, typeOf(name) != textType, name)
	}
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
