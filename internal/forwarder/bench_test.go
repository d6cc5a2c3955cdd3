package forwarder

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// discard is a server in a process of its own that reads and forgets.
func discard() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() { // ends with the benchmark
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		conn, err := l.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			buf := make([]byte, 1<<20)
			for {
				if _, err := conn.Read(buf); err != nil {
					conn.Close()
					return
				}
			}
		}()
	}
}

func startDiscard(b *testing.B) (addr string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=discard")
	stdin, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	_, err = fmt.Fscanln(out, &addr)
	require.NoError(b, err)
	return addr
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// From a file in the page cache to a server that only reads: lines a second, and
// processor time of the forwarder alone for a line of 238 bytes.
func BenchmarkDeliver(b *testing.B) {
	const lines = 500_000
	addr := startDiscard(b)
	path := filepath.Join(b.TempDir(), "app.log")
	appendTo(b, path, strings.Repeat(strings.Repeat("x", 237)+"\n", lines))
	var cpu, wall time.Duration
	n := 0
	for b.Loop() {
		b.StopTimer()
		cfg := newConfig(b, addr, File{Pattern: path, Program: "nginx", Severity: 7})
		f, err := Open(cfg)
		require.NoError(b, err)
		b.StartTimer()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		before, began := cpuTime(b), time.Now()
		go func() { ended <- f.Run(ctx) }()
		for f.Stats().Delivered < lines {
			time.Sleep(time.Millisecond)
		}
		cpu += cpuTime(b) - before
		wall += time.Since(began)
		n += lines
		cancel()
		require.NoError(b, <-ended)
	}
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(n), "cpu-ns/line")
	b.ReportMetric(float64(n)/wall.Seconds(), "lines/s")
}
