package httpindex

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
	"github.com/dalog-project/dalog/internal/logstore"
	"github.com/dalog-project/dalog/internal/syslog"
)

// The cases of docassemble's Logs page, played by testdata/logspage.py against
// this package over a real log folder. What needs more than that is left to
// the tests with whole processes: lines that come over the network, owners of
// files, the stop by a signal, and files that dalogd rotates by itself.
func TestLogsPage(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		peers.Lacking(t, "python3 is missing: it plays docassemble's Logs page; install it (apt-get install python3)")
	}
	for _, c := range []struct {
		name string
		test func(*testing.T, player)
	}{
		{"01 lines of two senders stand in their files", testTwoSenders},
		{"02 the list is quick and can be opened", testList},
		{"03 a first visit shows docassemble.log", testFirstVisit},
		{"04 a download of a growing file is exact", testGrowing},
		{"04 a download goes on while the file is rotated", testRotatedMeanwhile},
		{"05 the last lines are those of tail", testTail},
		{"06 a filter finds what it should", testFilter},
		{"07 names are asked for in every form", testNames},
		{"08 a rotated file is downloaded by its button", testLogfile},
		{"09 a fresh installation has empty files", testFresh},
		{"10 probes see whether the host is ready", testProbes},
		{"11 what was confirmed is there after a stop under load", testStopUnderLoad},
		{"12 a folder that cannot be read is an error", testUnlistable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, player{python})
		})
	}
}

// player runs the Logs page.
type player struct{ python string }

func (p player) command(base, name string, args ...string) *exec.Cmd {
	return exec.Command(p.python, append([]string{"testdata/logspage.py", base, name}, args...)...)
}

// holds requires that a case holds, and returns what it printed.
func (p player) holds(t *testing.T, base, name string, args ...string) string {
	t.Helper()
	out, err := p.command(base, name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), out)
	return string(out)
}

// expect writes lines to a file for --expect.
func expect(t *testing.T, lines []string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "expect")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// A sender hands messages to a store as a receiver of syslog would.
type sender struct {
	store *logstore.Store
	peer  *syslog.Peer
	host  string
}

func newSender(store *logstore.Store, addr, host string) sender {
	return sender{store, &syslog.Peer{Addr: netip.MustParseAddr(addr), Name: addr}, host}
}

// submit hands over one message for each text and waits for the commit.
func (s sender) submit(program string, texts ...string) error {
	msgs := make([]syslog.Message, len(texts))
	for i, text := range texts {
		msgs[i] = syslog.Message{
			Pri: 15, Version: 1, Time: syslog.At(time.Now()),
			Host: []byte(s.host), Program: []byte(program), Text: []byte(text), From: s.peer,
		}
	}
	committed := make(chan error, 1)
	if err := s.store.Submit(context.Background(), time.Now(), msgs, func(err error) { committed <- err }); err != nil {
		return err
	}
	return <-committed
}

func numbered(format string, n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(format, i)
	}
	return lines
}

func testTwoSenders(t *testing.T, page player) {
	dir := t.TempDir()
	store, _ := openStore(t, dir)
	base := serve(t, Config{Logs: store})
	var wait sync.WaitGroup
	for i, host := range []string{"web1", "web2"} {
		s := newSender(store, fmt.Sprintf("10.0.0.%d", i+1), host)
		for _, program := range []string{"docassemble", "celery"} {
			wait.Go(func() {
				for batch := range 20 {
					if !assertNoError(t, s.submit(program, numbered(fmt.Sprintf("%s to %s, batch %d line %%d", host, program, batch), 50)...)) {
						return
					}
				}
			})
		}
	}
	wait.Wait()
	for file, program := range map[string]string{"docassemble.log": "docassemble", "worker.log": "celery"} {
		for _, host := range []string{"web1", "web2"} {
			var want []string
			for batch := range 20 {
				want = append(want, numbered(fmt.Sprintf("%s to %s, batch %d line %%d", host, program, batch), 50)...)
			}
			page.holds(t, base, "lines", "--file", file, "--expect", expect(t, want),
				"--prefix", `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d) `+host+` `+program+`: `)
		}
		info, err := os.Stat(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
}

func testList(t *testing.T, page player) {
	dir := t.TempDir()
	for _, name := range []string{"docassemble.log.1", "my file.log", "Zebra.log", ".rsync.X3f", "_x.log", "web@1.log", "ünï.log"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("line\n"), 0o600))
	}
	big, err := os.Create(filepath.Join(dir, "big.log"))
	require.NoError(t, err)
	_, err = big.WriteAt([]byte("line\n"), 5<<30)
	require.NoError(t, err)
	require.NoError(t, big.Close())
	store, _ := openStore(t, dir)
	before, err := os.ReadDir(dir)
	require.NoError(t, err)
	page.holds(t, serve(t, Config{Logs: store}), "list")
	after, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, len(before), len(after), "the list has changed the folder")
}

