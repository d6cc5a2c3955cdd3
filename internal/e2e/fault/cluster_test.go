package fault

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/proc"
)

// cluster is dalogd and app servers whose dalogfwd send it their files.
type cluster struct {
	*setup
	servers []*appServer
}

// appServer is a folder of log files that programs write and rotate, and the
// state folder of the dalogfwd that follows them.
type appServer struct {
	t     *testing.T
	addr  string
	state string
	args  []string // more flags
	wrap  []string // a command that is to run dalogfwd
	host  string
	files []*appFile

	fwd    *proc.Process // nil: not running
	output logBuffer     // of all runs
	begun  int           // where that of the present run begins
	hold   sync.Mutex    // held while the files must not change
}

// appFile is one log file. Its lines are those of one source, numbered.
type appFile struct {
	path    string
	program string
	source  int
	next    int // seq of the next line
	rotated int // files it was renamed to
	file    *os.File
}

// newCluster makes app servers with that many files each. Nothing runs.
func newCluster(t *testing.T, servers, files int, args ...string) *cluster {
	t.Helper()
	dir := memoryFolder(t)
	c := &cluster{setup: newSetup(t, filepath.Join(dir, "central"), args...)}
	for i := range servers {
		s := &appServer{t: t, addr: c.addr, state: filepath.Join(dir, fmt.Sprintf("state%d", i))}
		logs := filepath.Join(dir, fmt.Sprintf("logs%d", i))
		require.NoError(t, os.MkdirAll(logs, 0o755))
		for k := range files {
			n := i*files + k
			s.files = append(s.files, &appFile{path: filepath.Join(logs, fmt.Sprintf("f%d.log", n)), program: fmt.Sprintf("p%02d", n), source: n})
		}
		c.servers = append(c.servers, s)
		t.Cleanup(func() {
			s.kill()
			for _, f := range s.files {
				f.close()
			}
			if t.Failed() {
				out := s.output.String()
				t.Logf("dalogfwd said:\n%s", out[max(0, len(out)-30_000):])
			}
		})
	}
	return c
}

// start starts the app server's dalogfwd and does not wait for anything.
func (s *appServer) start() {
	s.t.Helper()
	args := []string{"--server", s.addr, "--state-dir", s.state, "--hostname", cmp.Or(s.host, "web"), "--docassemble-config", "none", "--log-level", "debug"}
	for _, f := range s.files {
		args = append(args, "--file", f.path+"="+f.program)
	}
	args = append(append(append([]string{}, s.wrap...), dalogfwdPath), append(args, s.args...)...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	s.begun = s.output.Len()
	p, err := proc.Start(cmd)
	require.NoError(s.t, err)
	s.fwd = p
}

// kill ends dalogfwd as a crash does.
func (s *appServer) kill() {
	s.t.Helper()
	if s.fwd == nil {
		return
	}
	if s.fwd.Ended() {
		s.t.Errorf("dalogfwd has ended by itself: %s", s.fwd.State())
	}
	require.NoError(s.t, s.fwd.Kill())
	s.fwd = nil
	s.examine()
}

// stop ends dalogfwd as a service manager does, which waits until it is there.
func (s *appServer) stop() {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return strings.Contains(s.output.String()[s.begun:], "msg=ready") }, patience, time.Millisecond)
	require.NoError(s.t, s.fwd.Stop(patience))
	require.Zero(s.t, s.fwd.Wait(), "exit code")
	s.fwd = nil
	s.examine()
}

func (s *appServer) examine() {
	s.t.Helper()
	for _, bad := range []string{"panic:", "fatal error:", "DATA RACE", "internal fault"} {
		require.NotContains(s.t, s.output.String(), bad)
	}
	if s.output.Len() > 4<<20 {
		s.output.Reset()
	}
}

// append writes n lines to the file.
func (f *appFile) append(t *testing.T, n int) {
	t.Helper()
	if f.file == nil {
		file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		require.NoError(t, err)
		f.file = file
	}
	var b []byte
	for range n {
		b = append(appendLine(b, f.source, f.next), '\n')
		f.next++
	}
	_, err := f.file.Write(b)
	require.NoError(t, err)
}

// rotate renames the file as logrotate does; the next line goes to a new one.
func (f *appFile) rotate(t *testing.T) {
	t.Helper()
	if f.file == nil {
		return
	}
	for i := f.rotated; i > 0; i-- {
		require.NoError(t, os.Rename(fmt.Sprintf("%s.%d", f.path, i), fmt.Sprintf("%s.%d", f.path, i+1)))
	}
	require.NoError(t, os.Rename(f.path, f.path+".1"))
	f.rotated++
	f.close()
}

