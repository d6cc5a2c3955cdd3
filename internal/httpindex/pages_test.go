package httpindex

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	readyFile := filepath.Join(t.TempDir(), "ready")
	present := filepath.Join(t.TempDir(), "ready")
	require.NoError(t, os.WriteFile(present, nil, 0o600))
	notDir := filepath.Join(present, "ready")
	full := func() error { return errors.New("disk full on /logs") }

	good := Config{Logs: twoFiles}
	for _, c := range []struct {
		name   string
		cfg    Config
		path   string
		status int
		want   string
	}{
		{"page", good, "/listlog/health_check", 200, okPage},
		{"page with other parameters", good, "/listlog/health_check?t=1", 200, okPage},
		{"page while the disk is full", Config{Logs: twoFiles, Alive: full}, "/listlog/health_check", 200, okPage},
		{"ready without a ready file", good, "/listlog/health_check?ready=1", 200, okPage},
		{"not ready", Config{Logs: twoFiles, ReadyFile: readyFile}, "/listlog/health_check?ready=1", 400, "not ready: " + readyFile + " does not exist yet\n"},
		{"readiness not asked for", Config{Logs: twoFiles, ReadyFile: readyFile}, "/listlog/health_check?ready=0", 200, okPage},
		{"ready", Config{Logs: twoFiles, ReadyFile: present}, "/listlog/health_check?ready=1", 200, okPage},
		{"ready file cannot be looked for", Config{Logs: twoFiles, ReadyFile: notDir}, "/listlog/health_check?ready=1", 400, "not ready: stat " + notDir + ": not a directory\n"},
		{"healthz", good, "/healthz", 200, "ok\n"},
		{"healthz, not ready", Config{Logs: twoFiles, ReadyFile: readyFile}, "/healthz", 200, "ok\n"},
		{"healthz, no list", Config{Logs: fakeLogs{err: errors.New("no folder")}}, "/healthz", 503, "the list of files cannot be read: no folder\n"},
		{"healthz, store in trouble", Config{Logs: twoFiles, Alive: full}, "/healthz", 503, "no messages are taken: disk full on /logs\n"},
		{"readyz", good, "/readyz", 200, "ok\n"},
		{"readyz, not ready", Config{Logs: twoFiles, ReadyFile: readyFile}, "/readyz", 503, "not ready: " + readyFile + " does not exist yet\n"},
		{"readyz, store in trouble", Config{Logs: twoFiles, Alive: full, ReadyFile: present}, "/readyz", 503, "no messages are taken: disk full on /logs\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := serve(t, c.cfg)
			resp, body := get(t, base+c.path)
			require.Equal(t, c.status, resp.StatusCode)
			require.Equal(t, c.want, body)
			require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			head, none := do(t, http.MethodHead, base+c.path)
			require.Empty(t, none)
			require.Equal(t, c.status, head.StatusCode)
		})
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	base := serve(t, Config{Logs: twoFiles})
	for path, contentType := range map[string]string{
		assetsPath + assetsVersion + "/css/base.css":      "text/css; charset=utf-8",
		assetsPath + assetsVersion + "/js/view/main.js":   "text/javascript; charset=utf-8",
		assetsPath + "of-another-version/js/home/main.js": "text/javascript; charset=utf-8",
		"/favicon.ico": "image/svg+xml", "/robots.txt": textType,
	} {
		resp, body := get(t, base+path)
		require.Equal(t, 200, resp.StatusCode, path)
		require.Equal(t, contentType, resp.Header.Get("Content-Type"))
		require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
		require.NotEmpty(t, body)
		resp, _ = get(t, base+path, "If-None-Match", resp.Header.Get("ETag"))
		require.Equal(t, 304, resp.StatusCode, path)
	}
	_, body := get(t, base+"/robots.txt")
	require.Equal(t, "User-agent: *\nDisallow: /\n", body)

	resp, _ := get(t, base+assetsPath+"of-another-version/css/base.css")
	require.Equal(t, "no-cache", resp.Header.Get("Cache-Control"))
	resp, _ = get(t, base+assetsPath+assetsVersion+"/css/base.css")
	require.Contains(t, resp.Header.Get("Cache-Control"), "immutable")
	for _, path := range []string{"", assetsVersion, assetsVersion + "/", assetsVersion + "/css", assetsVersion + "/html/view.html", assetsVersion + "/css/../html/view.html"} {
		resp, _ = get(t, base+assetsPath+path)
		require.Contains(t, []int{400, 404}, resp.StatusCode, path)
		require.NotEqual(t, htmlType, resp.Header.Get("Content-Type"))
	}
}