func testFirstVisit(t *testing.T, page player) {
	store, _ := openStore(t, t.TempDir())
	require.NoError(t, newSender(store, "10.0.0.1", "web1").submit("nginx", "a line"))
	base := serve(t, Config{Logs: store})
	page.holds(t, base, "first")
	page.holds(t, base, "download")
}

func testGrowing(t *testing.T, page player) {
	store, _ := openStore(t, t.TempDir())
	base := serve(t, Config{Logs: store})
	s := newSender(store, "10.0.0.1", "web1")
	require.NoError(t, s.submit("docassemble", "first"))
	var lines atomic.Int64
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		every := time.NewTicker(10 * time.Millisecond)
		defer every.Stop()
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			case <-every.C:
			}
			if err := s.submit("docassemble", numbered("growing %d", 50)...); err != nil {
				stopped <- err
				return
			}
			lines.Add(50)
		}
	}()
	began := time.Now()
	page.holds(t, base, "growing", "--file", "docassemble.log", "--rounds", "100")
	rate := float64(lines.Load()) / time.Since(began).Seconds()
	close(stop)
	require.NoError(t, <-stopped)
	t.Logf("%.0f lines a second were appended meanwhile", rate)
}

func testRotatedMeanwhile(t *testing.T, page player) {
	dir := t.TempDir()
	store, _ := openStore(t, dir)
	base := serve(t, Config{Logs: store})
	s := newSender(store, "10.0.0.1", "web1")
	text := strings.Repeat("x", 4000)
	for range 32 {
		require.NoError(t, s.submit("docassemble", numbered(text+" %d", 256)...))
	}
	cmd := page.command(base, "pause", "--file", "docassemble.log")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, complaints.String())
	require.Equal(t, "paused\n", line)

	path := filepath.Join(dir, "docassemble.log")
	require.NoError(t, os.Rename(path, path+".1"))
	require.NoError(t, store.Reopen(context.Background()))
	require.NoError(t, s.submit("docassemble", "after the rotation"))
	_, err = io.WriteString(in, "\n")
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait(), complaints.String())

	page.holds(t, base, "logfile", "--file", "docassemble.log.1")
	page.holds(t, base, "lines", "--file", "docassemble.log", "--expect", expect(t, []string{"after the rotation"}))
}

func testTail(t *testing.T, page player) {
	short := numbered("line %d of the day", 200)
	long := append(numbered("line %d", 500), strings.Repeat("long ", 12_000))
	long = append(long, numbered("line %d behind it", 10)...)
	for _, c := range []struct {
		name string
		text []string
		want []string // nil: as text
		any  bool     // the page's own rule may go wrong
	}{
		{name: "ASCII", text: short},
		{name: "five lines", text: short[:5]},
		{name: "one line", text: short[:1]},
		{name: "thirty lines", text: short[:30]},
		{name: "thirty-one lines", text: short[:31]},
		{name: "a line of 60 KB", text: long},
		{name: "UTF-8", text: numbered("línea %d – ünïcode ☃ 日本語", 200), any: true},
		{name: "CR inside", text: []string{"a\rb", "c"}, want: []string{`a\x0db`, "c"}},
		{name: "escape sequences", text: []string{"\x1b[31mred", "c"}, want: []string{`\x1b[31mred`, "c"}},
		{name: "invalid UTF-8", text: []string{"a\xffb", "c"}, want: []string{`a\xffb`, "c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store, _ := openStore(t, t.TempDir())
			require.NoError(t, newSender(store, "10.0.0.1", "web1").submit("docassemble", c.text...))
			want := c.want
			if want == nil {
				want = c.text
			}
			said := page.holds(t, serve(t, Config{Logs: store}), "tail", "--file", "docassemble.log", "--expect", expect(t, want))
			if !c.any {
				require.Equal(t, "shown as it is\n", said)
			}
		})
	}
	t.Run("half a line at the end", func(t *testing.T) {
		t.Parallel()
		base, _ := serveFiles(t, map[string]string{"other.log": "whole\nhal"})
		page.holds(t, base, "tail", "--file", "other.log", "--expect", expect(t, []string{"whole"}))
	})
	t.Run("an empty file", func(t *testing.T) {
		t.Parallel()
		base, _ := serveFiles(t, nil)
		require.Equal(t, "shown as it is\n", page.holds(t, base, "tail", "--file", "docassemble.log"))
	})
}

