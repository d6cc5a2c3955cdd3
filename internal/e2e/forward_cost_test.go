package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A thousand files to which nothing is written cost next to nothing. It is CPU
// time that is measured, which other work on the machine does not add to.
func TestIdleFiles(t *testing.T) {
	t.Parallel()
	const files = 1000
	d := startDalogd(t, "")
	dir := t.TempDir()
	for i := range files {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("app%04d.log", i)), "one line\n")
	}
	fwd := startDalogfwd(t, d.tcp, t.TempDir(), "--file", filepath.Join(dir, "*.log")+"=app")
	waitLines(t, d.path("app.log"), files)
	time.Sleep(3 * time.Second) // until the files count as idle
	const span = 5 * time.Second
	before, began := cpuTime(t, fwd.PID()), time.Now()
	time.Sleep(span)
	share := float64(cpuTime(t, fwd.PID())-before) / float64(time.Since(began))
	t.Logf("%d idle files: %.2f %% of a core", files, 100*share)
	if !withRaceDetector {
		require.Less(t, share, 0.02)
	}
	fwd.stop()
}

// cpuTime is what a process has used so far.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest))
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

// How long it takes from writing a line on an app server until it can be read
// in the central file.
func TestVisibleSoon(t *testing.T) {
	t.Parallel()
	const lines, perSecond = 3000, 1000
	d := startDalogd(t, "")
	path := filepath.Join(t.TempDir(), "app.log")
	fwd := startDalogfwd(t, d.tcp, t.TempDir(), "--file", path+"=app")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	defer f.Close()
	_, err = fmt.Fprintln(f, "begin 0")
	require.NoError(t, err)
	waitLines(t, d.path("app.log"), 1)
	go func() {
		began := time.Now()
		for i := range lines {
			time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / perSecond)))
			fmt.Fprintf(f, "line %d\n", time.Now().UnixNano())
		}
	}()
	stored, err := os.Open(d.path("app.log"))
	require.NoError(t, err)
	defer stored.Close()
	var took []time.Duration
	var part []byte
	buf := make([]byte, 64<<10)
	for deadline := time.Now().Add(patience + lines/perSecond*time.Second); len(took) < lines; {
		require.True(t, time.Now().Before(deadline), "%d lines have come", len(took))
		n, _ := stored.Read(buf)
		now := time.Now()
		part = append(part, buf[:n]...)
		for {
			line, rest, found := bytes.Cut(part, []byte("\n"))
			if !found {
				break
			}
			if _, stamp, ok := bytes.Cut(line, []byte("line ")); ok {
				at, err := strconv.ParseInt(string(stamp), 10, 64)
				require.NoError(t, err)
				took = append(took, now.Sub(time.Unix(0, at)))
			}
			part = rest
		}
		if n == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("%d lines at %d a second: visible after %v (half of them), %v (99 %%), %v (all)",
		lines, perSecond, p50.Round(10*time.Microsecond), p99.Round(10*time.Microsecond), took[len(took)-1].Round(10*time.Microsecond))
	require.Less(t, p50, 2*time.Second) // the machine may be busy; what was logged is the figure
	fwd.stop()
}
