package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/e2e/peers"
	"github.com/dalog-project/dalog/internal/e2e/proc"
	"github.com/dalog-project/dalog/internal/e2e/startlog"
)

const startTime = 15 * time.Second

// receiver is a running syslog server that writes files to dir.
type receiver struct {
	*proc.Process
	dir      string
	tcp, udp string
}

// startReceiver starts the receiver of that name for a framing ("octet", "lf",
// "bsd", or "udp"), with its files and everything else below dir. Each is set
// up as its own documentation recommends for load. Where there are many programs,
// their files are there.
func startReceiver(name, framing, dir string, o options, manyPrograms int) (*receiver, error) {
	if err := os.MkdirAll(filepath.Join(dir, "out"), 0o755); err != nil {
		return nil, err
	}
	r := &receiver{dir: filepath.Join(dir, "out")}
	if manyPrograms != len(programs) { // to make files is not what is measured
		for i := range manyPrograms {
			if err := os.WriteFile(filepath.Join(r.dir, programName(i)+".log"), nil, 0o644); err != nil {
				return nil, err
			}
		}
	}
	switch name {
	case "dalogd":
		return r, r.startDalogd(o.dalogd)
	case "rsyslog":
		return r, r.startPeer(name, dir, rsyslogConfig(framing), func(p *peers.Peer, config string) *exec.Cmd {
			return p.Command("-n", "-f", config, "-i", filepath.Join(dir, "pid"), "-M", p.Modules)
		})
	case "syslog-ng":
		return r, r.startPeer(name, dir, syslogNGConfig(framing), func(p *peers.Peer, config string) *exec.Cmd {
			return p.Command("--foreground", "--no-caps", "--stderr", "--module-path="+p.Modules, "--cfgfile="+config,
				"--persist-file="+filepath.Join(dir, "persist"), "--pidfile="+filepath.Join(dir, "pid"), "--control="+filepath.Join(dir, "ctl"))
		})
	}
	return nil, fmt.Errorf("unknown receiver %q", name)
}

func (r *receiver) startDalogd(path string) error {
	// The peers do not rotate either.
	cmd := exec.Command(path, "--log-dir", r.dir, "--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0",
		"--rotate-size", "0", "--rotate-every", "never")
	var log startLog
	cmd.Stderr = &log
	var err error
	if r.Process, err = proc.Start(cmd); err != nil {
		return err
	}
	return r.waitFor(&log, func() bool {
		up := false
		for line := range strings.Lines(log.String()) {
			line = strings.TrimSuffix(line, "\n")
			switch kind, addr, _ := startlog.Listening(line); kind {
			case "tcp":
				r.tcp = addr
			case "udp":
				r.udp = addr
			}
			up = up || startlog.Ready(line)
		}
		return up
	})
}

// startPeer starts a receiver that is told its port in its configuration, and
// waits until it accepts connections.
func (r *receiver) startPeer(name, dir, config string, command func(p *peers.Peer, config string) *exec.Cmd) error {
	p, err := peers.Find(name)
	if err != nil {
		return err
	}
	if p.Modules == "" {
		return fmt.Errorf("%s is not below .cache: run scripts/peers.sh", name)
	}
	port := 20000 + rand.IntN(12000)
	r.tcp = "127.0.0.1:" + strconv.Itoa(port)
	r.udp = r.tcp
	config = strings.NewReplacer("OUT", r.dir, "WORK", dir, "PORT", strconv.Itoa(port), "VERSION", filepath.Base(p.Modules)).Replace(config)
	path := filepath.Join(dir, "config")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return err
	}
	var log startLog
	cmd := command(p, path)
	cmd.Stdout, cmd.Stderr = &log, &log
	if r.Process, err = proc.Start(cmd); err != nil {
		return err
	}
	return r.waitFor(&log, func() bool {
		c, err := net.Dial("tcp", r.tcp)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (r *receiver) waitFor(log fmt.Stringer, up func() bool) error {
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if up() {
			return nil
		}
		if r.Ended() {
			return fmt.Errorf("the receiver has ended: %s\n%s", r.State(), log)
		}
	}
	return fmt.Errorf("the receiver is not up after %v\n%s", startTime, log)
}

// startLog keeps the first 64 KiB of what a receiver prints.
type startLog struct {
	mu   sync.Mutex
	text strings.Builder // under mu
}

func (l *startLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len() < 64<<10 {
		l.text.Write(b)
	}
	return len(b), nil
}

func (l *startLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// rsyslogConfig: imptcp, its fastest input, with a thread for each processor;
// imudp with batches and a large buffer; big batches in the queue, one file for
// each program with a write buffer.
func rsyslogConfig(string) string {
	threads := strconv.Itoa(runtime.NumCPU())
	return `global(workDirectory="WORK")
main_queue(queue.size="200000" queue.dequeueBatchSize="4096" queue.workerThreads="` + threads + `" queue.workerThreadMinimumMessages="20000")
module(load="imptcp" threads="` + threads + `")
module(load="imudp" threads="` + threads + `" batchSize="128" timeRequery="8")
input(type="imptcp" address="127.0.0.1" port="PORT")
input(type="imudp" address="127.0.0.1" port="PORT" rcvbufSize="16m")
template(name="file" type="string" string="OUT/%programname%.log")
action(type="omfile" dynaFile="file" template="RSYSLOG_FileFormat" ioBufferSize="256k" dynaFileCacheSize="100")
`
}

// syslogNGConfig: the source that fits the framing, a large window, flow
// control (except for UDP, which has none), one file for each program.
func syslogNGConfig(framing string) string {
	source := map[string]string{
		"octet": `syslog(ip(127.0.0.1) port(PORT) transport("tcp") max-connections(2000) log-iw-size(100000) so-rcvbuf(4194304))`,
		"lf":    `network(ip(127.0.0.1) port(PORT) transport("tcp") flags(syslog-protocol) max-connections(2000) log-iw-size(100000) so-rcvbuf(4194304))`,
		"bsd":   `network(ip(127.0.0.1) port(PORT) transport("tcp") max-connections(2000) log-iw-size(100000) so-rcvbuf(4194304))`,
		// The TCP socket only shows when it is up.
		"udp": `network(ip(127.0.0.1) port(PORT) transport("udp") flags(syslog-protocol) so-rcvbuf(16777216) log-iw-size(100000));
  network(ip(127.0.0.1) port(PORT) transport("tcp"))`,
	}[framing]
	flow := " flags(flow-control);"
	if framing == "udp" {
		flow = ""
	}
	return `@version: VERSION
options { threaded(yes); use_dns(no); keep_hostname(yes); chain_hostnames(no); stats_freq(0); flush_lines(1000); log_fifo_size(2000000); };
source s { ` + source + `; };
destination d { file("OUT/${PROGRAM}.log" template("${ISODATE} ${HOST} ${MSGHDR}${MSG}\n")); };
log { source(s); destination(d);` + flow + ` };
`
}
