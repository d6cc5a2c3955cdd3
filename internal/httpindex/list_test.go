package httpindex

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/logstore"
)

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

var twoFiles = fakeLogs{files: []logstore.FileInfo{
	{Name: "docassemble.log", Size: 2048, ModTime: time.Date(2026, 11, 23, 8, 27, 0, 5000, time.FixedZone("", -5*3600)), Start: 512},
	{Name: "my file.log", Size: 0, ModTime: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)},
}}

func TestListForms(t *testing.T) {
	t.Parallel()
	base := serve(t, Config{Logs: twoFiles, Hostname: "central"})
	text := "docassemble.log\nmy file.log\n"
	for _, c := range []struct {
		name, path, accept string
		contentType        string
		want               string // the whole text, or a part of HTML
	}{
		{"anything", "/", "*/*", textType, text},
		{"browser", "/", browser, htmlType, "<table"},
		{"JSON", "/", "application/json", jsonType, `"docassemble.log"`},
		{"asked for text", "/?format=text", browser, textType, text},
		{"asked for HTML", "/?format=html", "*/*", htmlType, "<table"},
		{"asked for JSON", "/?format=json", browser, jsonType, `"docassemble.log"`},
		{"listlog", "/listlog", "*/*", textType, text},
		{"listlog in a browser", "/listlog", browser, htmlType, "<table"},
		{"slash behind a file", "/docassemble.log/", "*/*", textType, text},
		{"slash behind nothing known", "/sub/", "*/*", textType, text},
		{"slash behind a page", "/listlog/", "*/*", textType, text},
		{"two slashes", "//", "*/*", textType, text},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, base+c.path, "Accept", c.accept)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, c.contentType, resp.Header.Get("Content-Type"))
			require.Contains(t, resp.Header["Vary"], "Accept")
			require.Equal(t, "no-cache", resp.Header.Get("Cache-Control"))
			require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
			require.EqualValues(t, len(body), resp.ContentLength)
			if c.contentType == textType {
				require.Equal(t, c.want, body)
			} else {
				require.Contains(t, body, c.want)
			}
			head, none := do(t, http.MethodHead, base+c.path, "Accept", c.accept)
			require.Empty(t, none)
			require.Equal(t, resp.StatusCode, head.StatusCode)
			require.Equal(t, resp.Header.Get("Content-Type"), head.Header.Get("Content-Type"))
		})
	}
}

func TestListWithoutAcceptHeader(t *testing.T) {
	t.Parallel()
	h := New(Config{Logs: twoFiles})
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, "docassemble.log\nmy file.log\n", rec.Body.String())
}

func TestListJSON(t *testing.T) {
	t.Parallel()
	base := serve(t, Config{Logs: twoFiles})
	_, body := get(t, base+"/?format=json")
	var list []struct {
		Name     string
		Size     int64
		Start    int64
		Modified time.Time
	}
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	require.Len(t, list, 2)
	for i, want := range twoFiles.files {
		require.Equal(t, want.Name, list[i].Name)
		require.Equal(t, want.Size, list[i].Size)
		require.Equal(t, want.Start, list[i].Start)
		require.True(t, want.ModTime.Equal(list[i].Modified), "%v", list[i].Modified)
	}
	require.Contains(t, body, `"modified":"2026-11-23T13:27:00.000005Z"`)

	_, body = get(t, serve(t, Config{Logs: fakeLogs{}})+"/?format=json")
	require.JSONEq(t, "[]", body)
}

func TestJSONString(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "plain.log", `quo"te\`, "tab\tlf\n\x00\x1f", "ünï", "\u2028", "<b>&"} {
		var back string
		require.NoError(t, json.Unmarshal(appendJSONString(nil, s), &back))
		require.Equal(t, s, back)
	}
	require.Equal(t, "\"a\ufffdb\"", string(appendJSONString(nil, "a\xffb")))
}

func TestListRefusesQueries(t *testing.T) {
	t.Parallel()
	base := serve(t, Config{Logs: twoFiles})
	for query, want := range map[string]string{
		"?n=30":                    `unknown parameter "n"; known here: format`,
		"?format=xml":              `format="xml": give text, html or json`,
		"?format=":                 `format="": give text, html or json`,
		"?format=text&format=json": "parameter format is given 2 times",
		"?%zz":                     "invalid URL escape",
		"?a;b":                     "semicolon",
		"?%0a%1b[31m=1":            `unknown parameter "\n\x1b[31m"`,
	} {
		resp, body := get(t, base+"/"+query)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, query)
		require.Contains(t, body, want, query)
		require.Equal(t, 1, strings.Count(body, "\n"), body)
		require.Equal(t, textType, resp.Header.Get("Content-Type"))
	}
}

func TestListHTML(t *testing.T) {
	t.Parallel()
	base := serve(t, Config{Logs: twoFiles, Hostname: "central"})
	resp, body := get(t, base+"/", "Accept", browser)
	policy := resp.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		require.Contains(t, policy, part)
	}
	require.NotContains(t, policy, "unsafe")
	for _, part := range []string{
		`<html lang="en" data-root="./" data-zone="`, `data-server="central"`, "<title>Log files on central</title>", `scope="col"`, `scope="row"`, `name="viewport"`,
		`<a href="./-/view?file=docassemble.log">docassemble.log</a>`,
		`<a href="./-/view?file=my%20file.log">my file.log</a>`,
		`<a href="./my%20file.log?n=200" aria-label=`,
		`href="./my%20file.log?download=1"`,
		`<data value="2048" title="2048 bytes">2.0 KiB</data>`,
		`<time datetime="2026-11-23T13:27:00Z"`,
		"<small>2, 2.0 KiB</small>",
		"curl '" + base + "/docassemble.log?n=30'",
	} {
		require.Contains(t, body, part)
	}
	require.NotContains(t, body, "<script>") // scripts are files
	require.NotContains(t, body, "style=")
}

