package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/e2e/proc"
	"github.com/dalog-project/dalog/internal/e2e/startlog"
)

func escape(s string) string { return url.QueryEscape(s) }

// server is a running dalogd.
type server struct {
	*proc.Process
	url string
	tcp string // for syslog
	log *startLog
}

// startLog collects the first lines that dalogd logs.
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

func startServer(ctx context.Context, dir string) (*server, error) {
	cmd := exec.Command(*dalogd, "--log-dir", dir, "--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0", "--user", "root",
		"--rotate-size", "0", "--rotate-every", "never", "--keep-age", "0", "--keep-bytes", "0", "--keep-free", "0", "--search-time", "10m")
	s := &server{log: new(startLog)}
	cmd.Stderr = s.log
	var err error
	if s.Process, err = proc.Start(cmd); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		for line := range strings.Lines(s.log.String()) {
			line = strings.TrimSuffix(line, "\n")
			switch kind, addr, _ := startlog.Listening(line); kind {
			case "http":
				s.url = "http://" + addr
			case "tcp":
				s.tcp = addr
			}
			if startlog.Ready(line) && s.url != "" {
				return s, nil
			}
		}
		if s.Ended() || time.Now().After(deadline) || ctx.Err() != nil {
			s.stop()
			return nil, fmt.Errorf("dalogd does not start:\n%s", s.log)
		}
	}
}

func (s *server) stop() { _ = s.Stop(10 * time.Second) }

func (s *server) get(path string) (io.ReadCloser, error) {
	resp, err := http.Get(s.url + path)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return resp.Body, nil
}

func (s *server) text(path string) (string, error) {
	body, err := s.get(path)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	return string(text), err
}

// counter is the sum of the metrics of this name.
func (s *server) counter(name string) (sum float64, err error) {
	metrics, err := s.text("/metrics")
	for line := range strings.Lines(metrics) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, err
}

// waitForParts waits until all parts are compressed and have summaries.
func (s *server) waitForParts(ctx context.Context, parts int) error {
	fmt.Printf("waiting until dalogd has compressed and summarized %d parts\n", parts)
	for {
		have, err := s.counter("dalogd_part_summaries")
		if err != nil || int(have) == parts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// memory lets ten clients search all of the history at one time, beside one who
// downloads it, and prints the most memory that dalogd ever had.
func (s *server) memory(ctx context.Context) error {
	before, err := s.PeakMemory()
	if err != nil {
		return err
	}
	began := time.Now()
	var wait sync.WaitGroup
	failed := make(chan error, 11)
	for range 10 {
		wait.Go(func() {
			// Too short for summaries: all of it is looked through, or as much as one
			// request may.
			_, err := s.text("/worker.log?count=1&match=literal&grep=%40%40")
			failed <- err
		})
	}
	wait.Go(func() {
		body, err := s.get("/worker.log?format=text")
		if err == nil {
			_, err = io.Copy(io.Discard, body)
			body.Close()
		}
		failed <- err
	})
	wait.Wait()
	for range 11 {
		if err := <-failed; err != nil {
			return err
		}
	}
	after, err := s.PeakMemory()
	if err != nil {
		return err
	}
	fmt.Printf("ten clients search all of it, one downloads it: %.0f s, dalogd's peak memory %d MiB (before: %d MiB)\n", time.Since(began).Seconds(), after>>20, before>>20)
	return nil
}