func TestMetricsPage(t *testing.T) {
	t.Parallel()
	resp, _ := get(t, serve(t, Config{Logs: twoFiles})+"/metrics")
	require.Equal(t, 404, resp.StatusCode)
	shown := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("counters\n")) })
	resp, body := get(t, serve(t, Config{Logs: twoFiles, Metrics: shown})+"/metrics")
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "counters\n", body)
}

func TestCounters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("one\ntwo\n"), 0o600))
	store, _ := openStore(t, dir)
	h := New(Config{Logs: store})
	url := "http://" + startServer(t, h)
	resp, _ := get(t, url+"/web.log")
	etag := resp.Header.Get("ETag")
	for _, c := range []struct {
		method, path string
		header       []string
		route, class string
	}{
		{"GET", "/", nil, "list", "2xx"},
		{"GET", "/x/", nil, "list", "2xx"},
		{"GET", "/?n=1", nil, "list", "4xx"},
		{"GET", "/web.log", nil, "file", "2xx"},
		{"HEAD", "/web.log", nil, "file", "2xx"},
		{"GET", "/web.log?n=1", nil, "file", "2xx"},
		{"GET", "/web.log", []string{"Range", "bytes=0-1"}, "file", "2xx"},
		{"GET", "/web.log", []string{"Range", "bytes=0-1,3-4"}, "file", "2xx"},
		{"GET", "/web.log", []string{"Range", "bytes=100-"}, "file", "4xx"},
		{"GET", "/web.log", []string{"If-None-Match", etag}, "file", "3xx"},
		{"HEAD", "/web.log", []string{"If-None-Match", etag}, "file", "3xx"},
		{"GET", "/web.log", []string{"If-Match", `"x"`}, "file", "4xx"},
		{"GET", "/nope.log", nil, "file", "4xx"},
		{"GET", "/web.log?x=1", nil, "file", "4xx"},
		{"POST", "/web.log", nil, "none", "4xx"},
		{"GET", "/healthz", nil, "health", "2xx"},
		{"GET", assetsPath + assetsVersion + "/css/base.css", nil, "asset", "2xx"},
	} {
		name := strings.Join(append([]string{c.method, c.path}, c.header...), " ")
		before := counter(t, h, "dalogd_http_requests_total", c.route, c.class)
		all := counter(t, h, "dalogd_http_requests_total")
		do(t, c.method, url+c.path, c.header...)
		// The answer may be here before the handler has counted it.
		require.Eventually(t, func() bool { return counter(t, h, "dalogd_http_requests_total") == all+1 }, eventually, tick, name)
		require.Equal(t, before+1, counter(t, h, "dalogd_http_requests_total", c.route, c.class), name)
	}
	require.Zero(t, counter(t, h, "dalogd_http_incomplete_total"))
}

// Every page can only be read, and the names that are pages are reserved.
func TestRoutes(t *testing.T) {
	t.Parallel()
	h := New(Config{Logs: twoFiles, Metrics: http.NotFoundHandler()})
	top := map[string]bool{}
	err := chi.Walk(h.routes.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		require.Contains(t, []string{"GET", "HEAD"}, method, route)
		name := strings.TrimPrefix(route, "/")
		if name != "" && name != "*" && !strings.Contains(name, "/") {
			top[name] = true
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, reserved, top)
}