// The links of a page must lead to the same places wherever the list is shown.
func TestListHTMLLinksAreRelative(t *testing.T) {
	t.Parallel()
	base := serve(t, Config{Logs: twoFiles})
	for path, want := range map[string]string{
		"/":                     "./",
		"/listlog":              "./",
		"/docassemble.log/":     "./../",
		"/docassemble.log/sub/": "./../../",
	} {
		_, body := get(t, base+path, "Accept", browser)
		require.Contains(t, body, `<a href="`+want+`-/view?file=docassemble.log">`, path)
		require.Contains(t, body, `href="`+want+`-/assets/`+assetsVersion+`/css/base.css"`, path)
	}
}

func TestListHTMLEscapes(t *testing.T) {
	t.Parallel()
	names := []string{`<script>alert(1)</script>`, `"onmouseover="x`, `javascript:alert(1)`, `a&b=c?d#e`, `' --evil`, "..%2f", "\x1b[31m\u202e"}
	var files []logstore.FileInfo
	for _, name := range names {
		files = append(files, logstore.FileInfo{Name: name})
	}
	base := serve(t, Config{Logs: fakeLogs{files: files}, Hostname: "<b>host</b>"})
	_, body := get(t, base+"/", "Accept", browser)
	require.NotContains(t, body, "<script>alert")
	require.NotContains(t, body, `"onmouseover=`)
	require.NotContains(t, body, `href="javascript:`)
	require.NotContains(t, body, "<b>host")
	require.Contains(t, body, `href="./a&amp;b=c%3Fd%23e?n=200"`)
	require.Contains(t, body, `href="./-/view?file=a%26b%3dc%3fd%23e"`)
	require.Contains(t, body, "&lt;script&gt;alert(1)&lt;/script&gt;")
}

func TestListHTMLHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"logs.example.org:8080": "http://logs.example.org:8080/",
		"[2001:db8::1]:8080":    "http://[2001:db8::1]:8080/",
		"10.0.0.5":              "http://10.0.0.5/",
		"x';rm -rf ~;'":         "http://LOGSERVER:8080/",
		"$(id)":                 "http://LOGSERVER:8080/",
		"":                      "http://LOGSERVER:8080/",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		require.Equal(t, want, baseURL(r))
	}
}

func TestListEmpty(t *testing.T) {
	t.Parallel()
	base := serve(t, Config{Logs: fakeLogs{}})
	resp, body := get(t, base+"/", "Accept", browser)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, body, "No log files yet")
	_, body = get(t, base+"/")
	require.Empty(t, body)
}

func TestListCannotBeRead(t *testing.T) {
	t.Parallel()
	base := serve(t, Config{Logs: fakeLogs{err: errors.New("open /logs: permission\ndenied")}})
	for _, path := range []string{"/", "/listlog", "/docassemble.log/", "/?format=json"} {
		resp, body := get(t, base+path)
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
		require.Equal(t, "the list of files cannot be read: open /logs: permission denied\n", body)
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	}
	resp, body := get(t, base+"/", "Accept", browser)
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	require.Equal(t, htmlType, resp.Header.Get("Content-Type"))
	require.Contains(t, body, "open /logs: permission denied")

	resp, body = get(t, base+"/docassemble.log")
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	require.Contains(t, body, `"docassemble.log" cannot be read: `)
}

// A file that has the name of a page could not be opened, so it is not listed.
func TestListLeavesOutNamesOfPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name := range reserved {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x\n"), 0o600))
	}
	store, _ := openStore(t, dir)
	base := serve(t, Config{Logs: store})
	_, body := get(t, base+"/")
	for _, name := range strings.Split(body, "\n") {
		require.False(t, reserved[name], name)
	}
	resp, _ := get(t, base+"/metrics")
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

func TestHumanSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 10188: "9.9 KiB", 10189: "10 KiB",
		1023 << 10: "1023 KiB", 1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB", 16 << 20: "16 MiB",
		5 << 30: "5.0 GiB", 3 << 40: "3.0 TiB", 2 << 50: "2 PiB", 1<<63 - 1: "8192 PiB",
	} {
		require.Equal(t, want, humanSize(n), n)
	}
}

func TestHumanAge(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]string{
		-time.Hour: "clock ahead", -time.Second: "now", 0: "now", 59 * time.Second: "59 s ago",
		time.Minute: "1 min ago", 59 * time.Minute: "59 min ago", time.Hour: "1 h ago",
		47 * time.Hour: "47 h ago", 48 * time.Hour: "2 days ago", 400 * 24 * time.Hour: "400 days ago",
	} {
		require.Equal(t, want, humanAge(age), age)
	}
}
