package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dalog-project/dalog/internal/e2e/peers"
	"github.com/dalog-project/dalog/internal/e2e/sample"
)

// syslogNG is a running syslog-ng that plays docassemble's log server.
type syslogNG struct {
	*process
	dir    string // where the files are
	framed string // address for octet-counted RFC 5424, as docassemble has today
	lines  string // address for RFC 3164 in lines, as docassemble had until 2019
}

// The files of docassemble's log server, and what goes there: a program, which
// syslog-ng looks for anywhere in the name, and for the web servers a severity.
var central = []struct{ file, program, level string }{
	{"apache_access.log", "apache", "debug"},
	{"apache_error.log", "apache", "error"},
	{"access.log", "nginx", "debug"},
	{"error.log", "nginx", "error"},
	{"docassemble.log", "docassemble", ""},
	{"websockets.log", "websockets", ""},
	{"worker.log", "celery", ""},
	{"single_worker.log", "celerysingle", ""},
	{"uwsgi.log", "uwsgi", ""},
	{"supervisor.log", "supervisor", ""},
}

// startSyslogNGServer runs syslog-ng with the central configuration of
// docassemble: Debian's global options, a framed source, a filter and a file
// for each row of the table. The line listener of the older generation writes
// to the same files.
func startSyslogNGServer(t *testing.T) *syslogNG {
	t.Helper()
	ng := peer(t, "syslog-ng")
	s := &syslogNG{dir: t.TempDir()}
	framed, lines := freePort(t), freePort(t)
	s.framed, s.lines = "127.0.0.1:"+framed, "127.0.0.1:"+lines

	var b strings.Builder
	fmt.Fprintf(&b, `options {
  chain_hostnames(off); flush_lines(0); use_dns(no); use_fqdn(no);
  dns_cache(no); stats_freq(0); bad_hostname("^gconsole$"); create_dirs(yes);
};
source s_framed { syslog(ip(127.0.0.1) transport("tcp") port(%s)); };
source s_lines { tcp(ip(127.0.0.1) port(%s)); };
`, framed, lines)
	for i, c := range central {
		filter := fmt.Sprintf("program(%q)", c.program)
		if c.level != "" {
			filter += " and level(" + c.level + ")"
		}
		fmt.Fprintf(&b, `destination d%d { file(%q perm(0600)); };
filter f%[1]d { %[3]s; };
log { source(s_framed); source(s_lines); filter(f%[1]d); destination(d%[1]d); };
`, i, filepath.Join(s.dir, c.file), filter)
	}
	s.process = startSyslogNG(t, ng, "syslog-ng server", b.String())
	for _, addr := range []string{s.framed, s.lines} {
		waitFor(t, "syslog-ng to listen on "+addr, func() bool {
			s.requireRunning()
			c, err := net.Dial("tcp", addr)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	return s
}

func (s *syslogNG) path(name string) string { return filepath.Join(s.dir, name) }

// startSyslogNGForwarder runs syslog-ng as docassemble's app servers do: the
// files of sample.Sources below root, followed and not parsed, to addr by
// syslog() over TCP.
func startSyslogNGForwarder(t *testing.T, root, addr string) *process {
	t.Helper()
	ng := peer(t, "syslog-ng")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `options {
  chain_hostnames(off); flush_lines(0); use_dns(no); use_fqdn(no);
  dns_cache(no); stats_freq(0); bad_hostname("^gconsole$");
};
destination d_central { syslog(%q transport("tcp") port(%s)); };
`, host, port)
	for i, s := range sample.Sources {
		fmt.Fprintf(&b, `source s%d { file(%q program-override(%q) flags(no-parse) follow-freq(2) default-priority(%s)); };
log { source(s%[1]d); destination(d_central); };
`, i, filepath.Join(root, s.File), s.Program, s.Severity)
	}
	return startSyslogNG(t, ng, "syslog-ng forwarder", b.String())
}

func startSyslogNG(t *testing.T, ng *peers.Peer, name, config string) *process {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--foreground", "--no-caps", "--stderr",
		"--cfgfile", filepath.Join(dir, "syslog-ng.conf"),
		"--persist-file", filepath.Join(dir, "persist"),
		"--pidfile", filepath.Join(dir, "pid"),
		"--control", filepath.Join(dir, "ctl")}
	version := "3.38"
	if ng.Modules != "" {
		args = append(args, "--module-path="+ng.Modules)
		version = filepath.Base(ng.Modules)
	}
	writeFile(t, filepath.Join(dir, "syslog-ng.conf"), "@version: "+version+"\n"+config)
	p := start(t, name, ng.Command(args...))
	p.waitOutput("syslog-ng starting up")
	return p
}
