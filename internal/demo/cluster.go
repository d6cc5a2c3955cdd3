package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/e2e/proc"
	"github.com/dalog-project/dalog/internal/e2e/sample"
	"github.com/dalog-project/dalog/internal/e2e/startlog"
)

const (
	startTime = 15 * time.Second // for dalogd to be ready
	stopTime  = 10 * time.Second // for each program to end
)

// hosts are the app servers of the demo.
var hosts = []string{"web1", "web2"}

// cluster is the log server and the app servers.
type cluster struct {
	bin, dir string
	stdout   io.Writer
	log      *lineWriter // takes what the programs say

	children []child // in the order of their start
	died     chan child
	syslog   string   // address of dalogd
	http     []string // addresses of dalogd
}

type child struct {
	name string
	*proc.Process
}

// run returns nil when ctx has ended and every program has ended well.
func (c *cluster) run(ctx context.Context) (err error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	c.died = make(chan child, 1+len(hosts))
	defer func() { err = errors.Join(err, c.stop()) }()
	if err := c.startDalogd(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	for _, host := range hosts {
		if err := c.startDalogfwd(host); err != nil {
			return err
		}
	}
	c.welcome()

	writing, stopWriting := context.WithCancel(ctx)
	var writers sync.WaitGroup
	failed := make(chan error, len(hosts))
	for i, host := range hosts {
		w := &writer{root: c.root(host), server: sample.NewServer(host, uint64(i+1))}
		writers.Go(func() {
			if err := w.run(writing); err != nil {
				failed <- fmt.Errorf("app server %s: %w", host, err)
			}
		})
	}
	defer writers.Wait()
	defer stopWriting()

	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	case child := <-c.died:
		return diedEarly(child)
	}
}

// root is the folder that stands for the host's file system.
func (c *cluster) root(host string) string { return filepath.Join(c.dir, host) }

// Ports that people will find by themselves, and what is as good when they are
// taken: a port that the kernel chooses.
const (
	syslogAddr = "127.0.0.1:5140"
	httpAddr   = "127.0.0.1:8080"
	pageAddr   = "127.0.0.1:8082"
	freeAddr   = "127.0.0.1:0"
)

// exitInUse is dalogd's exit code for a port that is taken.
const exitInUse = 3

// startDalogd returns when dalogd is ready and its addresses are known.
func (c *cluster) startDalogd(ctx context.Context) error {
	dalogd, err := c.tryDalogd(ctx, c.usual(syslogAddr, "tcp", "udp"), c.usual(httpAddr, "tcp"), c.usual(pageAddr, "tcp"))
	if err != nil && dalogd.Process != nil && dalogd.Ended() && dalogd.Wait() == exitInUse {
		// Somebody was quicker than we.
		fmt.Fprintln(c.stdout, "A port was taken just now; others are used in their place.")
		dalogd, err = c.tryDalogd(ctx, freeAddr, freeAddr, freeAddr)
	}
	if err == nil {
		c.expectToLast(dalogd)
	}
	return err
}

func (c *cluster) tryDalogd(ctx context.Context, syslog string, http ...string) (child, error) {
	ready := make(chan struct{})
	isUp := false
	c.syslog, c.http = "", nil
	watch := func(line string) {
		if isUp {
			return // what this function writes is read from here on
		}
		switch kind, addr, _ := startlog.Listening(line); kind {
		case "tcp":
			c.syslog = addr
		case "http":
			c.http = append(c.http, "http://"+addr)
		}
		if startlog.Ready(line) {
			isUp = true
			close(ready)
		}
	}
	args := []string{"--log-dir", filepath.Join(c.dir, "log"), "--syslog", syslog}
	for _, addr := range http {
		args = append(args, "--http", addr)
	}
	dalogd, err := c.start("dalogd", watch, "dalogd", args...)
	if err != nil {
		return child{}, err
	}
	select {
	case <-ready:
		return dalogd, nil
	case <-dalogd.Done():
		return dalogd, diedEarly(dalogd)
	case <-time.After(startTime):
		return dalogd, fmt.Errorf("dalogd is not ready after %v", startTime)
	case <-ctx.Done():
		return dalogd, ctx.Err()
	}
}

// usual is addr, or a free port where somebody else has it.
func (c *cluster) usual(addr string, networks ...string) string {
	for _, network := range networks {
		var socket io.Closer
		var err error
		if network == "udp" {
			socket, err = net.ListenPacket(network, addr)
		} else {
			socket, err = net.Listen(network, addr)
		}
		if err != nil {
			fmt.Fprintf(c.stdout, "%s is taken; another port is used in its place.\n", addr)
			return freeAddr
		}
		defer socket.Close()
	}
	return addr
}

func (c *cluster) startDalogfwd(host string) error {
	args := []string{"--log-level", "warn", "--server", c.syslog, "--hostname", host, "--state-dir", filepath.Join(c.dir, host, "var/lib/dalogfwd")}
	for _, s := range sample.Sources {
		args = append(args, "--file", filepath.Join(c.root(host), s.File)+"="+s.Program+":"+s.Severity)
	}
	dalogfwd, err := c.start("dalogfwd "+host, nil, "dalogfwd", args...)
	if err == nil {
		c.expectToLast(dalogfwd)
	}
	return err
}

// expectToLast makes it an event when the program ends.
func (c *cluster) expectToLast(p child) {
	go func() {
		<-p.Done()
		c.died <- p
	}()
}

// start runs a program from c.bin. What it says goes to c.log, line by line,
// and to watch.
func (c *cluster) start(name string, watch func(string), program string, args ...string) (child, error) {
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Stdout = &lineSplitter{prefix: name + " | ", to: c.log, watch: watch}
	cmd.Stderr = cmd.Stdout
	p, err := proc.Start(cmd)
	if err != nil {
		return child{}, err
	}
	started := child{name, p}
	c.children = append(c.children, started)
	return started, nil
}

func diedEarly(c child) error {
	return fmt.Errorf("%s has ended by itself: %s (see its last lines above)", c.name, c.State())
}

// stop ends the programs, the last one started first, so that the forwarders
// can hand over what they have.
func (c *cluster) stop() error {
	var errs []error
	for i := len(c.children) - 1; i >= 0; i-- {
		child := c.children[i]
		if child.Ended() {
			continue // told before
		}
		if err := child.Stop(stopTime); err != nil {
			errs = append(errs, err)
		} else if code := child.Wait(); code != 0 {
			errs = append(errs, fmt.Errorf("%s ended badly: %s", child.name, child.State()))
		}
	}
	return errors.Join(errs...)
}

func (c *cluster) welcome() {
	host, port, err := net.SplitHostPort(c.syslog)
	if err != nil {
		host, port = c.syslog, ""
	}
	fmt.Fprintf(c.stdout, `
dalogd collects what happens on the app servers %[1]s and %[2]s.

  In a browser     %[3]s/
  The list         curl %[3]s/
  The last lines   curl '%[3]s/docassemble.log?n=20'
  A whole file     curl %[3]s/worker.log
  As JSON          curl -H 'Accept: application/json' %[3]s/
  On the disk      tail -F %[4]s
  Say something    logger --tcp --octet-count --server %[5]s --port %[6]s --tag hello 'Hello, dalog'
  and read it      curl %[3]s/hello.log

The same is served on %[7]s/, where docassemble's Logs page looks.
Press Ctrl-C to end.

`, hosts[0], hosts[1], c.http[0], filepath.Join(c.dir, "log", "worker.log"), host, port, c.http[len(c.http)-1])
}
