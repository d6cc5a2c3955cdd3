package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dalogfwd delivers to a real rsyslog over RELP, plain and within TLS, though either
// side is killed: each line at least once. Long lines come in pieces, because
// rsyslog acknowledges messages over 8 KiB and drops their end.
func TestToRsyslogRELP(t *testing.T) {
	t.Parallel()
	peer(t, "rsyslog")
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			port := freePort(t)
			options, args := "", []string{"--file", at("app.log") + "=app"}
			if secure {
				makeCertificates(t, dir)
				options = fmt.Sprintf(`tls="on" tls.authMode="certvalid" tls.caCert=%q tls.myCert=%q tls.myPrivKey=%q`, at("ca.pem"), at("cert.pem"), at("key.pem"))
				args = append(args, "--tls-ca", at("ca.pem"), "--tls-cert", at("cert.pem"), "--tls-key", at("key.pem"))
			}
			// What is acknowledged is in the file: there is no queue between.
			writeFile(t, at("rsyslog.conf"), fmt.Sprintf(`global(workDirectory=%q)
main_queue(queue.type="Direct")
module(load="imrelp")
input(type="imrelp" port=%q address="127.0.0.1" %s)
template(name="text" type="string" string="%%msg:::drop-last-lf%%\n")
action(type="omfile" file=%q template="text")
`, dir, port, options, at("out")))
			server := startRsyslog(t, dir)
			fwd := startDalogfwd(t, "127.0.0.1:"+port, at("state"), args...)
			written := 0
			more := func(n int) {
				appendFile(t, at("app.log"), text(numbered("line", written, n)))
				written += n
			}
			for range 3 {
				more(300)
				waitSeen(t, at("out"), written)
				more(300)
				server.kill()
				server = startRsyslog(t, dir)
				waitSeen(t, at("out"), written)
				more(300)
				fwd.kill()
				fwd = startDalogfwd(t, "127.0.0.1:"+port, at("state"), args...)
			}
			long := strings.Repeat("0123456789", 3000)
			appendFile(t, at("app.log"), long+"\n")
			more(1)
			waitSeen(t, at("out"), written)
			var whole strings.Builder
			for _, line := range strings.Split(readFile(t, at("out")), "\n") {
				if strings.Contains(line, "0123456789") {
					require.Less(t, len(line), 8192)
					line = strings.TrimPrefix(strings.TrimPrefix(line, " "), "[line continued] ")
					whole.WriteString(strings.TrimSuffix(line, " [line continues]"))
				}
			}
			require.True(t, strings.HasPrefix(whole.String(), long), "%d of %d bytes", whole.Len(), len(long))
			fwd.stop()
			t.Logf("lines %d, both sides killed 3 times: lost 0, stored twice %d", written, strings.Count(readFile(t, at("out")), "line seq=")-written)
		})
	}
}

var lineNumber = regexp.MustCompile(`line seq=(\d{7})\n`)

// waitSeen waits until each number from 0 to n-1 is in a file, which may end
// within a line.
func waitSeen(t *testing.T, path string, n int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("all %d lines to be in %s", n, path), func() bool {
		seen := map[string]bool{}
		for _, found := range lineNumber.FindAllString(readFile(t, path), -1) {
			seen[found] = true
		}
		return len(seen) == n
	})
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return string(b)
}

