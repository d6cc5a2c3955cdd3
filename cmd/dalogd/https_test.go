package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
)

// printed runs dalogd with a command that ends by itself.
func printed(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), daemonEnv+"=1")
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		require.NoError(t, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// reader asks a dalogd over HTTPS, from an address of this machine.
type reader struct {
	t     *testing.T
	d     *daemon
	from  net.IP
	roots *x509.CertPool
}

func (r reader) get(path string, prepare func(*http.Request)) (*http.Response, string) {
	r.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: r.from}}
	transport := &http.Transport{DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: r.roots, ServerName: "log.test"}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequest("GET", "https://"+r.d.addr["https"]+path, nil)
	require.NoError(r.t, err)
	if prepare != nil {
		prepare(req)
	}
	resp, err := transport.RoundTrip(req)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	return resp, string(body)
}

// freshCertificate gives the text of a certificate and its key, and the roots
// that trust it.
func freshCertificate(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	var texts []string
	certFile, keyFile := selfSigned(t)
	for _, name := range []string{certFile, keyFile} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		texts = append(texts, string(text))
	}
	roots = x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(texts[0])))
	return texts[0], texts[1], roots
}

// HTTPS with HTTP/2, logins made by dalogd's own commands, rights, and both
// certificate and users replaced while it runs.
func TestHTTPSAndLogins(t *testing.T) {
	t.Parallel()
	etc := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(etc, name)
		require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
		return path
	}
	cert, key, pool := freshCertificate(t)
	line, _, code := printed(t, "correct horse\n", "password", "alice")
	require.Zero(t, code)
	require.Regexp(t, `^alice:\$2a\$10\$.{53}\n$`, line)
	tokenLine, shown, code := printed(t, "", "token", "robot")
	require.Zero(t, code)
	token := regexp.MustCompile(`dalog_\w+`).FindString(shown)
	require.NotContains(t, tokenLine, token)

	d := startDaemon(t, "--allow", "127.0.0.1", "--open-to", "127.0.0.1", "--login-from", "127.0.0.2", "--https", "127.0.0.1:0",
		"--tls-cert", put("cert.pem", cert), "--tls-key", put("key.pem", key),
		"--users", put("users", line), "--tokens", put("tokens", tokenLine), "--rights", put("rights", "alice: *\nrobot: uwsgi.log\n"))
	local := reader{t, d, net.IPv4(127, 0, 0, 1), pool}
	remote := reader{t, d, net.IPv4(127, 0, 0, 2), pool}
	password := func(p string) func(*http.Request) { return func(r *http.Request) { r.SetBasicAuth("alice", p) } }

	resp, body := local.get("/", nil)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, 2, resp.ProtoMajor)
	require.Contains(t, body, "docassemble.log\n")
	require.Empty(t, resp.Header.Get("Strict-Transport-Security"), "it would close the plain ports to browsers")
	resp, body = remote.get("/", nil)
	require.Equal(t, 401, resp.StatusCode)
	require.Equal(t, "log in to read here\n", body)
	resp, _ = remote.get("/", password("wrong"))
	require.Equal(t, 401, resp.StatusCode)
	resp, _ = remote.get("/docassemble.log", password("correct horse"))
	require.Equal(t, 200, resp.StatusCode)
	bearer := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	resp, body = remote.get("/", bearer)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "uwsgi.log\n", body)
	resp, _ = remote.get("/docassemble.log", bearer)
	require.Equal(t, 404, resp.StatusCode)
	resp, _ = remote.get("/healthz", nil)
	require.Equal(t, 200, resp.StatusCode)

	// A connection from elsewhere is closed before TLS, and counted.
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}).Dial("tcp", d.addr["https"])
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.False(t, os.IsTimeout(err))

	// Both files of the certificate, and the user's password.
	cert, key, pool = freshCertificate(t)
	put("key.pem", key)
	put("cert.pem", cert)
	line, _, _ = printed(t, "battery staple\n", "password", "alice")
	put("users", line)
	d.signal(syscall.SIGHUP)
	remote.roots = pool
	eventually(t, func() bool {
		_, err := tls.Dial("tcp", d.addr["https"], &tls.Config{RootCAs: pool, ServerName: "log.test"})
		return err == nil
	}, "the new certificate is shown")
	eventually(t, func() bool {
		resp, _ := remote.get("/", password("battery staple"))
		return resp.StatusCode == 200
	}, "the new password counts")
	resp, _ = remote.get("/", password("correct horse"))
	require.Equal(t, 401, resp.StatusCode)

	// A file that is wrong changes nothing, and is said.
	put("users", "alice:secret\n")
	eventually(t, func() bool { return strings.Contains(d.err.String(), "no bcrypt hash") }, "the mistake is told")
	resp, _ = remote.get("/", password("battery staple"))
	require.Equal(t, 200, resp.StatusCode)
	require.NotContains(t, d.err.String(), "secret")
	d.signal(syscall.SIGTERM)
	d.wantExit(cli.ExitOK)
}

func TestPasswordAndTokenRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"short\n", []string{"password", "alice"}, "the password has 5 bytes; take 8 to 72"},
		{"", []string{"password", "alice"}, "cannot read the password"},
		{strings.Repeat("x", 73), []string{"password", "alice"}, "take 8 to 72"},
		{"correct horse\n", []string{"password", "a:b"}, "cannot be a name"},
		{"correct horse\n", []string{"password", "anonymous"}, "cannot be a name"},
		{"", []string{"token", "*"}, "cannot be a name"},
	} {
		out, errs, code := printed(t, c.stdin, c.args...)
		require.Equal(t, cli.ExitUsage, code)
		require.Empty(t, out)
		require.Contains(t, errs, c.want)
	}
}

// 10,000 clients that say half a request, or nothing, or take an answer slowly, or
// as many as the descriptors allow, keep neither readers nor senders out.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("opens many connections")
	}
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	clients := min(10_000, int(limit.Cur)/2)
	d := startDaemon(t, "--http-max", fmt.Sprint(clients/4))
	conns := make([]net.Conn, 0, clients)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	get := func(host byte) (int, time.Duration) {
		begin := time.Now()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, host)}}
		client := http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}, Timeout: 20 * time.Second}
		resp, err := client.Get("http://" + d.addr["http"] + "/docassemble.log")
		require.NoError(t, err)
		resp.Body.Close()
		return resp.StatusCode, time.Since(begin)
	}
	slowest := time.Duration(0)
	for i := range clients {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, byte(i%40+1))}, Timeout: 20 * time.Second}
		c, err := dialer.Dial("tcp", d.addr["http"])
		require.NoError(t, err)
		conns = append(conns, c)
		// An error says that room was made of it already.
		_, _ = io.WriteString(c, []string{"", "GET /docassemble.log HTTP/1.1\r\nHost: x\r\nX-", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "G"}[i%4])
		if i%1000 == 999 {
			status, took := get(byte(i / 1000))
			require.Equal(t, 200, status)
			slowest = max(slowest, took)
		}
	}
	status, took := get(200)
	require.Equal(t, 200, status)
	slowest = max(slowest, took)
	c := dial(t, "tcp", d.addr["tcp"])
	_, err := io.WriteString(c, "<13>newcomer: hello\n")
	require.NoError(t, err)
	eventually(t, func() bool { return len(d.lines("newcomer.log")) == 1 }, "a new file is written meanwhile")
	memory := d.peakMemory()
	open, closed := d.metric("dalogd_http_connections_open"), d.metric("dalogd_http_connections_closed_total")
	t.Logf("%d slow clients, %v open, %v closed for others; slowest answer %v, %d MiB resident at most", clients, open, closed, slowest, memory>>20)
	require.LessOrEqual(t, open, float64(clients/4))
	require.GreaterOrEqual(t, closed, float64(clients/2))
	if !underRace {
		require.Less(t, memory, int64(100<<20))
	}
	d.signal(syscall.SIGTERM)
	d.wantExit(cli.ExitOK)
}
