package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dalogfwd reads its configuration again, time and again, while its files are
// written to and renamed: servers, TLS files, globs, limits and the protocol's
// details change, and now and then there is a mistake. dalogd renews its
// certificate beside it. Each line is stored once, in order.
func TestForwarderReloads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	makeCertificates(t, dir)
	otherCA := filepath.Join(t.TempDir(), "ca.pem")
	ca, err := os.ReadFile(at("ca.pem"))
	require.NoError(t, err)
	writeFile(t, otherCA, string(ca))
	d := startDalogd(t, "", "--tls-cert", at("cert.pem"), "--tls-key", at("key.pem"))
	nobody := "127.0.0.1:" + freePort(t)
	config := at("dalogfwd.yaml")
	write := func(lines ...string) {
		writeFile(t, config+".new", strings.Join(lines, "\n")+"\n")
		require.NoError(t, os.Rename(config+".new", config))
	}
	one, late := "  - "+at("app*.log")+"=app", "  - "+at("late.log")+"=late:err"
	write("server: "+d.tcp, "state_dir: "+at("state"), "file:", one)
	fwd := start(t, "dalogfwd", exec.Command(dalogfwdPath, "--config", config))
	fwd.waitOutput("msg=ready")

	stop := make(chan struct{})
	var writers sync.WaitGroup
	halt := sync.OnceFunc(func() { close(stop); writers.Wait() })
	t.Cleanup(halt)
	lines := make([]int, 2)
	var followed atomic.Bool // late.log: what was rotated away before that is left alone
	for i, name := range []string{"app0", "late"} {
		writers.Go(func() {
			w := &rotatingWriter{path: at(name + ".log"), late: 50}
			defer w.close()
			for n := 0; w.err == nil; n += 10 {
				select {
				case <-stop:
					lines[i] = n
					return
				default:
				}
				if n > 0 && n%400 == 0 && (name == "app0" || followed.Load()) {
					w.rename()
				}
				w.write(text(numbered(name, n, 10)), 10)
				time.Sleep(2 * time.Millisecond)
			}
			t.Error(w.err)
		})
	}
	reload := func(fails string) {
		t.Helper()
		out, err := exec.Command(dalogfwdPath, "reload", "--wait", "--config", "none", "--state-dir", at("state")).CombinedOutput()
		if fails == "" {
			require.NoError(t, err, "%s", out)
		} else {
			require.Error(t, err)
			require.Contains(t, string(out), fails)
			require.Contains(t, string(out), "the former one stays in force")
		}
	}
	for round := range 8 {
		write("server: "+nobody+","+d.tcp, "state_dir: "+at("state"), "file:", one, late, "hold_deleted: "+strconv.Itoa(500+round)+"MiB")
		reload("")
		followed.Store(true)
		write("server: "+d.tcp, "file:", one, late, "tls_ca: "+at("ca.pem"), "state_dir: "+at("elsewhere"))
		reload("")
		require.NoError(t, d.Signal(syscall.SIGHUP))
		write("server: "+d.tcp, "file:", one, late, "tls_ca: "+at("nothing.pem"))
		reload("nothing.pem")
		write("server: "+d.tcp, "file:", one, "max_lin: 1")
		reload(config + ":4: unknown setting max_lin, did you mean max_line?")
		write("server: "+d.tcp, "state_dir: "+at("state"), "file:", late, one, "tls_ca: "+otherCA, "hostname: web"+strconv.Itoa(round))
		require.NoError(t, fwd.Signal(syscall.SIGHUP))
		reload("")
	}
	halt()
	for i, name := range []string{"app0", "late"} {
		path := d.path(strings.TrimSuffix(name, "0") + ".log")
		waitLines(t, path, lines[i])
		requireNumbered(t, path, name, lines[i])
	}
	t.Logf("%d and %d lines", lines[0], lines[1])
	status, err := exec.Command(dalogfwdPath, "status", "--config", "none", "--state-dir", at("state")).CombinedOutput()
	require.NoError(t, err, "%s", status)
	assert.Contains(t, string(fwd.output.bytes()), "settings=state_dir")
	fwd.requireRunning()
	fwd.stop()
}

// A reload waits for what could not be opened again: a deleted file that is not
// delivered.
func TestReloadKeepsDeletedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	writeFile(t, at("app.log"), text(numbered("app", 0, 1000)))
	address := "127.0.0.1:" + freePort(t) // where nobody listens yet
	writeFile(t, at("config"), "server: "+address+"\nstate_dir: "+at("state")+"\nfile: "+at("app.log")+"=app\n")
	fwd := start(t, "dalogfwd", exec.Command(dalogfwdPath, "--config", at("config")))
	fwd.waitOutput("new file")
	require.NoError(t, os.Remove(at("app.log")))
	fwd.waitOutput("file was rotated")
	writeFile(t, at("config"), "server: "+address+"\nstate_dir: "+at("state")+"\nfile: ["+at("app.log")+"=app, "+at("b.log")+"=b]\n")
	require.NoError(t, fwd.Signal(syscall.SIGHUP))
	fwd.waitOutput("the new configuration waits")
	out, err := exec.Command(dalogfwdPath, "status", "--config", "none", "--state-dir", at("state")).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "are held open, and delivered before that")

	d := startDalogd(t, "", "--syslog", address)
	waitLines(t, d.path("app.log"), 1000)
	requireNumbered(t, d.path("app.log"), "app", 1000)
	fwd.waitOutput("msg=reloaded")
	appendFile(t, at("b.log"), text(numbered("b", 0, 10)))
	waitLines(t, d.path("b.log"), 10)
	requireNumbered(t, d.path("app.log"), "app", 1000)
	fwd.stop()
}

// Where the state folder cannot be used at the moment of a reload, the former
// configuration is taken up again when it can.
func TestReloadWithoutStateFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	d := startDalogd(t, "")
	config := func(more string) {
		writeFile(t, at("config"), "server: "+d.tcp+"\nstate_dir: "+at("state")+"\nfile: "+at("app.log")+"=app\n"+more)
	}
	config("")
	appendFile(t, at("app.log"), text(numbered("app", 0, 1000)))
	fwd := start(t, "dalogfwd", exec.Command(dalogfwdPath, "--config", at("config")))
	waitLines(t, d.path("app.log"), 1000)
	require.NoError(t, os.Rename(at("state"), at("away")))
	writeFile(t, at("state"), "in the way")
	config("keep_blank: true\n")
	require.NoError(t, fwd.Signal(syscall.SIGHUP))
	fwd.waitOutput("nothing is delivered until the state folder can be used again")
	appendFile(t, at("app.log"), text(numbered("app", 1000, 100)))
	require.NoError(t, os.Remove(at("state")))
	require.NoError(t, os.Rename(at("away"), at("state")))
	waitLines(t, d.path("app.log"), 1100)
	out, err := exec.Command(dalogfwdPath, "reload", "--wait", "--config", "none", "--state-dir", at("state")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	appendFile(t, at("app.log"), text(numbered("app", 1100, 100)))
	waitLines(t, d.path("app.log"), 1200)
	requireNumbered(t, d.path("app.log"), "app", 1200)
	fwd.stop()
}
