package access

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

func networks(cidrs ...string) (all []netip.Prefix) {
	for _, c := range cidrs {
		all = append(all, netip.MustParsePrefix(c))
	}
	return all
}

func hashOf(t testing.TB, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	return string(hash)
}

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// put writes a file as its owner would: anew, beside the old one, renamed.
func put(t testing.TB, dir, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path+".new", []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
	return path
}

// A house is a guard with files of its own:
// 10.0.0.0/8 is open, 192.0.2.0/24 may log in, 172.16.0.1 is a proxy.
type house struct {
	*Guard
	t   testing.TB
	dir string
}

func newHouse(t testing.TB, change func(*Config)) *house {
	t.Helper()
	dir := t.TempDir()
	cfg := Config{
		Open: networks("10.0.0.0/8"), Login: networks("192.0.2.0/24", "172.20.0.0/16"), Private: networks("10.0.0.0/8", "172.16.0.0/12"),
		Proxies: networks("172.16.0.1/32", "172.16.0.2/32"), Names: []string{"logs.example.org", "*.example.net"},
		Files: Files{
			Users:  put(t, dir, "users", "# people", "", "alice:"+hashOf(t, "wonderland"), "bob:"+hashOf(t, "builder")+":a comment"),
			Tokens: put(t, dir, "tokens", "robot:"+tokenHash("dalog_robot"), "robot:"+tokenHash("dalog_second")),
			Rights: put(t, dir, "rights", "alice: *", "bob: worker.log, nginx*", "robot: docassemble.log"),
		},
	}
	if change != nil {
		change(&cfg)
	}
	g, err := New(cfg)
	require.NoError(t, err)
	return &house{g, t, dir}
}

func noLogins(c *Config) { c.Files = Files{} }

// request makes a GET request from an address, with header lines.
func request(from string, header ...string) *http.Request {
	r := httptest.NewRequest("GET", "http://10.0.0.5:8080/worker.log", nil)
	r.RemoteAddr = from
	if !strings.Contains(from, ":") {
		r.RemoteAddr = from + ":40000"
	}
	for i := 0; i < len(header); i += 2 {
		switch header[i] {
		case "Host":
			r.Host = header[i+1]
		case "user":
			name, password, _ := strings.Cut(header[i+1], ":")
			r.SetBasicAuth(name, password)
		case "tls":
			r.TLS = &tls.ConnectionState{}
		default:
			r.Header.Add(header[i], header[i+1])
		}
	}
	return r
}

// ask gives the status of the answer, and the name of the reader where the
// request was handed on.
func (h *house) ask(r *http.Request) (status int, name string, answer *httptest.ResponseRecorder) {
	h.t.Helper()
	answer = httptest.NewRecorder()
	handed := false
	h.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handed = true
		name = ReaderOf(r.Context()).Name
	})).ServeHTTP(answer, r)
	if !handed {
		require.NotEmpty(h.t, strings.TrimSpace(answer.Body.String()))
		require.Equal(h.t, 1, strings.Count(answer.Body.String(), "\n"))
		require.NotEqual(h.t, 200, answer.Code)
	}
	return answer.Code, name, answer
}