// tidy removes what was rotated away.
func (f *appFile) tidy(t *testing.T) {
	t.Helper()
	for ; f.rotated > 0; f.rotated-- {
		require.NoError(t, os.Remove(fmt.Sprintf("%s.%d", f.path, f.rotated)))
	}
}

func (f *appFile) close() {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}

// saw tells whether the app server's dalogfwd has said that.
func (s *appServer) saw(text string) bool { return strings.Contains(s.output.String(), text) }

// work writes and rotates in all files until the test ends. Before that all files
// have been seen once: what is rotated away before is left alone.
func (c *cluster) work(random *rand.Rand) {
	c.t.Helper()
	for _, s := range c.servers {
		for _, f := range s.files {
			f.append(c.t, 1)
		}
	}
	c.settle()
	done := make(chan struct{})
	var group sync.WaitGroup
	c.t.Cleanup(func() { close(done); group.Wait() })
	for _, s := range c.servers {
		random := rand.New(rand.NewPCG(random.Uint64(), 2))
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
				s.hold.Lock()
				f := s.files[random.IntN(len(s.files))]
				f.append(c.t, 1+random.IntN(20))
				if random.IntN(30) == 0 && f.rotated < 8 {
					f.rotate(c.t)
				}
				s.hold.Unlock()
			}
		})
	}
}

// settle lets everything arrive, nothing being written meanwhile, stops all
// sides and wants every line once and in order. It then removes what was rotated.
func (c *cluster) settle() (lines int) {
	c.t.Helper()
	for _, s := range c.servers {
		s.hold.Lock()
		defer s.hold.Unlock()
	}
	d := c.run()
	for _, s := range c.servers {
		if s.fwd == nil {
			s.start()
		}
	}
	for _, s := range c.servers {
		for _, f := range s.files {
			c.waitLast(f)
		}
	}
	for _, s := range c.servers {
		s.stop()
	}
	d.stop()
	lines = c.require()
	for _, s := range c.servers {
		for _, f := range s.files {
			f.tidy(c.t)
		}
	}
	return lines
}

// waitLast waits until the file's last line is in the central file.
func (c *cluster) waitLast(f *appFile) {
	c.t.Helper()
	if f.next == 0 {
		return
	}
	want := appendLine(nil, f.source, f.next-1)
	eventually(c.t, fmt.Sprintf("the last line of %s (%d) to arrive", f.path, f.next-1), func() bool {
		names, err := generations(c.dir, f.program)
		require.NoError(c.t, err)
		for i := len(names) - 1; i >= 0; i-- {
			if end := fileEnd(names[i]); len(end) > 0 {
				return bytes.HasSuffix(bytes.TrimSuffix(end, []byte("\n")), want)
			}
		}
		return false
	})
}

// fileEnd is the last of what a file holds.
func fileEnd(name string) []byte {
	if !strings.HasSuffix(name, ".log") {
		data, _ := contents(name) // it may be gone by now; then it is asked again
		return data
	}
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	size, _ := f.Seek(0, io.SeekEnd)
	data := make([]byte, min(size, 1024))
	n, _ := f.ReadAt(data, size-int64(len(data)))
	return data[:n]
}

// require wants every line of every file once and in order, and counts them.
func (c *cluster) require() (lines int) {
	c.t.Helper()
	for _, s := range c.servers {
		for _, f := range s.files {
			got := c.stored(f)
			for i, seq := range got {
				if seq != i {
					c.t.Fatalf("%s: line %d stands where line %d is due (%d lines, %d written): %v", f.program, seq, i, len(got), f.next, got[max(0, i-5):min(len(got), i+5)])
				}
			}
			require.Len(c.t, got, f.next, "%s: lines of %s", f.program, f.path)
			lines += len(got)
		}
	}
	return lines
}

// stored is the numbers of the lines that the central server has of a file, in
// the order in which they stand there.
func (c *cluster) stored(f *appFile) (seqs []int) {
	c.t.Helper()
	names, err := generations(c.dir, f.program)
	require.NoError(c.t, err)
	for _, name := range names {
		data, err := contents(name)
		require.NoError(c.t, err)
		require.NotContains(c.t, string(data), "\x00", name)
		for line := range bytes.Lines(data) {
			source, seq, err := parseLine(bytes.TrimSuffix(line, []byte("\n")))
			require.NoError(c.t, err, "%s: %.200q", name, line)
			require.Equal(c.t, f.source, source, "%s: %.200q", name, line)
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// logBuffer keeps what a program prints.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // under mu
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logBuffer) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Len()
}

func (b *logBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Reset()
}
