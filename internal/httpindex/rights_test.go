package httpindex

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/dalog-project/dalog/internal/access"
)

// serveGuarded serves worker.log and secret.log, each with a closed part, to
// alice, who may read all, and bob, who may read worker.log.
func serveGuarded(t testing.TB) (base, dir, etc string, h *Handler) {
	t.Helper()
	dir, etc = t.TempDir(), t.TempDir()
	put := func(name, text string) string {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	at := time.Now().Add(-time.Hour).Format(time.RFC3339)
	for _, name := range []string{"worker", "secret"} {
		old := at + " host-" + name + " " + name + ": ERROR old " + name + "-text\n"
		put(filepath.Join(dir, name+".log.d", strings.Repeat("0", 20)+".log"), old)
		put(filepath.Join(dir, name+".log"), at+" host-"+name+" "+name+": ERROR new "+name+"-text\n")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("pass"), bcrypt.MinCost)
	require.NoError(t, err)
	guard, err := access.New(access.Config{
		Login: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Files: access.Files{
			Users:  put(filepath.Join(etc, "users"), "alice:"+string(hash)+"\nbob:"+string(hash)+"\n"),
			Rights: put(filepath.Join(etc, "rights"), "alice: *\nbob: worker.log\n"),
		},
	})
	require.NoError(t, err)
	store, _ := openStore(t, dir)
	h = New(Config{
		Logs: store, Guard: guard, Metrics: promhttp.Handler(), Hostname: "log1",
		Intake: func() Intake { return Intake{Refused: map[string]uint64{"secret": 1}} },
	})
	return "http://" + startServer(t, h), dir, etc, h
}

func as(t testing.TB, user, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	require.NoError(t, err)
	req.SetBasicAuth(user, "pass")
	return get(t, url, append(header, "Authorization", req.Header.Get("Authorization"))...)
}

// What somebody may not read does not exist for them, on any page.
func TestRightsHoldEverywhere(t *testing.T) {
	t.Parallel()
	base, _, _, h := serveGuarded(t)
	var routes []string
	require.NoError(t, chi.Walk(h.routes.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method == http.MethodGet {
			routes = append(routes, route)
		}
		return nil
	}))
	queries := map[string][]string{
		"/":              {"", "?format=json", "?format=html", "?format=text"},
		"/listlog":       {"", "?format=json"},
		"/search":        {"", "?format=json", "?grep=text&format=json", "?level=error&n=10"},
		"/histogram":     {"", "?level=error"},
		"/-/view":        {"", "?file=worker.log"},
		"/-/plain":       {"", "?file=worker.log", "?q=text"},
		tarPath:          {"", "?grep=text"},
		zipPath:          {"", "?grep=text"},
		assetsPath + "*": nil,
		"/*":             {"worker.log", "worker.log?format=json", "worker.log.1", "worker.log?n=30", "x/"},
	}
	sees := 0
	for _, route := range routes {
		variants, ok := queries[route]
		if !ok {
			variants = []string{""}
		}
		for _, variant := range variants {
			url := base + strings.TrimSuffix(route, "*") + variant
			resp, body := as(t, "bob", url)
			switch route {
			case zipPath:
				require.Equal(t, 200, resp.StatusCode)
				body = textOf(unpackZip(t, []byte(body)))
			case tarPath:
				require.Equal(t, 200, resp.StatusCode)
				body = textOf(unpackTar(t, []byte(body)))
			case "/metrics":
				require.Equal(t, 403, resp.StatusCode)
			default:
				require.Equal(t, 200, resp.StatusCode, "%s: %s", url, body)
			}
			require.NotContains(t, body, "secret", url)
			for name, values := range resp.Header {
				require.NotContains(t, strings.Join(values, " "), "secret", name)
			}
			if strings.Contains(body, "worker") {
				sees++
			}
			if resp, _ := get(t, url); route != "/healthz" && route != "/readyz" && route != "/listlog/health_check" {
				require.Equal(t, 401, resp.StatusCode, url)
			}
		}
	}
	require.Greater(t, sees, 15, "bob sees his own")

	// What is asked for by name is not there, as if it never was.
	for _, path := range []string{
		"/secret.log", "/secret.log.1", "/secret.log?n=30", "/secret.log?format=json&grep=x", "/secret.log?from=0", "/secret.log?follow=1", "/search?file=secret.log", "/search?file=worker.log,secret.log",
		"/search?follow=1&file=secret.log", "/histogram?file=secret.log", "/errors?file=secret.log", zipPath + "?file=secret.log", tarPath + "?file=secret.log.1",
	} {
		resp, body := as(t, "bob", base+path)
		require.Equal(t, 404, resp.StatusCode, path)
		never := strings.ReplaceAll(path, "secret", "sacred")
		resp, bodyOfNever := as(t, "bob", base+never)
		require.Equal(t, 404, resp.StatusCode, path)
		require.Equal(t, bodyOfNever, strings.ReplaceAll(body, "secret", "sacred"))
		if !strings.Contains(path, "follow") {
			resp, _ = as(t, "alice", base+path)
			require.Equal(t, 200, resp.StatusCode, path)
		}
	}
	resp, body := as(t, "alice", base+"/board")
	require.Equal(t, 200, resp.StatusCode)
	require.True(t, json.Valid([]byte(body)))
	require.Contains(t, body, "host-secret")
}

func textOf(members map[string]string) string {
	var b strings.Builder
	for name, text := range members {
		b.WriteString(name + "\n" + text)
	}
	return b.String()
}

// Who follows all files follows those they may read, and no longer than they
// may.
func TestRightsOfFollowers(t *testing.T) {
	t.Parallel()
	base, dir, etc, h := serveGuarded(t)
	req, err := http.NewRequest("GET", base+"/search?follow=1", nil)
	require.NoError(t, err)
	req.SetBasicAuth("bob", "pass")
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(resp.Body); in.Scan(); {
			lines <- in.Text()
		}
	}()
	write := func(name, text string) {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND, 0)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString(time.Now().Format(time.RFC3339) + " h p: " + text + "\n")
		require.NoError(t, err)
	}
	write("secret.log", "secret line")
	write("worker.log", "worker line")
	select {
	case line := <-lines:
		require.Contains(t, line, "worker line")
	case <-time.After(4 * eventually):
		t.Fatal("the line does not come")
	}
	require.NoError(t, os.WriteFile(filepath.Join(etc, "rights"), []byte("alice: *\nbob: uwsgi.log\n"), 0o600))
	require.NoError(t, h.cfg.Guard.Reload())
	for deadline := time.After(4 * eventually); ; {
		select {
		case line, more := <-lines:
			require.NotContains(t, line, "secret")
			if !more {
				return
			}
		case <-deadline:
			t.Fatal("the follower goes on without the right")
		}
	}
}