func TestWhoGetsIn(t *testing.T) {
	t.Parallel()
	firefox := []string{"User-Agent", "Mozilla/5.0 (X11) Firefox/140.0", "Accept-Language", "en-US"}
	for _, c := range []struct {
		name   string
		change func(*Config)
		from   string
		header []string
		status int
		reader string
	}{
		{"open network", nil, "10.1.2.3", nil, 200, ""},
		{"open network, mapped", nil, "[::ffff:10.1.2.3]:555", nil, 200, ""},
		{"local socket", nil, "@:", nil, 200, ""},
		{"network with logins", nil, "192.0.2.7", []string{"tls", ""}, 401, ""},
		{"network with logins, without HTTPS", nil, "192.0.2.7", nil, 403, ""},
		{"other network", nil, "203.0.113.7", []string{"tls", ""}, 403, ""},
		{"password from another network", nil, "203.0.113.7", []string{"user", "alice:wonderland", "tls", ""}, 403, ""},
		{"password from another network, by a proxy", nil, "172.16.0.1", []string{"user", "alice:wonderland", "X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https"}, 403, ""},
		{"password from a network with logins, by a proxy", nil, "172.16.0.1", []string{"user", "alice:wonderland", "X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https"}, 200, "alice"},
		{"other network, no logins", noLogins, "203.0.113.7", nil, 403, ""},
		{"private network that is not open", nil, "172.20.0.9", nil, 401, ""},

		{"password", nil, "192.0.2.7", []string{"user", "alice:wonderland", "tls", ""}, 200, "alice"},
		{"password from an open network", nil, "10.0.0.1", []string{"user", "alice:wonderland"}, 200, "alice"},
		{"wrong password from an open network", nil, "10.0.0.1", []string{"user", "alice:looking-glass"}, 401, ""},
		{"wrong password", nil, "192.0.2.7", []string{"user", "alice:builder", "tls", ""}, 401, ""},
		{"no such user", nil, "192.0.2.7", []string{"user", "eve:wonderland", "tls", ""}, 401, ""},
		{"no name", nil, "192.0.2.7", []string{"user", ":", "tls", ""}, 401, ""},
		{"nobody logs in as anonymous", nil, "192.0.2.7", []string{"user", "anonymous:", "tls", ""}, 401, ""},
		{"token", nil, "192.0.2.7", []string{"Authorization", "Bearer dalog_robot", "tls", ""}, 200, "robot"},
		{"second token", nil, "192.0.2.7", []string{"Authorization", "bearer  dalog_second", "tls", ""}, 200, "robot"},
		{"the hash is no token", nil, "192.0.2.7", []string{"Authorization", "Bearer " + tokenHash("dalog_robot"), "tls", ""}, 401, ""},
		{"unknown token", nil, "192.0.2.7", []string{"Authorization", "Bearer x", "tls", ""}, 401, ""},
		{"empty token", nil, "10.0.0.1", []string{"Authorization", "Bearer "}, 401, ""},
		{"other scheme", nil, "10.0.0.1", []string{"Authorization", "Digest x"}, 401, ""},
		{"nonsense", nil, "10.0.0.1", []string{"Authorization", "Basic %%%"}, 401, ""},
		{"two logins", nil, "10.0.0.1", []string{"Authorization", "Bearer dalog_robot", "Authorization", "Bearer x"}, 401, ""},
		{"a login that nobody asked for", noLogins, "10.0.0.1", []string{"user", "alice:wonderland"}, 200, ""},
		{"a login does not open what has none", noLogins, "203.0.113.7", []string{"user", "alice:wonderland"}, 403, ""},

		{"proxy tells an open client", nil, "172.16.0.1", []string{"X-Forwarded-For", "10.0.0.9"}, 200, ""},
		{"proxy tells another client", noLogins, "172.16.0.1", []string{"X-Forwarded-For", "203.0.113.7"}, 403, ""},
		{"the client lies to the proxy", noLogins, "172.16.0.1", []string{"X-Forwarded-For", "10.0.0.9, 203.0.113.7"}, 403, ""},
		{"in another line", noLogins, "172.16.0.1", []string{"X-Forwarded-For", "10.0.0.9", "X-Forwarded-For", "203.0.113.7"}, 403, ""},
		{"two proxies", nil, "172.16.0.1", []string{"X-Forwarded-For", "203.0.113.7, 10.0.0.9, 172.16.0.2"}, 200, ""},
		{"proxy tells nothing", noLogins, "172.16.0.1", nil, 403, ""},
		{"proxy tells nonsense", noLogins, "172.16.0.1", []string{"X-Forwarded-For", "unknown"}, 403, ""},
		{"proxy tells an empty list", noLogins, "172.16.0.1", []string{"X-Forwarded-For", "10.0.0.9,"}, 403, ""},
		{"Forwarded", nil, "172.16.0.1", []string{"Forwarded", `for="10.0.0.9:4711";proto=http;by=172.16.0.1`}, 200, ""},
		{"Forwarded, IPv6", noLogins, "172.16.0.1", []string{"Forwarded", `For="[2001:db8::17]:4711"`}, 403, ""},
		{"Forwarded, hidden", noLogins, "172.16.0.1", []string{"Forwarded", `for=_secret`}, 403, ""},
		{"Forwarded by the client, beside the proxy's", nil, "172.16.0.1", []string{"X-Forwarded-For", "203.0.113.7", "Forwarded", "for=10.0.0.9"}, 400, ""},
		{"both alike", nil, "172.16.0.1", []string{"X-Forwarded-For", "10.0.0.9", "Forwarded", "for=10.0.0.9"}, 200, ""},
		{"HTTPS at the proxy", nil, "172.16.0.1", []string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https"}, 401, ""},
		{"HTTPS at the proxy, Forwarded", nil, "172.16.0.1", []string{"Forwarded", "for=192.0.2.7;proto=https"}, 401, ""},
		{"HTTP at the proxy", nil, "172.16.0.1", []string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "http"}, 403, ""},
		{"HTTPS says the client", nil, "192.0.2.7", []string{"X-Forwarded-Proto", "https"}, 403, ""},
		{"a stranger tells an open client", noLogins, "203.0.113.7", []string{"X-Forwarded-For", "10.0.0.9"}, 403, ""},
		{"an unlisted proxy in an open network", noLogins, "10.0.0.80", []string{"X-Forwarded-For", "203.0.113.7"}, 403, ""},
		{"an unlisted proxy, client before others", noLogins, "10.0.0.80", []string{"X-Forwarded-For", "203.0.113.7, 10.0.0.9"}, 403, ""},
		{"an unlisted proxy, Forwarded", noLogins, "10.0.0.80", []string{"Forwarded", "for=203.0.113.7"}, 403, ""},
		{"an unlisted proxy for an open client", noLogins, "10.0.0.80", []string{"X-Forwarded-For", "10.0.0.9"}, 200, ""},
		{"user told by the proxy", func(c *Config) { c.ProxyUsers = true }, "172.16.0.1", []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-User", "bob"}, 200, "bob"},
		{"that is not believed unasked", noLogins, "172.16.0.1", []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-User", "bob"}, 403, ""},
		{"nor of others", func(c *Config) { noLogins(c); c.ProxyUsers = true }, "203.0.113.7", []string{"X-Forwarded-User", "bob"}, 403, ""},
		{"nor twice", func(c *Config) { noLogins(c); c.ProxyUsers = true }, "172.16.0.1", []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-User", "bob", "X-Forwarded-User", "alice"}, 403, ""},

		{"docassemble by any name", nil, "10.0.0.1", []string{"User-Agent", "Python-urllib/3.12", "Host", "anything.example.com:8082"}, 200, ""},
		{"curl by any name", nil, "10.0.0.1", []string{"User-Agent", "curl/8.5.0", "Accept", "*/*", "Host", "anything.example.com"}, 200, ""},
		{"HTTP/1.0 without a name", nil, "10.0.0.1", []string{"Host", ""}, 200, ""},
		{"browser by address", nil, "10.0.0.1", firefox, 200, ""},
		{"browser by IPv6 address", nil, "10.0.0.1", append([]string{"Host", "[fd00::1]:8080"}, firefox...), 200, ""},
		{"browser by local name", nil, "10.0.0.1", append([]string{"Host", "logserver:8080"}, firefox...), 200, ""},
		{"browser by private domain", nil, "10.0.0.1", append([]string{"Host", "ip-10-0-0-5.ec2.internal:8080"}, firefox...), 200, ""},
		{"browser by service name", nil, "10.0.0.1", append([]string{"Host", "backend.default.svc:8082"}, firefox...), 200, ""},
		{"browser by known name", nil, "10.0.0.1", append([]string{"Host", "LOGS.example.org."}, firefox...), 200, ""},
		{"browser by known domain", nil, "10.0.0.1", append([]string{"Host", "a.b.example.net"}, firefox...), 200, ""},
		{"rebound name", nil, "10.0.0.1", append([]string{"Host", "evil.example:8080"}, firefox...), 421, ""},
		{"rebound name that looks like an address", nil, "10.0.0.1", append([]string{"Host", "10.0.0.5.evil.example"}, firefox...), 421, ""},
		{"rebound name that looks like a known one", nil, "10.0.0.1", append([]string{"Host", "logs.example.org.evil.example"}, firefox...), 421, ""},
		{"rebound name behind a known domain", nil, "10.0.0.1", append([]string{"Host", "evilexample.net"}, firefox...), 421, ""},
		{"rebound, another program's name", nil, "10.0.0.1", []string{"User-Agent", "curl/8", "Accept-Language", "", "Host", "evil.example"}, 421, ""},
		{"rebound, HTTPS has a certificate", nil, "10.0.0.1", append([]string{"Host", "evil.example", "tls", ""}, firefox...), 200, ""},
		{"rebound, with a login of its own", nil, "10.0.0.1", append([]string{"Host", "evil.example", "user", "alice:wonderland"}, firefox...), 200, "alice"},
		{"own page", nil, "10.0.0.1", append([]string{"Origin", "http://10.0.0.5:8080"}, firefox...), 200, ""},
		{"page of another site", nil, "10.0.0.1", append([]string{"Origin", "http://evil.example"}, firefox...), 403, ""},
		{"page of no site", nil, "10.0.0.1", append([]string{"Origin", "null"}, firefox...), 403, ""},
		{"image in another site", nil, "10.0.0.1", append([]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, firefox...), 403, ""},
		{"frame in another site", nil, "10.0.0.1", append([]string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, firefox...), 403, ""},
		{"link in another site", nil, "10.0.0.1", append([]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, firefox...), 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			status, reader, answer := newHouse(t, c.change).ask(request(c.from, c.header...))
			require.Equal(t, c.status, status, answer.Body.String())
			require.Equal(t, c.reader, reader)
			if status == 401 {
				require.Equal(t, []string{`Basic realm="dalog", charset="UTF-8"`, `Bearer realm="dalog"`}, answer.Result().Header["Www-Authenticate"])
			} else {
				require.Empty(t, answer.Result().Header["Www-Authenticate"])
			}
		})
	}
}

func TestMayConnect(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for addr, want := range map[string]bool{"10.9.9.9": true, "192.0.2.1": true, "172.16.0.1": true, "::ffff:10.0.0.1": true, "203.0.113.7": false, "2001:db8::1": false} {
		require.Equal(t, want, h.MayConnect(netip.MustParseAddr(addr)), addr)
	}
}

func TestRights(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, c := range []struct {
		name, file string
		want       bool
	}{
		{"alice", "anything.log", true},
		{"bob", "worker.log", true},
		{"bob", "worker.log.1", true},
		{"bob", "worker.log.17", true},
		{"bob", "worker.log.2.gz", true},
		{"bob", "worker.logs", false},
		{"bob", "worker.log.d", false},
		{"bob", "worker.log.1.2", false},
		{"bob", "single_worker.log", false},
		{"bob", "nginx_access.log", true},
		{"bob", "xnginx.log", false},
		{"bob", "docassemble.log", false},
		{"robot", "docassemble.log", true},
		{"robot", "worker.log", false},
		{"carol", "worker.log", false}, // has no line, and there is no line *
		{"", "worker.log", true},       // no login, and no line anonymous
	} {
		require.Equal(t, c.want, h.tables.Load().reader(c.name).May(c.file), "%s %s", c.name, c.file)
	}
	require.True(t, h.tables.Load().reader("alice").MayAll())
	require.False(t, h.tables.Load().reader("bob").MayAll())

	put(t, h.dir, "rights", "*: uwsgi.log", "anonymous: docassemble.log", "alice:")
	require.NoError(t, h.Reload())
	require.True(t, h.tables.Load().reader("carol").May("uwsgi.log"))
	require.False(t, h.tables.Load().reader("alice").May("uwsgi.log"), "a line without patterns is no right")
	require.True(t, h.tables.Load().reader("").May("docassemble.log"))
	require.False(t, h.tables.Load().reader("").May("uwsgi.log"))
	require.False(t, new(Reader).May("worker.log"))
}

func TestFilesThatAreWrong(t *testing.T) {
	t.Parallel()
	good := hashOf(t, "x")
	for _, c := range []struct {
		file string
		text string
		want string
	}{
		{"users", "alice", "line 1: there is no NAME:"},
		{"users", "# a\n\n:" + good, "line 3: there is no NAME:"},
		{"users", "alice:secret", `line 1: user "alice" has no bcrypt hash; make a line with: dalogd password alice`},
		{"users", "alice:$apr1$x$y", "no bcrypt hash"},
		{"users", "alice:" + good[:40], "no bcrypt hash"},
		{"users", "alice:$2y$31$" + good[7:], "hash of cost 31"},
		{"users", "alice:" + good + "\nalice:" + good, `line 2: user "alice" is there twice`},
		{"users", "anonymous:" + good, "cannot be the name of a user"},
		{"tokens", "robot:x", "no SHA-256 hash"},
		{"tokens", "robot:" + tokenHash("a") + "\nother:" + tokenHash("a"), `the token is that of "robot" already`},
		{"rights", "bob: [", "no pattern of file names"},
		{"rights", "bob: ../x", "no pattern of file names"},
		{"rights", "bob: a\nbob: b", "is there twice"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			put(t, h.dir, c.file, c.text)
			err := h.Reload()
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, filepath.Join(h.dir, c.file))
			require.NotContains(t, err.Error(), "\n")
			// What was in force stays so.
			status, name, _ := h.ask(request("10.0.0.1", "user", "alice:wonderland"))
			require.Equal(t, 200, status)
			require.Equal(t, "alice", name)
		})
	}
	_, err := New(Config{Files: Files{Users: "/nowhere/users"}})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = New(Config{Files: Files{Users: t.TempDir()}})
	require.ErrorContains(t, err, "no regular file")
}

