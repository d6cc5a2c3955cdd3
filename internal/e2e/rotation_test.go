package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var rotationRounds = flag.Int("rounds", 1, "how often each rotation of the matrix is done")

// logrotate in all its forms, with dalogfwd running, killed meanwhile, and
// stopped: every line is in the central file once, in order.
func TestRotationMatrix(t *testing.T) {
	t.Parallel()
	logrotate := peer(t, "logrotate")
	d := startDalogd(t, "", "--rotate-size", "0", "--rotate-every", "never")
	for i, c := range []struct {
		name, options string
		args          []string
		packs         bool // the file that is written on has no name after the rotation
		copies        bool // what is written during the rotation is lost by logrotate itself
	}{
		{name: "create", options: "create"},
		{name: "nocreate", options: "nocreate"},
		{name: "delaycompress", options: "create\ncompress\ndelaycompress"},
		{name: "compress", options: "create\ncompress", packs: true},
		{name: "dateext", options: "create\ndateext\ndateformat -%Y%m%d-%s"},
		{name: "olddir", options: "create\nolddir old\ncreateolddir 755 root root"},
		{name: "olddir compress", options: "create\nolddir old\ncreateolddir 755 root root\ncompress", packs: true},
		{name: "copytruncate", options: "copytruncate", copies: true},
		{name: "copytruncate compress", options: "copytruncate\ncompress", copies: true},
		{name: "copytruncate delaycompress", options: "copytruncate\ncompress\ndelaycompress", copies: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			program := fmt.Sprintf("m%d", i)
			w := &matrixWriter{t: t, what: program, path: filepath.Join(t.TempDir(), "app.log")}
			config := fmt.Sprintf("su root root\n%s {\nrotate 100\nmissingok\n%s\n}\n", w.path, c.options)
			conf, status := filepath.Join(t.TempDir(), "conf"), filepath.Join(t.TempDir(), "status")
			require.NoError(t, os.WriteFile(conf, []byte(config), 0o644))
			rotate := func() {
				if strings.Contains(c.options, "%s") { // names by the second, of a clock that may be some milliseconds late
					time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1100 * time.Millisecond)))
				}
				out, err := logrotate.Command("-f", "-s", status, conf).CombinedOutput()
				require.NoError(t, err, "%s", out)
			}
			state := t.TempDir()
			args := append([]string{"--file", w.path + "=" + program}, c.args...)
			w.write(10)
			fwd := startDalogfwd(t, d.tcp, state, args...)
			waitLines(t, d.path(program+".log"), w.n) // before that, rotated files are old news
			for range *rotationRounds {
				// Running, at work.
				w.write(100)
				switch {
				case c.copies, c.packs: // late lines would be nowhere else than in dalogfwd's hands
					rotate()
					w.reopen()
				default:
					stop := w.goOn()
					rotate()
					stop()
					w.write(100) // late
					w.reopen()
				}
				w.write(100)

				// Killed meanwhile.
				killed := make(chan struct{})
				go func() {
					defer close(killed)
					time.Sleep(rand.N(30 * time.Millisecond))
					fwd.kill()
				}()
				if c.copies || c.packs {
					rotate()
				} else {
					stop := w.goOn()
					rotate()
					stop()
				}
				<-killed
				w.reopen()
				fwd = startDalogfwd(t, d.tcp, state, args...)
				w.write(100)

				// Stopped, and the file is rotated twice.
				fwd.stop()
				for range 2 {
					w.write(100)
					rotate()
					if !c.copies && !c.packs {
						w.write(100)
					}
					w.reopen()
				}
				w.write(100)
				fwd = startDalogfwd(t, d.tcp, state, args...)
			}
			if !c.copies {
				waitLines(t, d.path(program+".log"), w.n)
				stop := w.goOn()
				rotate()
				stop()
				w.write(100) // late
				w.reopen()
				w.write(100)
			}
			waitLines(t, d.path(program+".log"), w.n)
			requireNumbered(t, d.path(program+".log"), program, w.n)
			fwd.stop()
			require.NotContains(t, string(fwd.output.bytes()), "lost_bytes")
			t.Logf("%d rotations, %d lines: 0 lost, 0 twice", 4**rotationRounds, w.n)
		})
	}
}

// matrixWriter is a program that writes numbered lines, and opens its file anew
// when it is told to.
type matrixWriter struct {
	t    *testing.T
	what string
	path string
	file *os.File
	n    int
}

func (w *matrixWriter) write(lines int) {
	w.t.Helper()
	if w.file == nil {
		var err error
		w.file, err = os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		require.NoError(w.t, err)
		w.t.Cleanup(w.reopen)
	}
	_, err := w.file.WriteString(text(numbered(w.what, w.n, lines)))
	require.NoError(w.t, err)
	w.n += lines
}

func (w *matrixWriter) reopen() {
	if w.file != nil {
		w.file.Close()
		w.file = nil
	}
}

// goOn writes until stop is called.
func (w *matrixWriter) goOn() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(2 * time.Millisecond):
			}
			if _, err := w.file.WriteString(text(numbered(w.what, w.n, 5))); err != nil {
				w.t.Error(err)
				return
			}
			w.n += 5
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// What copytruncate loses is what was written between its copy and its
// truncation, and nothing beside that.
func TestCopytruncateAtWork(t *testing.T) {
	t.Parallel()
	logrotate := peer(t, "logrotate")
	d := startDalogd(t, "")
	w := &matrixWriter{t: t, what: "busy", path: filepath.Join(t.TempDir(), "app.log")}
	conf, status := filepath.Join(t.TempDir(), "conf"), filepath.Join(t.TempDir(), "status")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, "su root root\n%s {\nrotate 100\ncopytruncate\ncompress\n}\n", w.path), 0o644))
	w.write(10)
	fwd := startDalogfwd(t, d.tcp, t.TempDir(), "--file", w.path+"=busy")
	type span struct{ from, to int }
	var windows []span
	for range 5 * *rotationRounds {
		w.write(100)
		from := w.n
		stop := w.goOn()
		out, err := logrotate.Command("-f", "-s", status, conf).CombinedOutput()
		stop()
		require.NoError(t, err, "%s", out)
		windows = append(windows, span{from, w.n})
		w.write(100)
		waitFor(t, "the last line", func() bool {
			b, err := os.ReadFile(d.path("busy.log"))
			return err == nil && lastLineHas(b, fmt.Sprintf("busy seq=%07d", w.n-1))
		})
	}
	next, lost, twice := 0, 0, 0
	for _, line := range fileLines(t, d.path("busy.log")) {
		_, number, found := strings.Cut(line, "busy seq=")
		require.True(t, found, line)
		var n int
		_, err := fmt.Sscanf(number, "%d", &n)
		require.NoError(t, err, line)
		if n < next { // a copy that could not be told from another file
			twice++
			continue
		}
		for ; next < n; next++ {
			lost++
			require.Condition(t, func() bool {
				for _, window := range windows {
					if next >= window.from && next < window.to {
						return true
					}
				}
				return false
			}, "line %d was written while logrotate did not run", next)
		}
		next++
	}
	require.Equal(t, w.n, next)
	fwd.stop()
	t.Logf("%d of %d lines lost by copytruncate itself, %d twice, in %d rotations", lost, w.n, twice, len(windows))
}
