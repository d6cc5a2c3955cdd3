package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/sample"
)

// hostname is this machine's, in full and without its domain.
func hostname(t *testing.T) (full, short string) {
	t.Helper()
	full, err := os.Hostname()
	require.NoError(t, err)
	short, _, _ = strings.Cut(full, ".")
	return full, short
}

// logFiles fills the files of an app server below root with events and returns
// the lines of each source.
func logFiles(t *testing.T, root string, server *sample.Server, events int) map[*sample.Source][]string {
	t.Helper()
	lines := make(map[*sample.Source][]string)
	for i := range sample.Sources {
		source := &sample.Sources[i]
		for range events {
			lines[source] = append(lines[source], server.Event(source, time.Now())...)
		}
		appendFile(t, filepath.Join(root, source.File), text(lines[source]))
	}
	return lines
}

func TestFromSyslogNG(t *testing.T) {
	t.Parallel()
	since := time.Now()
	d := startDalogd(t, "")
	root := t.TempDir()
	server := sample.NewServer("web1", 1)
	sent := logFiles(t, root, server, 20)
	startSyslogNGForwarder(t, root, d.tcp)
	// What is written while it runs arrives as well.
	for source, more := range logFiles(t, root, server, 20) {
		sent[source] = append(sent[source], more...)
	}
	_, host := hostname(t)
	for source, lines := range sent {
		var want []string
		for _, line := range lines {
			want = append(want, host+" "+source.Program+": "+line)
		}
		requireStored(t, d.path(source.Central), since, want)
	}
}

func TestFromRsyslog(t *testing.T) {
	t.Parallel()
	since := time.Now()
	rsyslog := peer(t, "rsyslog")
	d := startDalogd(t, "")
	dir := t.TempDir()
	tcpHost, tcpPort, err := net.SplitHostPort(d.tcp)
	require.NoError(t, err)
	_, udpPort, err := net.SplitHostPort(d.udp)
	require.NoError(t, err)

	ways := []struct{ program, action string }{
		{"octet", fmt.Sprintf(`protocol="tcp" port=%q TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"`, tcpPort)},
		{"octet-3164", fmt.Sprintf(`protocol="tcp" port=%q TCP_Framing="octet-counted" template="RSYSLOG_ForwardFormat"`, tcpPort)},
		{"lines", fmt.Sprintf(`protocol="tcp" port=%q template="RSYSLOG_ForwardFormat"`, tcpPort)},
		{"lines-old", fmt.Sprintf(`protocol="tcp" port=%q template="RSYSLOG_TraditionalForwardFormat"`, tcpPort)},
		{"datagrams", fmt.Sprintf(`protocol="udp" port=%q template="RSYSLOG_ForwardFormat"`, udpPort)},
		{"datagrams-5424", fmt.Sprintf(`protocol="udp" port=%q template="RSYSLOG_SyslogProtocol23Format"`, udpPort)},
	}
	config := fmt.Sprintf("global(workDirectory=%q)\nmodule(load=\"imfile\" mode=\"polling\" pollingInterval=\"1\")\n", dir)
	for _, way := range ways {
		config += fmt.Sprintf(`input(type="imfile" File=%q Tag="%s:" Severity="debug" Facility="user" ruleset=%[2]q)
ruleset(name=%[2]q) { action(type="omfwd" target=%[3]q %[4]s) }
`, filepath.Join(dir, way.program+".txt"), way.program, tcpHost, way.action)
	}
	writeFile(t, filepath.Join(dir, "rsyslog.conf"), config)
	for _, way := range ways {
		appendFile(t, filepath.Join(dir, way.program+".txt"), text(numbered("from rsyslog: naïve, \ttabbed", 0, 500)))
	}
	args := []string{"-n", "-f", filepath.Join(dir, "rsyslog.conf"), "-i", filepath.Join(dir, "pid")}
	if rsyslog.Modules != "" {
		args = append(args, "-M", rsyslog.Modules)
	}
	start(t, "rsyslog", rsyslog.Command(args...))

	_, host := hostname(t)
	for _, way := range ways {
		t.Run(way.program, func(t *testing.T) {
			var want []string
			for _, line := range numbered("from rsyslog: naïve, \ttabbed", 0, 500) {
				want = append(want, host+" "+way.program+": "+line)
			}
			requireStored(t, d.path(way.program+".log"), since, want)
		})
	}
}

