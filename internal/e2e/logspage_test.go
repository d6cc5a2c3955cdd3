package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// The tests here play docassemble's Logs page against a running dalogd. What
// the page does stands in httpindex/testdata/logspage.py, a case each.

// logsPage is a case of the script, ready to run.
func logsPage(t *testing.T, base, name string, args ...string) *exec.Cmd {
	t.Helper()
	python := peer(t, "python3")
	root, err := peers.ModuleRoot()
	require.NoError(t, err)
	script := filepath.Join(root, "internal/httpindex/testdata/logspage.py")
	return python.Command(append([]string{script, base, name}, args...)...)
}

func requirePage(t *testing.T, base, name string, args ...string) {
	t.Helper()
	out, err := logsPage(t, base, name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, args, out)
}

// expectFile is a file of lines, for --expect.
func expectFile(t *testing.T, lines []string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "expect")
	writeFile(t, path, text(lines))
	return path
}

const stamp = "2026-11-23T08:27:00+00:00"

// feed sends lines of a program over the framed port and waits until they are
// in its file.
func feed(t *testing.T, d *dalogd, program, file string, lines ...string) {
	t.Helper()
	before := countLines(t, d.path(file))
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(framed("<15>1 " + stamp + " web1 " + program + " - - - " + line))
	}
	play(t, d.tcp, []byte(b.String()))
	waitLines(t, d.path(file), before+len(lines))
}

// 1: lines of two senders, one of each generation, in their files; the files
// are docassemble's.
func TestLogsPageLines(t *testing.T) {
	t.Parallel()
	d := startDalogd(t, "")
	var framedStream, lineStream strings.Builder
	ours, theirs := numbered("docassemble: ip=203.0.113.24 i=na uid=na user=na new", 0, 200), numbered("ip=203.0.113.25 i=na uid=na user=na old", 0, 200)
	for i := range ours {
		framedStream.WriteString(framed("<15>1 " + stamp + ` web2 docassemble - - [meta sequenceId="` + strconv.Itoa(i+1) + `"] ` + ours[i] + "\n"))
		lineStream.WriteString("<15>docassemble: " + theirs[i] + "\x00")
	}
	play(t, d.tcp, []byte(framedStream.String()))
	play(t, d.tcp, []byte(lineStream.String()))
	waitLines(t, d.path("docassemble.log"), 400)
	requirePage(t, d.http[0], "lines", "--file", "docassemble.log", "--expect", expectFile(t, ours),
		"--prefix", `2026-11-23T08:27:00(\.0+)?(Z|\+00:00) web2 docassemble: `)
	requirePage(t, d.http[0], "lines", "--file", "docassemble.log", "--expect", expectFile(t, theirs),
		"--prefix", `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) 127\.0\.0\.1 docassemble: `)

	for _, c := range central {
		info, err := os.Stat(d.path(c.file))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode(), c.file)
	}
}

// 2, 3, 7: the list on both ports, the first file, the names.
func TestLogsPageList(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.Mkdir(dir, 0o755))
	writeFile(t, filepath.Join(dir, "my file.log"), "with a blank in its name\n")
	writeFile(t, filepath.Join(dir, ".hidden"), "no\n")
	writeFile(t, filepath.Join(dir, "host:514.log"), "no\n")
	writeFile(t, filepath.Join(dir, "_x"), "no\n")
	writeFile(t, filepath.Join(dir, "sub", "x.log"), "no\n")
	d := startDalogd(t, dir, "--http", "127.0.0.1:0")
	require.Len(t, d.http, 2)
	feed(t, d, "docassemble", "docassemble.log", numbered("docassemble: ip=203.0.113.24", 0, 100)...)
	for _, base := range d.http {
		requirePage(t, base, "list")
		requirePage(t, base, "first")
		requirePage(t, base, "names")
		requirePage(t, base, "download")
	}
}

