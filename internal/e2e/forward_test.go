package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Four forwarders, each with a file of its own that is renamed ten times while
// it is written, as logrotate does it: the writer goes on in the renamed file
// for a while before it opens the new one.
func TestForwardThroughRenames(t *testing.T) {
	t.Parallel()
	const forwarders, lines, renames, batch = 4, 50_000, 10, 250
	d := startDalogd(t, "")
	var writers sync.WaitGroup
	var running []*process
	for i := range forwarders {
		name := fmt.Sprintf("app%d", i)
		path := filepath.Join(t.TempDir(), name+".log")
		fwd := startDalogfwd(t, d.tcp, t.TempDir(), "--file", path+"="+name, "--hostname", fmt.Sprintf("web%d", i))
		running = append(running, fwd)
		writers.Go(func() {
			w := &rotatingWriter{path: path, late: 500}
			defer w.close()
			for n := 0; n < lines; n += batch {
				if n > 0 && n%(lines/(renames+1)/batch*batch) == 0 && w.renamed < renames {
					w.rename()
				}
				w.write(text(numbered(name, n, batch)), batch)
				time.Sleep(10 * time.Millisecond)
			}
			if w.err == nil && w.renamed != renames {
				w.err = fmt.Errorf("%d renames", w.renamed)
			}
			if w.err != nil {
				t.Error(w.err)
			}
		})
	}
	writers.Wait()
	for i := range forwarders {
		name := fmt.Sprintf("app%d", i)
		waitLines(t, d.path(name+".log"), lines)
		requireNumbered(t, d.path(name+".log"), name, lines)
	}
	for _, fwd := range running {
		fwd.stop()
	}
	d.stop()
}

// rotatingWriter appends to a file that it renames now and then. The first
// error stops it.
type rotatingWriter struct {
	path    string
	late    int // lines that still go to the renamed file
	renamed int
	err     error

	file    *os.File
	tooLate int // lines until the new file is opened
}

func (w *rotatingWriter) write(s string, lines int) {
	if w.err == nil && (w.file == nil || w.renamed > 0 && w.tooLate == 0) {
		w.close()
		w.file, w.err = os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		w.tooLate = -1
	}
	if w.err == nil {
		_, w.err = w.file.WriteString(s)
	}
	if w.tooLate > 0 {
		w.tooLate = max(0, w.tooLate-lines)
	}
}

// rename shifts the older files and creates a new one, empty.
func (w *rotatingWriter) rename() {
	for i := w.renamed; w.err == nil && i > 0; i-- {
		w.err = os.Rename(fmt.Sprintf("%s.%d", w.path, i), fmt.Sprintf("%s.%d", w.path, i+1))
	}
	if w.err == nil {
		w.err = os.Rename(w.path, w.path+".1")
	}
	if w.err == nil {
		w.err = os.WriteFile(w.path, nil, 0o644)
	}
	w.renamed++
	w.tooLate = w.late
}

func (w *rotatingWriter) close() {
	if w.file != nil {
		w.file.Close()
	}
}

// A forwarder that is stopped and started again goes on where it was.
func TestForwarderRestarts(t *testing.T) {
	t.Parallel()
	d := startDalogd(t, "")
	path, state := filepath.Join(t.TempDir(), "app.log"), t.TempDir()
	total := 0
	for round := range 4 {
		fwd := startDalogfwd(t, d.tcp, state, "--file", path+"=app")
		appendFile(t, path, text(numbered("app", total, 1000)))
		total += 1000
		if round%2 == 0 {
			waitLines(t, d.path("app.log"), total)
		}
		fwd.stop()
		// Written while nobody looks, and in one round moved away.
		appendFile(t, path, text(numbered("app", total, 1000)))
		total += 1000
		if round == 2 {
			require.NoError(t, os.Rename(path, path+".1"))
		}
	}
	startDalogfwd(t, d.tcp, state, "--file", path+"=app")
	waitLines(t, d.path("app.log"), total)
	requireNumbered(t, d.path("app.log"), "app", total)
}

// A forwarder that finds no server waits for it and loses nothing; its memory
// does not grow with what waits.
func TestForwarderWaitsForServer(t *testing.T) {
	t.Parallel()
	const lines = 300_000 // 30 MB
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())

	path := filepath.Join(t.TempDir(), "app.log")
	fwd := startDalogfwd(t, addr, t.TempDir(), "--file", path+"=app")
	appendFile(t, path, text(numbered(fmt.Sprintf("%070d app", 0), 0, lines)))
	fwd.waitOutput(addr) // it says whom it cannot reach
	fwd.requireRunning()

	d := startDalogd(t, "", "--syslog", "tcp:"+addr, "--rotate-size", "0")
	waitLines(t, d.path("app.log"), lines)
	requireNumbered(t, d.path("app.log"), "app", lines)
	if !withRaceDetector { // which needs several times the memory
		peak, err := fwd.PeakMemory()
		require.NoError(t, err)
		require.Less(t, peak, int64(64<<20), "peak memory of dalogfwd")
	}
	fwd.stop()
}

// A server that is stopped and comes back: what it took it has written, and the
// forwarder sends the rest. Plain TCP cannot tell the two apart, so that lines
// may come twice; none may be missing.
func TestForwarderSurvivesServerRestart(t *testing.T) {
	t.Parallel()
	const lines, batch = 40_000, 200
	d := startDalogd(t, "")
	addr := d.tcp
	path := filepath.Join(t.TempDir(), "app.log")
	startDalogfwd(t, addr, t.TempDir(), "--file", path+"=app")
	for n := 0; n < lines; n += batch {
		appendFile(t, path, text(numbered("app", n, batch)))
		if n == lines/4 || n == lines/2 {
			waitFor(t, "lines to arrive", func() bool { return countLines(t, d.path("app.log")) > n/2 })
			d.stop()
			d = startDalogd(t, d.dir, "--syslog", "tcp:"+addr)
		}
	}
	last := fmt.Sprintf("app seq=%07d", lines-1)
	waitFor(t, "the last line", func() bool {
		b, err := os.ReadFile(d.path("app.log"))
		return err == nil && lastLineHas(b, last)
	})
	requireAll(t, d.path("app.log"), "app", lines)
}

// A forwarder that is told to stop sends what the files hold at that moment, as
// long as the server takes it.
func TestForwarderStopSendsTheRest(t *testing.T) {
	t.Parallel()
	const files = 10
	d := startDalogd(t, "")
	dir, state := t.TempDir(), t.TempDir()
	var args []string
	for i := range files {
		args = append(args, "--file", fmt.Sprintf("%s/app%d.log=app%[2]d", dir, i))
	}
	lines := 0
	for range 5 {
		fwd := startDalogfwd(t, d.tcp, state, args...)
		for _, wait := range []bool{true, false} {
			for i := range files {
				name := fmt.Sprintf("app%d", i)
				appendFile(t, filepath.Join(dir, name+".log"), text(numbered(name, lines, 50)))
				if wait {
					waitLines(t, d.path(name+".log"), lines+50)
				}
			}
			lines += 50
		}
		fwd.stop()
		for i := range files {
			name := fmt.Sprintf("app%d", i)
			waitLines(t, d.path(name+".log"), lines)
			requireNumbered(t, d.path(name+".log"), name, lines)
		}
		require.NotContains(t, string(fwd.output.bytes()), "not delivered")
	}
}
