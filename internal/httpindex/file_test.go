package httpindex

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
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
		{"/-/view/x", 404, ""},
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

func TestFileReadOnly(t *testing.T) {
	t.Parallel()
	base, _ := serveFiles(t, map[string]string{"web.log": "one\n"})
	for _, path := range []string{"/", "/web.log", "/listlog", "/listlog/health_check", "/healthz", "/nope.log", "/sub/", assetsPath + assetsVersion + "/css/base.css"} {
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
