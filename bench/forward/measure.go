package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/e2e/peers"
	"github.com/dalog-project/dalog/internal/e2e/proc"
)

// limit is how long a run may take.
const limit = 5 * time.Minute

// figures are what one run has shown.
type figures struct {
	seconds float64 // from the start of the forwarder to the last line at the far end
	cpu     float64 // seconds, user and system, of those that are measured
	peak    float64 // MB of memory, of the largest of them
	wire    int64   // bytes sent; 0: not measured
	lines   int     // that arrived
}

// setting is what a case runs with.
type setting struct {
	options
	dir    string
	source string // the file to be delivered
}

// sink is a server that counts lines and throws them away.
type sink struct {
	l            net.Listener
	bytes, lines atomic.Int64
}

func newSink() (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{l: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 1<<20)
				for {
					n, err := c.Read(buf)
					s.bytes.Add(int64(n))
					s.lines.Add(int64(bytes.Count(buf[:n], []byte{'\n'})))
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return s, nil
}

func (s *sink) port() string {
	_, port, _ := net.SplitHostPort(s.l.Addr().String())
	return port
}

// lineFile counts the lines of a file that grows.
type lineFile struct {
	path  string
	file  *os.File
	lines int
	buf   []byte
}

func (f *lineFile) count() (int, error) {
	if f.file == nil {
		file, err := os.Open(f.path)
		if errors.Is(err, os.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		f.file, f.buf = file, make([]byte, 1<<20)
	}
	for {
		n, err := f.file.Read(f.buf)
		f.lines += bytes.Count(f.buf[:n], []byte{'\n'})
		if err == io.EOF || n == 0 {
			return f.lines, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// run starts a forwarder and measures until count says that all is there. Of the
// servers the processor time counts as well.
func (s *setting) run(forwarder *exec.Cmd, count func() (int, error), servers ...*proc.Process) (f figures, err error) {
	measured := servers
	var before float64
	for _, p := range servers {
		t, err := cpuTime(p.PID())
		if err != nil {
			return f, err
		}
		before += t.Seconds()
	}
	var said bytes.Buffer
	if forwarder.Stderr == nil {
		forwarder.Stderr = &said
	}
	began := time.Now()
	p, err := proc.Start(forwarder)
	if err != nil {
		return f, err
	}
	defer p.Kill()
	measured = append([]*proc.Process{p}, measured...)
	for f.lines < s.n {
		if f.lines, err = count(); err != nil {
			return f, err
		}
		if p.Ended() || time.Since(began) > limit {
			return f, fmt.Errorf("%d of %d lines after %v\n%s", f.lines, s.n, time.Since(began), &said)
		}
		time.Sleep(5 * time.Millisecond)
	}
	f.seconds = time.Since(began).Seconds()
	for _, p := range measured {
		t, err := cpuTime(p.PID())
		if err != nil {
			return f, err
		}
		f.cpu += t.Seconds()
		peak, err := p.PeakMemory()
		if err != nil {
			return f, err
		}
		f.peak = max(f.peak, float64(peak)/1e6)
	}
	f.cpu -= before
	return f, nil
}

// cpuTime is what all threads of a process have used, to the nanosecond: the
// kernel has a clock for each process.
func cpuTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	const cpuClockSched = 2
	if err := unix.ClockGettime(int32(^pid<<3|cpuClockSched), &t); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

func peer(name string) (*peers.Peer, error) {
	p, err := peers.Find(name)
	if err == nil && p.Modules == "" {
		err = fmt.Errorf("%s is not below .cache: run scripts/peers.sh", name)
	}
	return p, err
}