// A change of the files counts within seconds, for those who read meanwhile as
// well; a file that vanished or is wrong changes nothing.
func TestChangedFiles(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	go h.Run(t.Context())
	eventually := func(what string, f func() bool) {
		t.Helper()
		require.Eventually(t, f, 20*time.Second, 10*time.Millisecond, what)
	}
	follow := func(header ...string) context.Context {
		ctx := make(chan context.Context)
		go h.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx <- r.Context()
			<-r.Context().Done()
		})).ServeHTTP(httptest.NewRecorder(), request("10.0.0.1", header...).WithContext(t.Context()))
		select {
		case c := <-ctx:
			return c
		case <-time.After(20 * time.Second):
			t.Fatal("not let in")
			return nil
		}
	}
	alice, bob, robot := follow("user", "alice:wonderland"), follow("user", "bob:builder"), follow("Authorization", "Bearer dalog_robot")
	nobody := follow()

	require.NoError(t, os.Remove(filepath.Join(h.dir, "tokens")))
	time.Sleep(10 * time.Millisecond)
	put(t, h.dir, "users", "alice:"+hashOf(t, "jabberwocky"), "bob:"+hashOf(t, "builder"))
	h.reloadChanged()
	require.NoError(t, alice.Err(), "a file is missing: nothing changes")

	put(t, h.dir, "tokens", "robot:"+tokenHash("dalog_robot"))
	eventually("the old password ends", func() bool { s, _, _ := h.ask(request("10.0.0.1", "user", "alice:wonderland")); return s != 200 })
	require.ErrorIs(t, context.Cause(alice), errRevoked)
	status, _, _ := h.ask(request("10.0.0.2", "user", "alice:jabberwocky"))
	require.Equal(t, 200, status)
	require.ErrorIs(t, context.Cause(bob), errRevoked, "the hash is another one")
	require.NoError(t, robot.Err(), "its line is the same")

	put(t, h.dir, "rights", "robot: worker.log")
	eventually("the right ends", func() bool { return robot.Err() != nil })
	require.NoError(t, nobody.Err())
	eventually("who was cut off is forgotten", func() bool {
		h.sessions.mu.Lock()
		defer h.sessions.mu.Unlock()
		return len(h.sessions.open) == 0
	})
}

