package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/e2e/proc"
	"github.com/dalog-project/dalog/internal/e2e/startlog"
)

// The names of the cases.
const (
	dalogCase    = "dalogfwd to dalogd: forwarder"
	omfwdCase    = "rsyslog imfile, omfwd: forwarder"
	syslogNGCase = "syslog-ng file, syslog(): forwarder"
	dalogChain   = "dalogfwd to dalogd, fsync: both"
	relpChain    = "rsyslog imfile, omrelp, imrelp, omfile: both"
)

var cases = []struct {
	name string
	run  func(*setting) (figures, error)
}{
	{dalogCase, func(s *setting) (figures, error) { return s.dalog(false) }},
	{omfwdCase, (*setting).omfwd},
	{syslogNGCase, (*setting).syslogNG},
	{dalogChain, func(s *setting) (figures, error) { return s.dalog(true) }},
	{relpChain, (*setting).relp},
}

// dalog measures dalogfwd alone, or together with dalogd.
func (s *setting) dalog(both bool) (f figures, err error) {
	logs := filepath.Join(s.dir, "logs")
	server := exec.Command(filepath.Join(s.bin, "dalogd"), "--log-dir", logs, "--syslog", "tcp:127.0.0.1:0", "--http", "127.0.0.1:0",
		"--rotate-size", "0", "--rotate-every", "never", "--ready-file", "none")
	var log startLog
	server.Stderr = &log
	d, err := proc.Start(server)
	if err != nil {
		return f, err
	}
	defer d.Kill()
	var tcp, web string
	err = wait(d, &log, func() bool {
		for line := range strings.Lines(log.String()) {
			switch kind, addr, _ := startlog.Listening(strings.TrimSuffix(line, "\n")); kind {
			case "tcp":
				tcp = addr
			case "http":
				web = addr
			}
			if startlog.Ready(line) {
				return true
			}
		}
		return false
	})
	if err != nil {
		return f, err
	}
	out := &lineFile{path: filepath.Join(logs, "app.log")}
	var servers []*proc.Process
	if both {
		servers = append(servers, d)
	}
	f, err = s.run(exec.Command(filepath.Join(s.bin, "dalogfwd"), "--server", tcp, "--state-dir", filepath.Join(s.dir, "state"),
		"--file", s.source+"=app", "--hostname", "web1", "--docassemble-config", "none"), out.count, servers...)
	if err != nil {
		return f, err
	}
	f.wire, err = received(web)
	return f, err
}

var receivedBytes = regexp.MustCompile(`(?m)^dalogd_received_bytes_total\{protocol="relp"\} (\S+)$`)

// received is how many bytes dalogd has received.
func received(web string) (int64, error) {
	answer, err := http.Get("http://" + web + "/metrics")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	found := receivedBytes.FindSubmatch(body)
	if found == nil {
		return 0, fmt.Errorf("no count of received bytes in dalogd's metrics")
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	return int64(n), err
}

// omfwd is rsyslog as it forwards files, with large batches.
func (s *setting) omfwd() (figures, error) {
	return s.toSink("rsyslog", `global(workDirectory="WORK")
main_queue(queue.size="200000" queue.dequeueBatchSize="4096")
module(load="imfile" mode="inotify")
input(type="imfile" File="SOURCE" Tag="app:" Severity="info" Facility="user")
action(type="omfwd" target="127.0.0.1" port="PORT" protocol="tcp" template="RSYSLOG_SyslogProtocol23Format")
`)
}

func (s *setting) syslogNG() (figures, error) {
	return s.toSink("syslog-ng", `@version: VERSION
options { threaded(yes); use_dns(no); stats_freq(0); flush_lines(1000); };
source s { file("SOURCE" follow-freq(1) flags(no-parse) program-override("app") log-fetch-limit(1000) log-iw-size(100000)); };
destination d { syslog("127.0.0.1" port(PORT) transport("tcp") log-fifo-size(200000)); };
log { source(s); destination(d); flags(flow-control); };
`)
}

func (s *setting) toSink(name, config string) (f figures, err error) {
	sink, err := newSink()
	if err != nil {
		return f, err
	}
	defer sink.l.Close()
	cmd, err := s.peer(name, "forwarder", config, sink.port())
	if err != nil {
		return f, err
	}
	f, err = s.run(cmd, func() (int, error) { return int(sink.lines.Load()), nil })
	f.wire = sink.bytes.Load()
	return f, err
}

// relp is rsyslog on both ends.
func (s *setting) relp() (f figures, err error) {
	port := strconv.Itoa(20000 + rand.IntN(12000))
	out := &lineFile{path: filepath.Join(s.dir, "out.log")}
	cmd, err := s.peer("rsyslog", "server", `global(workDirectory="WORK")
main_queue(queue.size="200000" queue.dequeueBatchSize="4096")
module(load="imrelp")
input(type="imrelp" address="127.0.0.1" port="PORT")
action(type="omfile" file="`+out.path+`" template="RSYSLOG_FileFormat" ioBufferSize="256k")
`, port)
	if err != nil {
		return f, err
	}
	var log startLog
	cmd.Stdout, cmd.Stderr = &log, &log
	server, err := proc.Start(cmd)
	if err != nil {
		return f, err
	}
	defer server.Kill()
	err = wait(server, &log, func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if err != nil {
		return f, err
	}
	forwarder, err := s.peer("rsyslog", "forwarder", `global(workDirectory="WORK")
main_queue(queue.size="200000" queue.dequeueBatchSize="4096")
module(load="imfile" mode="inotify")
module(load="omrelp")
input(type="imfile" File="SOURCE" Tag="app:" Severity="info" Facility="user")
action(type="omrelp" target="127.0.0.1" port="PORT" windowSize="1000" template="RSYSLOG_SyslogProtocol23Format")
`, port)
	if err != nil {
		return f, err
	}
	return s.run(forwarder, out.count, server)
}

// peer is the command that runs a peer with a configuration, in a folder of its own.
func (s *setting) peer(name, part, config, port string) (*exec.Cmd, error) {
	p, err := peer(name)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, part)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	config = strings.NewReplacer("SOURCE", s.source, "WORK", dir, "PORT", port, "VERSION", filepath.Base(p.Modules)).Replace(config)
	path := filepath.Join(dir, "config")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return nil, err
	}
	if name == "rsyslog" {
		return p.Command("-n", "-f", path, "-i", filepath.Join(dir, "pid"), "-M", p.Modules), nil
	}
	return p.Command("--foreground", "--no-caps", "--stderr", "--module-path="+p.Modules, "--cfgfile="+path,
		"--persist-file="+filepath.Join(dir, "persist"), "--pidfile="+filepath.Join(dir, "pid"), "--control="+filepath.Join(dir, "ctl")), nil
}

func wait(p *proc.Process, log fmt.Stringer, up func() bool) error {
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if up() {
			return nil
		}
		if p.Ended() {
			return fmt.Errorf("the server has ended: %s\n%s", p.State(), log)
		}
	}
	return fmt.Errorf("the server is not up\n%s", log)
}

// startLog keeps what a server prints at its start.
type startLog struct {
	mu  sync.Mutex
	buf bytes.Buffer // under mu
}

func (l *startLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() < 64<<10 {
		l.buf.Write(p)
	}
	return len(p), nil
}

func (l *startLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