// dalogfwd to dalogd within TLS: each side wants to know the other, and says what is
// wrong if it does not.
func TestForwardWithTLS(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	makeCertificates(t, dir)
	makeCertificates(t, other)
	at := func(name string) string { return filepath.Join(dir, name) }
	d := startDalogd(t, "", "--tls-cert", at("cert.pem"), "--tls-key", at("key.pem"), "--tls-client-ca", at("ca.pem"))
	appendFile(t, at("app.log"), text(numbered("secret", 0, 100)))
	start := func(args ...string) *process {
		return startDalogfwd(t, d.tcp, at("state"), append([]string{"--file", at("app.log") + "=app"}, args...)...)
	}
	for _, c := range []struct{ args, says string }{
		{"--tls", "name its CA with --tls-ca"},
		{"--tls-ca " + filepath.Join(other, "ca.pem"), "name its CA with --tls-ca"},
		{"--tls-ca " + at("ca.pem") + " --tls-name logs.test", "say which name it has with --tls-name"},
	} {
		fwd := start(strings.Fields(c.args)...)
		fwd.waitOutput(c.says)
		fwd.stop()
	}
	fwd := start("--tls-ca", at("ca.pem")) // without a certificate of its own
	fwd.waitOutput("nothing can be delivered")
	fwd.stop()
	require.Zero(t, countLines(t, d.path("app.log")))

	fwd = start("--tls-ca", at("ca.pem"), "--tls-cert", at("cert.pem"), "--tls-key", at("key.pem"), "--tls-name", "web1.test")
	waitLines(t, d.path("app.log"), 100)
	requireNumbered(t, d.path("app.log"), "secret", 100)
	// It belongs to the name in the certificate.
	out, err := exec.Command(dalogdPath, "sources", "--log-dir", d.dir, "-o", "json").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), `"peer": "web1.test"`)
	require.Contains(t, string(out), fmt.Sprintf(`"path": %q`, at("app.log")))
	require.Contains(t, string(out), `"connected": true`)
	fwd.stop()
}

// What is stored does not depend on the protocol, but for the fraction of the
// second, which syslog-ng's form of RFC 5424 does not have, and for lines that do
// not fit into one message of it.
func TestStoredLinesAreTheSame(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	lines := []string{
		"plain", "", "  indented", "tab\there", "trailing blank ", "carriage return\r", "many\r\r\r", "\xef\xbb\xbfbyte order mark",
		"latin \xe9\xe8", "naïve ☃", "esc \x1b[31mred\x1b[0m", "nul \x00 within", "nul at the end\x00\x00", "del \x7f", "c1 \u0085 end",
		"<13>Nov 25 10:00:00 web9 other: not a header", "1 2026-01-01T00:00:00Z a b c - - x", "- -", "[sd x=\"y\"] text", strings.Repeat("long ", 5000), "last",
	}
	file := filepath.Join(root, "app.log")
	appendFile(t, file, text(lines))
	fraction := regexp.MustCompile(`^(\S+:\d\d)\.\d+(\S+ )`)
	var stored [2][]string
	for i, protocol := range []string{"syslog", "relp"} {
		for _, blank := range []bool{false, true} {
			d := startDalogd(t, "")
			args := []string{"--file", file + "=celery:debug", "--hostname", "wéb 1", "--protocol", protocol}
			if blank {
				args = append(args, "--keep-blank")
			}
			startDalogfwd(t, d.tcp, t.TempDir(), args...)
			waitFor(t, "the last line", func() bool { return strings.HasSuffix(readFile(t, d.path("worker.log")), " last\n") })
			for _, line := range fileLines(t, d.path("worker.log")) {
				at, rest, _ := strings.Cut(line, " ")
				require.Regexp(t, fraction, at+" ")
				stored[i] = append(stored[i], rest)
			}
		}
	}
	require.Equal(t, stored[0], stored[1])
	require.True(t, slices.ContainsFunc(stored[0], func(s string) bool { return s == "w__b_1 celery: plain" }), "%q", stored[0])
}

// A flood in one file delays no other: a line that is written while it goes on is
// there long before its end.
func TestFloodDelaysNoOtherFile(t *testing.T) {
	t.Parallel()
	const lines = 600_000
	d := startDalogd(t, "", "--rotate-size", "0")
	dir := t.TempDir()
	flood, calm := filepath.Join(dir, "flood.log"), filepath.Join(dir, "calm.log")
	appendFile(t, flood, strings.Repeat(strings.Repeat("0123456789", 10)+"\n", lines))
	appendFile(t, calm, "first\n")
	startDalogfwd(t, d.tcp, filepath.Join(dir, "state"), "--file", flood+"=flood", "--file", calm+"=calm")
	waitFor(t, "the flood to begin", func() bool { return fileSize(d.path("flood.log")) > 0 })
	appendFile(t, calm, "second\n")
	waitFor(t, "the line of the calm file", func() bool { return countLines(t, d.path("calm.log")) == 2 })
	whole := int64(lines) * 101
	require.Less(t, fileSize(d.path("flood.log")), whole, "the flood was over before")
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