// 4: downloads of a file that grows by 1,000 lines a second and more.
func TestLogsPageWhileFileGrows(t *testing.T) {
	t.Parallel()
	d := startDalogd(t, "")
	feed(t, d, "docassemble", "docassemble.log", numbered("app", 0, 1000)...)
	conn, err := net.Dial("tcp", d.tcp)
	require.NoError(t, err)
	defer conn.Close()
	page := logsPage(t, d.http[0], "growing", "--file", "docassemble.log", "--rounds", "300")
	done := make(chan error, 1)
	go func() {
		out, err := page.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		done <- err
	}()
	for n := 1000; ; n += 20 {
		var b strings.Builder
		for _, line := range numbered("app", n, 20) {
			b.WriteString(framed("<15>1 " + stamp + " web1 docassemble - - - " + line))
		}
		_, err := conn.Write([]byte(b.String()))
		require.NoError(t, err)
		select {
		case err := <-done:
			require.NoError(t, err)
			require.Greater(t, n, 1200, "the file has hardly grown")
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// 2 to 6 and 8 again, while 1,000 lines a second come and the file is closed at
// each 100 KB.
func TestLogsPageWhileRotating(t *testing.T) {
	t.Parallel()
	d := startDalogd(t, "", "--rotate-size", "100000")
	feed(t, d, "docassemble", "docassemble.log", numbered("app", 0, 100)...)
	conn, err := net.Dial("tcp", d.tcp)
	require.NoError(t, err)
	defer conn.Close()
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for n := 100; ; n += 20 {
			select {
			case <-stop:
				failed <- nil
				return
			case <-every.C:
			}
			var b strings.Builder
			for _, line := range numbered("ip=203.0.113.3 user=anonymous app", n, 20) {
				b.WriteString(framed("<15>1 " + stamp + " web1 docassemble - - - " + line))
			}
			if _, err := conn.Write([]byte(b.String())); err != nil {
				failed <- err
				return
			}
		}
	}()
	closed := func() int {
		parts, err := filepath.Glob(d.path("docassemble.log.d") + "/*.log*")
		require.NoError(t, err)
		return len(parts)
	}
	for round := 0; round < 2 || closed() < 6; round++ {
		requirePage(t, d.http[0], "first")
		requirePage(t, d.http[0], "download")
		requirePage(t, d.http[0], "tail", "--file", "docassemble.log")
		requirePage(t, d.http[0], "filter", "--file", "docassemble.log", "--pattern", "app.*7$")
		requirePage(t, d.http[0], "logfile", "--file", "docassemble.log")
		if closed() > 1 {
			requirePage(t, d.http[0], "logfile", "--file", "docassemble.log.1")
			requirePage(t, d.http[0], "tail", "--file", "docassemble.log.1")
		}
	}
	close(stop)
	require.NoError(t, <-failed)
}

// 4: logrotate renames the file in the middle of a download.
func TestLogsPageWhileFileIsRenamed(t *testing.T) {
	t.Parallel()
	d := startDalogd(t, "")
	lines := make([]string, 20_000)
	for i := range lines {
		lines[i] = fmt.Sprintf("%0400d", i) // too much for the socket buffers
	}
	feed(t, d, "docassemble", "docassemble.log", lines...)
	page := logsPage(t, d.http[0], "pause", "--file", "docassemble.log")
	stdin, err := page.StdinPipe()
	require.NoError(t, err)
	stdout, err := page.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	page.Stderr = &stderr
	require.NoError(t, page.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "paused\n", line)

	require.NoError(t, os.Rename(d.path("docassemble.log"), d.path("docassemble.log.1")))
	require.NoError(t, d.Signal(syscall.SIGHUP))
	sendUntil(t, d, "docassemble.log", "after the rotation")
	_, err = io.WriteString(stdin, "\n")
	require.NoError(t, err)
	require.NoError(t, page.Wait(), "%s", &stderr)
	// 8: the page's download of the rotated file.
	requirePage(t, d.http[0], "logfile", "--file", "docassemble.log.1")
	requirePage(t, d.http[0], "lines", "--file", "docassemble.log.1", "--expect", expectFile(t, lines))
}

// sendUntil sends a line of docassemble until it is in the file: right after a
// rename the line may still go to the renamed file.
func sendUntil(t *testing.T, d *dalogd, file, line string) {
	t.Helper()
	waitFor(t, line, func() bool {
		play(t, d.tcp, []byte(framed("<15>1 "+stamp+" web1 docassemble - - - "+line)))
		return countLines(t, d.path(file)) > 0
	})
}

// 5: the last 30 lines, of files of many kinds.
func TestLogsPageTail(t *testing.T) {
	t.Parallel()
	d := startDalogd(t, "")
	many := numbered("line", 0, 500)
	for i, c := range []struct {
		name  string
		lines []string
		// stored is how the lines read in the file, where that differs.
		stored []string
	}{
		{"ASCII", many, nil},
		{"UTF-8", numbered("Grüße aus Zürich, 東京", 0, 500), nil},
		{"a line of 60 KB", append(numbered("a", 0, 100), strings.Repeat("x", 60_000), "after it"), nil},
		{"CR inside", append(numbered("b", 0, 100), "one\rtwo"), append(numbered("b", 0, 100), `one\x0dtwo`)},
		{"five lines", many[:5], nil},
		{"one line", many[:1], nil},
		{"30 lines", many[:30], nil},
		{"31 lines", many[:31], nil},
		{"no UTF-8", append(numbered("c", 0, 100), "\xff\xfe raw"), append(numbered("c", 0, 100), `\xff\xfe raw`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			program := fmt.Sprintf("tail%d", i)
			feed(t, d, program, program+".log", c.lines...)
			if c.stored == nil {
				c.stored = c.lines
			}
			requirePage(t, d.http[0], "tail", "--file", program+".log", "--expect", expectFile(t, c.stored))
		})
	}
	t.Run("empty", func(t *testing.T) {
		requirePage(t, d.http[0], "tail", "--file", "websockets.log")
	})
	t.Run("no LF at the source", func(t *testing.T) {
		// A line without its end, as the last thing that a sender says.
		play(t, d.tcp, []byte("<15>Nov 23 08:27:00 web1 cut: first\n<15>Nov 23 08:27:00 web1 cut: second"))
		waitLines(t, d.path("cut.log"), 2)
		requirePage(t, d.http[0], "tail", "--file", "cut.log", "--expect", expectFile(t, []string{"cut: first", "cut: second"}))
	})
}

// 6: the filter, also in a file that was fed with bytes that are no UTF-8.
func TestLogsPageFilter(t *testing.T) {
	t.Parallel()
	d := startDalogd(t, "")
	var lines, hits []string
	for i := range 300 {
		line := fmt.Sprintf("docassemble: ip=203.0.113.%d i=na uid=na user=na value \xff %d", i%5, i)
		lines = append(lines, line)
		if i%5 == 3 {
			hits = append(hits, strings.ReplaceAll(line, "\xff", `\xff`))
		}
	}
	feed(t, d, "docassemble", "docassemble.log", lines...)
	requirePage(t, d.http[0], "filter", "--file", "docassemble.log", "--pattern", `ip=203\.0\.113\.3 .*(value|nothing)`, "--expect", expectFile(t, hits))
	requirePage(t, d.http[0], "filter", "--file", "docassemble.log", "--pattern", `^no such line$`, "--expect", os.DevNull)
}

// 9: a new installation.
func TestLogsPageFresh(t *testing.T) {
	t.Parallel()
	d := startDalogd(t, "")
	requirePage(t, d.http[0], "fresh")
	requirePage(t, d.http[0], "list")
}

// 10: the health checks that a cluster waits for.
func TestLogsPageHealth(t *testing.T) {
	t.Parallel()
	ready := filepath.Join(t.TempDir(), "ready")
	d := startDalogd(t, "", "--ready-file", ready)
	requirePage(t, d.http[0], "health")
	requirePage(t, d.http[0], "not-ready")
	writeFile(t, ready, "")
	requirePage(t, d.http[0], "ready")
	requirePage(t, d.http[0], "health")
	require.NoError(t, os.Remove(ready))
	requirePage(t, d.http[0], "not-ready")
}

// 11 is TestStopKeepsWhatWasReceived.

// 12: a folder that cannot be listed.
func TestLogsPageUnreadableFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(worldDir(t), "log")
	require.NoError(t, os.Mkdir(dir, 0o777))
	require.NoError(t, os.Chmod(dir, 0o777))
	d := startDalogdAs(t, nobody, dir)
	requirePage(t, d.http[0], "list")
	require.NoError(t, os.Chmod(dir, 0))
	requirePage(t, d.http[0], "unlistable")
	require.NoError(t, os.Chmod(dir, 0o777))
	requirePage(t, d.http[0], "list")
}
