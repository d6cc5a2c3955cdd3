package fault

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// logrotate rotates dalogd's files, running, stopped or killed, with and without a
// word to dalogd: nothing is lost, but what copytruncate says itself that it loses.
func TestLogrotate(t *testing.T) {
	t.Parallel()
	logrotate := need(t, "logrotate")
	const hangup = "postrotate\nkill -HUP PID\nendscript\nsharedscripts"
	const hangupAndWait = "postrotate\nkill -HUP PID\nsleep 1\nendscript\nsharedscripts"
	for _, c := range []struct {
		name, options string
		busy          law // of a rotation at work
	}{
		{"create", "create", law{}},
		{"create and signal", "create\n" + hangup, law{}},
		{"nocreate", "nocreate\n" + hangup, law{}},
		{"delayed compression", "create\ncompress\ndelaycompress\n" + hangup, law{}},
		{"compression", "create\ncompress\n" + hangupAndWait, law{}},
		{"compression without waiting", "create\ncompress\n" + hangup, law{}},
		{"compression without a signal", "create\ncompress", law{}},
		{"dates", "create\ndateext\ndateformat -%Y%m%d-%s\n" + hangup, law{}},
		{"copytruncate", "copytruncate", law{gaps: true, cut: true}},
		{"copytruncate and compression", "copytruncate\ncompress", law{gaps: true, cut: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, filepath.Join(t.TempDir(), "log"), "--rotate-size", "0", "--rotate-every", "never")
			l := startLoad(t, s.addr, mix{relp: 2, programs: 2})
			tool := &rotator{t: t, logrotate: logrotate, dir: s.dir, options: c.options}
			d := s.run()
			n := 0
			for i := range repeat(t, 2, 20) {
				n++
				l.waitProgress(200)
				tool.rotate(d.PID()) // at work
				l.waitProgress(200)
				l.hold()
				tool.rotate(d.PID()) // idle
				l.resume()
				l.waitProgress(50)
				l.hold()
				if i%2 == 0 {
					d.stop()
				} else {
					d.kill()
				}
				tool.rotate(0) // down
				d = s.run()
				l.resume()
			}
			l.hold()
			d.stop()
			a := l.require(s.dir, c.busy)
			t.Logf("rotated %d times, lines acknowledged %d: %s", 3*n, l.acked(), a)
		})
	}
}

// Rotations at a time when nothing is written cost nothing at all.
func TestCopytruncateIdle(t *testing.T) {
	t.Parallel()
	logrotate := need(t, "logrotate")
	s := newSetup(t, filepath.Join(t.TempDir(), "log"), "--rotate-size", "0", "--rotate-every", "never")
	l := startLoad(t, s.addr, mix{relp: 2, programs: 2})
	tool := &rotator{t: t, logrotate: logrotate, dir: s.dir, options: "copytruncate"}
	d := s.run()
	n := 0
	for i := range repeat(t, 4, 40) {
		n++
		l.waitProgress(200)
		l.hold()
		// What is not in its file yet, dalogd may add while that is copied, or
		// when it starts after it has died: to the file that is there then.
		l.waitStored(s.dir)
		if i%2 == 0 {
			d.kill()
			d = s.run()
		}
		tool.rotate(d.PID())
		l.resume()
	}
	l.hold()
	d.stop()
	t.Logf("rotated %d times, lines acknowledged %d: %s", n, l.acked(), l.requireAll(s.dir))
}

// rotator runs logrotate over all files of the load.
type rotator struct {
	t         *testing.T
	logrotate *peers.Peer
	dir       string
	options   string
}

// rotate forces a rotation. pid is that of dalogd, 0 if it is stopped.
func (r *rotator) rotate(pid int) {
	r.t.Helper()
	if strings.Contains(r.options, "%s") { // names by the second, of a clock that may be some milliseconds late
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1100 * time.Millisecond)))
	}
	options := strings.ReplaceAll(r.options, "PID", fmt.Sprint(pid))
	if pid == 0 {
		options = strings.ReplaceAll(options, "kill -HUP 0", "true")
	}
	dir := r.t.TempDir()
	config := fmt.Sprintf("su root root\n%s/p*.log {\nrotate 1000\nmissingok\n%s\n}\n", r.dir, options)
	path := filepath.Join(dir, "logrotate.conf")
	require.NoError(r.t, os.WriteFile(path, []byte(config), 0o644))
	out, err := r.logrotate.Command("-f", "-s", filepath.Join(r.dir, "..", "logrotate.state"), path).CombinedOutput()
	require.NoError(r.t, err, "%s", out)
}