func testFilter(t *testing.T, page player) {
	store, _ := openStore(t, t.TempDir())
	base := serve(t, Config{Logs: store})
	var texts, errors []string
	for i := range 300 {
		texts = append(texts, fmt.Sprintf("uid=a%d user=pat@example.org \xff ünï %d", i, i))
		if i%5 == 0 {
			errors = append(errors, fmt.Sprintf("uid=a%d NameError: name 'landlrod' is not defined", i))
			texts = append(texts, errors[len(errors)-1])
		}
	}
	require.NoError(t, newSender(store, "10.0.0.1", "web1").submit("docassemble", texts...))
	page.holds(t, base, "filter", "--file", "docassemble.log", "--pattern", `(?i)nameerror: .*\bNOT\b`, "--expect", expect(t, errors))
	page.holds(t, base, "filter", "--file", "docassemble.log", "--pattern", `uid=a299 .*ünï`, "--expect", expect(t, []string{"ünï 299"}))
	page.holds(t, base, "filter", "--file", "docassemble.log", "--pattern", `^nothing`, "--expect", expectNothing(t))
}

func expectNothing(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "expect")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	return path
}

func testNames(t *testing.T, page player) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "my file.log"), []byte("line\n"), 0o600))
	store, _ := openStore(t, dir)
	require.NoError(t, newSender(store, "10.0.0.1", "web1").submit("docassemble", "a line"))
	page.holds(t, serve(t, Config{Logs: store}), "names")
}

func testLogfile(t *testing.T, page player) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "docassemble.log.1"), []byte("older\n"), 0o600))
	store, _ := openStore(t, dir)
	base := serve(t, Config{Logs: store})
	page.holds(t, base, "logfile", "--file", "docassemble.log.1")
	page.holds(t, base, "lines", "--file", "docassemble.log.1", "--expect", expect(t, []string{"older"}))
}

func testFresh(t *testing.T, page player) {
	store, _ := openStore(t, filepath.Join(t.TempDir(), "log"))
	page.holds(t, serve(t, Config{Logs: store}), "fresh")
}

func testProbes(t *testing.T, page player) {
	store, _ := openStore(t, t.TempDir())
	readyFile := filepath.Join(t.TempDir(), "ready")
	base := serve(t, Config{Logs: store, ReadyFile: readyFile})
	page.holds(t, base, "health")
	page.holds(t, base, "not-ready")
	require.NoError(t, os.WriteFile(readyFile, nil, 0o600))
	page.holds(t, base, "ready")
	page.holds(t, base, "health")
	require.NoError(t, os.Remove(readyFile))
	page.holds(t, base, "not-ready")
}

func testStopUnderLoad(t *testing.T, page player) {
	dir := t.TempDir()
	store, stop := openStore(t, dir)
	confirmed := make([][]string, 4)
	var enough, wait sync.WaitGroup
	for i := range confirmed {
		s := newSender(store, fmt.Sprintf("10.0.0.%d", i+1), fmt.Sprintf("web%d", i+1))
		enough.Add(1)
		wait.Go(func() {
			for n := 0; ; n++ {
				if n == 20 {
					enough.Done()
				}
				text := fmt.Sprintf("sender %d line %d", i, n)
				if s.submit("docassemble", text) != nil {
					return
				}
				confirmed[i] = append(confirmed[i], text)
			}
		})
	}
	enough.Wait()
	stop()
	wait.Wait()

	again, _ := openStore(t, dir)
	base := serve(t, Config{Logs: again})
	for _, texts := range confirmed {
		require.GreaterOrEqual(t, len(texts), 20)
		page.holds(t, base, "lines", "--file", "docassemble.log", "--expect", expect(t, texts))
	}
}

func testUnlistable(t *testing.T, page player) {
	dir := filepath.Join(t.TempDir(), "log")
	store, _ := runStore(t, logstore.Config{Dir: dir, StateDir: t.TempDir()})
	base := serve(t, Config{Logs: store})
	page.holds(t, base, "fresh")
	require.NoError(t, os.RemoveAll(dir))
	page.holds(t, base, "unlistable")
}

// assertNoError reports an error from a goroutine of a test.
func assertNoError(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}
