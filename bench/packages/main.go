// Command packages shows again what docs/adr/0001 says of two packages:
//
//	go run ./bench/packages
//
// It sends single datagrams to a go-syslog.v2 server in a process of its own
// and tells whether that process lives on, times that package's parser, and
// counts the lines that hpcloud/tail delivers of a file that is renamed while
// it is written.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hpcloud/tail"
	gosyslog "gopkg.in/mcuadros/go-syslog.v2"
	"gopkg.in/mcuadros/go-syslog.v2/format"
)

const serveEnv = "DALOG_BENCH_SERVE"

func main() {
	log.SetFlags(0)
	if addr := os.Getenv(serveEnv); addr != "" {
		serve(addr)
		return
	}
	for _, datagram := range []string{"<0>", "<13>", "<13>Mar 17 04:05:06 gate7", "<13>Mar 17 04:05:06 gate7 app: text"} {
		if err := oneDatagram(datagram); err != nil {
			log.Fatal(err)
		}
	}
	parserCost()
	for _, poll := range []bool{false, true} {
		if err := renames(100_000, 50, poll); err != nil {
			log.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Handle(format.LogParts, int64, error) {}

// serve is the child: a go-syslog.v2 server for datagrams.
func serve(addr string) {
	s := gosyslog.NewServer()
	s.SetFormat(gosyslog.Automatic)
	s.SetHandler(discard{})
	if err := s.ListenUDP(addr); err != nil {
		log.Fatal(err)
	}
	if err := s.Boot(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	s.Wait()
}

func oneDatagram(datagram string) error {
	probe, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find a free port: %w", err)
	}
	addr := probe.LocalAddr().String()
	probe.Close()

	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), serveEnv+"="+addr)
	var stderr bytes.Buffer
	child.Stderr = &stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	if _, err := stdout.Read(make([]byte, 16)); err != nil {
		return fmt.Errorf("wait for the server: %w: %s", err, stderr.String())
	}
	conn, err := net.Dial("udp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(datagram)); err != nil {
		return err
	}

	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			return fmt.Errorf("server ended: %w", err)
		}
		first, _, _ := strings.Cut(stderr.String(), "\n")
		fmt.Printf("go-syslog.v2  datagram %-40q the process ends: %s (%s)\n", datagram, exit, first)
	case <-time.After(2 * time.Second):
		fmt.Printf("go-syslog.v2  datagram %-40q the process lives\n", datagram)
		if err := child.Process.Kill(); err != nil {
			return err
		}
		<-ended
	}
	return nil
}

func parserCost() {
	line := []byte(`<15>1 2026-11-23T08:27:00.123456-05:00 web1 docassemble 812 - - docassemble: ip=203.0.113.24 i=docassemble.demo:data/questions/fees.yml uid=Jq7LkT0vWm user=pat@example.org ` + strings.Repeat("words ", 10))
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := gosyslog.RFC5424.GetParser(line)
			if err := p.Parse(); err != nil {
				b.Fatal(err)
			}
			_ = p.Dump()
		}
	})
	fmt.Printf("go-syslog.v2  RFC 5424, %d bytes: %d ns and %d allocations a message\n", len(line), r.NsPerOp(), r.AllocsPerOp())
}

// renames writes lines into a file, renames it now and then as logrotate does,
// and counts what TailFile delivers.
func renames(lines, times int, poll bool) error {
	dir, err := os.MkdirTemp("", "dalog-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app.log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	t, err := tail.TailFile(path, tail.Config{Follow: true, ReOpen: true, MustExist: true, Poll: poll, Logger: tail.DiscardingLogger})
	if err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	seen := make([]int, lines)
	last := make(chan struct{})
	go func() {
		defer close(last)
		idle := time.NewTimer(5 * time.Second)
		for {
			select {
			case l, ok := <-t.Lines:
				if !ok {
					return
				}
				var n int
				if _, err := fmt.Sscanf(l.Text, "line %d", &n); err == nil && n >= 0 && n < lines {
					seen[n]++
				}
				idle.Reset(5 * time.Second)
			case <-idle.C:
				return
			}
		}
	}()

	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	each := lines / times
	for i := range lines {
		if i > 0 && i%each == 0 {
			if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i/each)); err != nil {
				return err
			}
			// A writer keeps its descriptor for a while after the rename.
			if _, err := fmt.Fprintf(f, "line %d\n", i); err != nil {
				return err
			}
			f.Close()
			if f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
				return err
			}
			continue
		}
		if i%20 == 0 {
			time.Sleep(time.Millisecond)
		}
		if _, err := fmt.Fprintf(f, "line %d\n", i); err != nil {
			return err
		}
	}
	f.Close()
	<-last
	if err := t.Stop(); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	t.Cleanup()

	lost, twice := 0, 0
	for _, n := range seen {
		switch {
		case n == 0:
			lost++
		case n > 1:
			twice++
		}
	}
	how := "inotify"
	if poll {
		how = "polling"
	}
	fmt.Printf("hpcloud/tail  %s: %d lines with %d renames: %d lost, %d delivered twice\n", how, lines, times, lost, twice)
	return nil
}
