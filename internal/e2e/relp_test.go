package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rsyslogRELP is the configuration of an rsyslog that follows a file and sends it over
// RELP, with everything on disk that it needs to survive its own end.
func rsyslogRELP(dir, file, server, options string) string {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`global(workDirectory=%q)
module(load="imfile" mode="polling" pollingInterval="1")
module(load="omrelp")
input(type="imfile" File=%q Tag="relp:" Severity="debug" Facility="user" ruleset="relp" persistStateInterval="1" persistStateAfterSubmission="on")
ruleset(name="relp" queue.type="disk" queue.filename="relp" queue.syncQueueFiles="on" queue.checkpointInterval="1" queue.timeoutShutdown="10000") {
  action(type="omrelp" target=%q port=%q timeout="5" action.resumeRetryCount="-1" action.resumeInterval="1" template="RSYSLOG_SyslogProtocol23Format" %s)
}
`, dir, file, host, port, options)
}

func startRsyslog(t *testing.T, dir string) *process {
	t.Helper()
	rsyslog := peer(t, "rsyslog")
	args := []string{"-n", "-f", filepath.Join(dir, "rsyslog.conf"), "-i", filepath.Join(dir, "pid")}
	if rsyslog.Modules != "" {
		args = append(args, "-M", rsyslog.Modules)
	}
	return start(t, "rsyslog", rsyslog.Command(args...))
}

// rsyslog's omrelp delivers every line though dalogd is killed again and again, and
// rsyslog itself as well. What was acknowledged to nobody comes twice.
func TestFromRsyslogRELP(t *testing.T) {
	t.Parallel()
	peer(t, "rsyslog")
	dir := t.TempDir()
	file := filepath.Join(dir, "input.txt")
	addr := "127.0.0.1:" + freePort(t)
	d := startDalogd(t, "", "--syslog", "tcp:"+addr)
	restart := func() {
		d.kill()
		d = startDalogd(t, d.dir, "--syslog", "tcp:"+addr)
	}
	writeFile(t, filepath.Join(dir, "rsyslog.conf"), rsyslogRELP(dir, file, addr, `windowSize="64"`))
	sender := startRsyslog(t, dir)
	const what = "over relp: naïve"
	written := 0
	more := func(n int) {
		appendFile(t, file, text(numbered(what, written, n)))
		written += n
	}
	stored := d.path("relp.log")
	for range 6 {
		more(150)
		before := countLines(t, stored)
		waitFor(t, "some lines to arrive", func() bool { return countLines(t, stored) > before })
		restart()
	}
	waitAll(t, stored, what, written)
	for range 2 {
		more(150)
		before := countLines(t, stored)
		waitFor(t, "some lines to arrive", func() bool { return countLines(t, stored) > before })
		sender.kill()
		sender = startRsyslog(t, dir)
		waitAll(t, stored, what, written)
	}
	more(50)
	waitAll(t, stored, what, written)
	sender.stop()
	d.stop()
	requireAll(t, stored, what, written)
	t.Logf("%d lines, dalogd killed 6 times, rsyslog 2 times: lost 0, stored twice %d", written, countLines(t, stored)-written)
}

// waitAll waits until each number from 0 to n-1 is in the file.
func waitAll(t *testing.T, path, what string, n int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("all %d lines to be in %s", n, path), func() bool {
		seen := map[string]bool{}
		for line := range strings.Lines(readFile(t, path)) {
			// The last one may be on its way.
			if _, number, found := strings.Cut(line, what+" seq="); found && strings.HasSuffix(line, "\n") {
				seen[number] = true
			}
		}
		return len(seen) >= n
	})
}

// The same within TLS, told from plain RELP on the same port.
func TestFromRsyslogRELPWithTLS(t *testing.T) {
	t.Parallel()
	peer(t, "rsyslog")
	dir := t.TempDir()
	makeCertificates(t, dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	since := time.Now()
	d := startDalogd(t, "", "--tls-cert", at("cert.pem"), "--tls-key", at("key.pem"))
	file := at("input.txt")
	options := fmt.Sprintf(`tls="on" tls.authMode="certvalid" tls.caCert=%q tls.myCert=%q tls.myPrivKey=%q`, at("ca.pem"), at("cert.pem"), at("key.pem"))
	writeFile(t, at("rsyslog.conf"), rsyslogRELP(dir, file, d.tcp, options))
	appendFile(t, file, text(numbered("secret", 0, 300)))
	startRsyslog(t, dir)
	_, host := hostname(t)
	var want []string
	for _, line := range numbered("secret", 0, 300) {
		want = append(want, host+" relp: "+line)
	}
	requireStored(t, d.path("relp.log"), since, want)
	metrics := string(d.get("/metrics"))
	require.Contains(t, metrics, `dalogd_messages_total{protocol="relp"} 300`)
	require.Contains(t, metrics, "dalogd_tls_handshakes_total 1")
}

// makeCertificates makes, below dir, ca.pem with ca.key, and cert.pem with key.pem for
// 127.0.0.1.
func makeCertificates(t *testing.T, dir string) {
	t.Helper()
	openssl := peer(t, "openssl")
	writeFile(t, filepath.Join(dir, "names"), "subjectAltName=IP:127.0.0.1,DNS:web1.test\n")
	for _, args := range [][]string{
		{"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=dalog-ca", "-keyout", "ca.key", "-out", "ca.pem"},
		{"req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "key.pem", "-out", "request.pem"},
		{"x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "cert.pem"},
	} {
		cmd := exec.Command(openssl.Path, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}
