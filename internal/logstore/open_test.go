package logstore

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

func TestOpenCreatesWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "logs")
	cfg := Config{Dir: dir}
	if os.Geteuid() == 0 {
		cfg.Owner = &Owner{UID: 33, GID: 34}
	}
	s, stop := runStore(t, cfg)
	submit(t, s, lines(1, "cron")...)
	for name, mode := range map[string]fs.FileMode{
		".": 0o755 | fs.ModeDir, ".dalogd": 0o700 | fs.ModeDir, "docassemble.log": 0o600, "access.log": 0o600, "cron.log": 0o600, ".dalogd/lock": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), name)
		if cfg.Owner != nil {
			st := info.Sys().(*syscall.Stat_t)
			require.Equal(t, *cfg.Owner, Owner{int(st.Uid), int(st.Gid)}, name)
		}
	}
	stop()

	// What is there keeps its mode and its content.
	require.NoError(t, os.Chmod(filepath.Join(dir, "cron.log"), 0o640))
	s, stop = runStore(t, cfg)
	submit(t, s, lines(1, "cron")...)
	stop()
	info, err := os.Stat(filepath.Join(dir, "cron.log"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode())
	require.Len(t, content(t, s, "cron.log"), 2*(len(testHeader)-2+len("line 0\n")))
}

func TestOpenWarnsOfAnOpenFolder(t *testing.T) {
	t.Parallel()
	for mode, warned := range map[os.FileMode]bool{0o755: false, 0o775: false, 0o777: true} {
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, mode))
		var logged logBuffer
		s, err := Open(Config{Dir: dir, Logger: logged.logger()})
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.Equal(t, warned, strings.Contains(logged.String(), "chmod o-w"), "%o", mode)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"log folder is a file", Config{Dir: file}, "log folder: " + file + " is not a folder"},
		{"log folder below a file", Config{Dir: filepath.Join(file, "x")}, "log folder: "},
		{"state folder is a file", Config{Dir: t.TempDir(), StateDir: file}, "state folder: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(c.cfg)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, file)
		})
	}
}

func TestOpenWithoutTheRightToWrite(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	d.Inject(vfstest.Fault{Op: vfstest.Create, Times: -1, Err: syscall.EACCES})
	_, err := openTwin(d.FS(), Config{})
	require.ErrorIs(t, err, fs.ErrPermission)
}

func TestOpenBesideAFileOfAnother(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	outsideAppend(t, d, "worker.log", "theirs\n")
	d.Inject(vfstest.Fault{Op: vfstest.Open, Name: "worker.log", Times: -1, Err: syscall.EACCES})
	var logged logBuffer
	s := twinStore(t, d, Config{Logger: logged.logger()})
	require.Contains(t, logged.String(), "file=worker.log")
	stop := startStore(t, s)
	submit(t, s, message("celery", "a"))
	stop()
	require.Equal(t, testHeader+"a\n", onDisk(t, d, overflowFile))
	require.Equal(t, "theirs\n", onDisk(t, d, "worker.log"))
}

func TestOpenOnAFullDisk(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	d.SetFree(0, -1)
	s := twinStore(t, d, Config{})
	require.ErrorIs(t, s.Err(), syscall.ENOSPC)
	stop := startStore(t, s)
	confirmed := make(chan error, 1)
	require.NoError(t, s.Submit(t.Context(), testTime, lines(1, "nginx"), func(err error) { confirmed <- err }))
	_, err := s.List()
	require.NoError(t, err, "reading goes on")
	require.Empty(t, confirmed)
	d.SetFree(-1, -1)
	require.NoError(t, <-confirmed)
	require.NoError(t, s.Err())
	submit(t, s, message("celery", "a"))
	stop()
	require.Equal(t, testHeader+"a\n", onDisk(t, d, "worker.log"))
}

func TestLock(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir(), StateDir: filepath.Join(t.TempDir(), "state")}
	first, err := Open(cfg)
	require.NoError(t, err)
	_, err = Open(cfg)
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	require.Equal(t, LockedError{Dir: cfg.StateDir, PID: os.Getpid()}, *locked)
	require.EqualError(t, err, fmt.Sprintf("process %d already uses the state folder %s: stop it, or use another log folder", os.Getpid(), cfg.StateDir))
	require.NoError(t, first.Close())

	again, err := Open(cfg)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(cfg.StateDir, lockName), []byte("nonsense"), 0o600))
	_, err = Open(cfg)
	require.ErrorAs(t, err, &locked)
	require.Zero(t, locked.PID)
	require.ErrorContains(t, err, "another process already uses")
	require.NoError(t, again.Close())
}

// Another process holds the lock, and it ends with that process however it dies.
func TestLockEndsWithItsProcess(t *testing.T) {
	if dir := os.Getenv("DALOG_TEST_LOCK"); dir != "" {
		_, err := Open(Config{Dir: dir})
		require.NoError(t, err)
		fmt.Println("locked")
		io.Copy(io.Discard, os.Stdin)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	other := exec.Command(os.Args[0], "-test.run=^TestLockEndsWithItsProcess$")
	other.Env = append(os.Environ(), "DALOG_TEST_LOCK="+dir)
	stdin, err := other.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	stdout, err := other.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, other.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "locked\n", line)

	_, err = Open(Config{Dir: dir})
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	require.Equal(t, other.Process.Pid, locked.PID)
	require.NoError(t, other.Process.Kill())
	require.Error(t, other.Wait())
	s, err := Open(Config{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}