// Checking passwords costs no more than its share: few at a time, the same
// ones once, and not many for one address that guesses.
func TestGuessing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for i := range freeFailures {
		status, _, _ := h.ask(request("10.0.0.1", "user", fmt.Sprintf("alice:guess%d", i)))
		require.Equal(t, 401, status)
	}
	status, _, answer := h.ask(request("10.0.0.1", "user", "alice:guess"))
	require.Equal(t, 429, status)
	require.NotEmpty(t, answer.Header().Get("Retry-After"))
	require.LessOrEqual(t, h.failures.wait(netip.MustParseAddr("10.0.0.1"), time.Now()), failureEvery)
	status, _, _ = h.ask(request("10.0.0.1", "user", "alice:wonderland"))
	require.Equal(t, 429, status, "the right one is no exception, or guessing would go on")
	status, _, _ = h.ask(request("10.0.0.2", "user", "alice:wonderland"))
	require.Equal(t, 200, status, "others are not slowed down")
	h.failures.debts[netip.MustParseAddr("10.0.0.2")] = time.Now().Add(time.Hour)
	status, _, _ = h.ask(request("10.0.0.2", "user", "alice:wonderland"))
	require.Equal(t, 200, status, "what was right lately is not checked anew")
	status, _, _ = h.ask(request("10.0.0.1", "Authorization", "Bearer dalog_robot"))
	require.Equal(t, 200, status, "tokens cannot be guessed")
}