func TestFromLogger(t *testing.T) {
	t.Parallel()
	logger := peer(t, "logger")
	d := startDalogd(t, "")
	full, short := hostname(t)
	for _, c := range []struct {
		name string
		addr string
		args []string
		text string
		want string // after the time
	}{
		{"tcp octet 5424", d.tcp, []string{"--tcp", "--octet-count", "--rfc5424"}, "one", full + " TAG: one"},
		{"tcp octet 3164", d.tcp, []string{"--tcp", "--octet-count", "--rfc3164"}, "two", short + " TAG: two"},
		{"tcp lines 5424", d.tcp, []string{"--tcp", "--rfc5424"}, "three", full + " TAG: three"},
		{"tcp lines 3164", d.tcp, []string{"--tcp", "--rfc3164"}, "four", short + " TAG: four"},
		{"udp 5424", d.udp, []string{"--udp", "--rfc5424"}, "five", full + " TAG: five"},
		{"udp 3164", d.udp, []string{"--udp", "--rfc3164"}, "six", short + " TAG: six"},
		{"udp octet 5424", d.udp, []string{"--udp", "--octet-count", "--rfc5424"}, "seven", full + " TAG: seven"},
		{"pid", d.tcp, []string{"--tcp", "--rfc5424", "--id=4711"}, "eight", full + " TAG[4711]: eight"},
		{"pid 3164", d.tcp, []string{"--tcp", "--rfc3164", "--id=4711"}, "nine", short + " TAG[4711]: nine"},
		{"no time", d.tcp, []string{"--tcp", "--octet-count", "--rfc5424=notime"}, "ten", full + " TAG: ten"},
		{"no host", d.tcp, []string{"--tcp", "--octet-count", "--rfc5424=nohost"}, "eleven", "127.0.0.1 TAG: eleven"},
		{"structured data", d.tcp, []string{"--tcp", "--rfc5424", "--msgid", "M1", "--sd-id", "seat@32473", "--sd-param", `row="7"`}, "twelve", full + " TAG: twelve"},
		{"priority", d.tcp, []string{"--tcp", "--priority", "local3.crit"}, "Grüße, 東京", full + " TAG: Grüße, 東京"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			since := time.Now()
			tag := "logger-" + strings.ReplaceAll(c.name, " ", "-")
			host, port, err := net.SplitHostPort(c.addr)
			require.NoError(t, err)
			args := append([]string{"--server", host, "--port", port, "--tag", tag}, c.args...)
			out, err := logger.Command(append(args, "--", c.text)...).CombinedOutput()
			require.NoError(t, err, "%s", out)
			requireStored(t, d.path(tag+".log"), since, []string{strings.Replace(c.want, "TAG", tag, 1)})
		})
	}
}

// Python's handler sends no time and no host, and ends a message with NUL: what
// docassemble's web app did until 2019.
func TestFromPython(t *testing.T) {
	t.Parallel()
	python := peer(t, "python3")
	const script = `
import logging, logging.handlers, socket, sys
way, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
kind = socket.SOCK_STREAM if way == "tcp" else socket.SOCK_DGRAM
handler = logging.handlers.SysLogHandler((host, port), socktype=kind)
log = logging.getLogger("app")
log.setLevel(logging.DEBUG)
log.addHandler(handler)
for i in range(300):
    log.debug("docassemble-%s: ip=203.0.113.9 i=na uid=na user=na naïve %04d", way, i)
handler.append_nul = False
log.error("docassemble-%s: the last has no NUL", way)
`
	d := startDalogd(t, "")
	for way, addr := range map[string]string{"tcp": d.tcp, "udp": d.udp} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			since := time.Now()
			host, port, err := net.SplitHostPort(addr)
			require.NoError(t, err)
			out, err := python.Command("-c", script, way, host, port).CombinedOutput()
			require.NoError(t, err, "%s", out)
			var want []string
			for i := range 300 {
				want = append(want, fmt.Sprintf("127.0.0.1 docassemble-%s: ip=203.0.113.9 i=na uid=na user=na naïve %04d", way, i))
			}
			want = append(want, fmt.Sprintf("127.0.0.1 docassemble-%s: the last has no NUL", way))
			requireStored(t, d.path("docassemble-"+way+".log"), since, want)
		})
	}
}

// curl is how a person reads from a shell.
func TestReadWithCurl(t *testing.T) {
	t.Parallel()
	curl := peer(t, "curl")
	d := startDalogd(t, "")
	play(t, d.tcp, []byte(text(numbered("<15>Nov  3 08:28:56 web1 celery:", 0, 100))))
	lines := waitLines(t, d.path("worker.log"), 100)

	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"whole file", []string{"/worker.log"}, text(lines)},
		{"last lines", []string{"/worker.log?n=3"}, text(lines[97:])},
		{"range", []string{"/worker.log", "--range", "0-9"}, lines[0][:10]},
		{"health", []string{"/healthz", "--output", "/dev/null", "--write-out", "%{http_code}"}, "200"},
		{"unknown file", []string{"/nope.log", "--output", "/dev/null", "--write-out", "%{http_code}"}, "404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"--silent", "--show-error", d.http[0] + c.args[0]}, c.args[1:]...)
			out, err := curl.Command(args...).Output()
			require.NoError(t, err)
			require.Equal(t, c.want, string(out))
		})
	}
	t.Run("list", func(t *testing.T) {
		out, err := curl.Command("--silent", "--show-error", d.http[0]+"/").Output()
		require.NoError(t, err)
		names := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		require.Equal(t, "docassemble.log", names[0])
		for _, c := range central {
			require.Contains(t, names, c.file)
		}
	})
}
