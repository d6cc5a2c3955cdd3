package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The exit codes that --help documents.
const (
	exitUsage        = 2
	exitAddressInUse = 3
	exitNoRight      = 4
	exitFolder       = 5
	exitLocked       = 6
)

const nobody = 65534

// failsToStart runs a program that cannot start, and wants its exit code and,
// as the whole of its output, one line that holds every text of want.
func failsToStart(t *testing.T, cmd *exec.Cmd, wantCode int, want ...string) {
	t.Helper()
	p := start(t, filepath.Base(cmd.Path), cmd)
	code := p.waitEnd()
	out := string(p.output.bytes())
	require.Equal(t, wantCode, code, "exit code; output: %s", out)
	for _, text := range want {
		require.Contains(t, out, text)
	}
	require.Equal(t, 1, strings.Count(out, "\n"), "lines of output: %s", out)
}

// as makes cmd run as another user, where the test is root; else the test runs
// it as its own user, which is not root either.
func as(cmd *exec.Cmd, uid uint32) *exec.Cmd {
	if os.Getuid() == 0 && uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	return cmd
}

func TestDalogdFailsToStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	takenUDP, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer takenUDP.Close()

	dalogd := func(t *testing.T, args ...string) *exec.Cmd {
		t.Helper()
		return exec.Command(dalogdPath, append([]string{
			"--log-dir", filepath.Join(t.TempDir(), "log"), "--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0"}, args...)...)
	}
	t.Run("unknown flag", func(t *testing.T) {
		failsToStart(t, dalogd(t, "--no-such-flag"), exitUsage, "--no-such-flag", "--help")
	})
	t.Run("bad line format", func(t *testing.T) {
		failsToStart(t, dalogd(t, "--line-format", "fancy"), exitUsage, "fancy", "iso", "bsd")
	})
	t.Run("bad address", func(t *testing.T) {
		failsToStart(t, dalogd(t, "--syslog", "127.0.0.1:port"), exitUsage, "127.0.0.1:port")
	})
	t.Run("TCP port taken", func(t *testing.T) {
		addr := taken.Addr().String()
		failsToStart(t, dalogd(t, "--syslog", "tcp:"+addr), exitAddressInUse, addr)
	})
	t.Run("UDP port taken", func(t *testing.T) {
		addr := takenUDP.LocalAddr().String()
		failsToStart(t, dalogd(t, "--syslog", "udp:"+addr), exitAddressInUse, addr)
	})
	t.Run("all HTTP ports taken", func(t *testing.T) {
		addr := taken.Addr().String()
		cmd := exec.Command(dalogdPath, "--log-dir", filepath.Join(t.TempDir(), "log"), "--syslog", "127.0.0.1:0", "--http", addr)
		failsToStart(t, cmd, exitAddressInUse, addr)
	})
	t.Run("one HTTP port of two taken", func(t *testing.T) {
		// Not fatal: 514 and the other port are in order.
		addr := taken.Addr().String()
		d := startDalogd(t, "", "--http", addr)
		d.waitOutput(addr)
		d.get("/")
		d.stop()
	})
	t.Run("privileged port", func(t *testing.T) {
		lowest, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
		if err == nil && strings.TrimSpace(string(lowest)) == "0" {
			t.Skip("this system lets everybody bind port 514")
		}
		cmd := as(dalogd(t, "--log-dir", worldDir(t), "--syslog", "tcp:127.0.0.1:514"), nobody)
		failsToStart(t, cmd, exitNoRight, "127.0.0.1:514", "setcap", "--syslog")
	})
	t.Run("log folder is a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		writeFile(t, file, "")
		failsToStart(t, dalogd(t, "--log-dir", file), exitFolder, file)
	})
	t.Run("log folder not writable", func(t *testing.T) {
		dir := filepath.Join(worldDir(t), "log")
		require.NoError(t, os.Mkdir(dir, 0o555))
		failsToStart(t, as(dalogd(t, "--log-dir", dir), nobody), exitFolder, dir)
	})
	t.Run("another dalogd on the folder", func(t *testing.T) {
		d := startDalogd(t, "")
		failsToStart(t, dalogd(t, "--log-dir", d.dir), exitLocked, d.dir)
		d.stop()
		startDalogd(t, d.dir).stop()
	})
}

func TestDalogfwdFailsToStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "app.log")
	dalogfwd := func(t *testing.T, args ...string) *exec.Cmd {
		t.Helper()
		return exec.Command(dalogfwdPath, append([]string{"--state-dir", t.TempDir(), "--file", file + "=app"}, args...)...)
	}
	t.Run("unknown flag", func(t *testing.T) {
		failsToStart(t, dalogfwd(t, "--no-such-flag"), exitUsage, "--no-such-flag", "--help")
	})
	t.Run("no server", func(t *testing.T) {
		failsToStart(t, dalogfwd(t), exitUsage, "LOGSERVER", "--server")
	})
	t.Run("bad protocol", func(t *testing.T) {
		failsToStart(t, dalogfwd(t, "--server", "127.0.0.1:1", "--protocol", "carrier-pigeon"), exitUsage, "carrier-pigeon")
	})
	t.Run("bad severity", func(t *testing.T) {
		failsToStart(t, dalogfwd(t, "--server", "127.0.0.1:1", "--file", file+"=app:loud"), exitUsage, "loud")
	})
	t.Run("state folder is a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		writeFile(t, path, "")
		failsToStart(t, dalogfwd(t, "--server", "127.0.0.1:1", "--state-dir", path), exitFolder, path)
	})
	t.Run("state folder not writable", func(t *testing.T) {
		dir := filepath.Join(worldDir(t), "state")
		require.NoError(t, os.Mkdir(dir, 0o555))
		failsToStart(t, as(dalogfwd(t, "--server", "127.0.0.1:1", "--state-dir", dir), nobody), exitFolder, dir)
	})
	t.Run("another dalogfwd with the state", func(t *testing.T) {
		state := t.TempDir()
		fwd := startDalogfwd(t, "127.0.0.1:1", state, "--file", file+"=app")
		fwd.waitOutput("127.0.0.1:1")
		failsToStart(t, dalogfwd(t, "--server", "127.0.0.1:1", "--state-dir", state), exitLocked, state)
		fwd.stop()
	})
	t.Run("server of unknown name", func(t *testing.T) {
		// Not fatal: the name may be there tomorrow.
		fwd := startDalogfwd(t, "no-such-host.invalid:514", t.TempDir(), "--file", file+"=app")
		fwd.waitOutput("no-such-host.invalid")
		fwd.requireRunning()
		fwd.stop()
	})
}

// worldDir is a folder that every user may write to and get at.
func worldDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dalog-e2e-world-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o777))
	return dir
}