func TestFailuresAreForgotten(t *testing.T) {
	t.Parallel()
	var f failures
	now := time.Now()
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff")
	for range freeFailures {
		require.Zero(t, f.wait(a, now))
		require.True(t, f.add(a, now))
	}
	require.Equal(t, failureEvery, f.wait(b, now), "one household")
	require.Zero(t, f.wait(a, now.Add(failureEvery)))
	for range 100_000 {
		require.False(t, f.add(a, now))
	}
	require.Less(t, f.wait(a, now), maxDebt, "no address is shut out for long")
	for i := range maxFailing + 10 {
		f.add(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	require.LessOrEqual(t, len(f.debts), maxFailing)
}

func TestChecksAreBounded(t *testing.T) {
	t.Parallel()
	l := newLogins()
	for range cap(l.slots) {
		l.slots <- struct{}{} // checks that take their time
	}
	hash := []byte(hashOf(t, "x"))
	results := make(chan error, maxWaiting+1)
	for i := range maxWaiting + 1 {
		go func() { results <- l.check(context.Background(), fmt.Sprint(i), "x", hash) }()
	}
	require.ErrorIs(t, <-results, errBusy)
	for range cap(l.slots) {
		<-l.slots
	}
	for range maxWaiting {
		require.NoError(t, <-results)
	}
	require.True(t, l.known("1", "x", hash) || l.known("2", "x", hash))
	require.False(t, l.known("1", "y", hash))
	for i := range 2 * maxRemembered {
		l.remember(l.digest(fmt.Sprint(i), "", nil))
	}
	require.LessOrEqual(t, len(l.right), maxRemembered)
}
