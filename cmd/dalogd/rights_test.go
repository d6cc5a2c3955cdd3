package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// nobody is a user that every Debian has; the tests choose it by number.
const nobody = 65534

// rightsFolder is a folder that other users can reach.
func rightsFolder(t *testing.T) string {
	t.Helper()
	peers.NeedRoot(t, "give up rights")
	dir, err := os.MkdirTemp("", "dalogd-rights-*")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

// asUser is dalogd that becomes a user.
func asUser(args ...string) *exec.Cmd {
	cmd := command(args...)
	cmd.Env = append(cmd.Env, fmt.Sprintf("DALOGD_USER=%d:%d", nobody, nobody))
	return cmd
}

// startAsUser is startIn with this log folder.
func startAsUser(t *testing.T, dir string, args ...string) *daemon {
	t.Helper()
	return startIn(t, asUser("--log-dir", dir), args...)
}

func owners(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil // a file that is gone by now
		}
		st := info.Sys().(*syscall.Stat_t)
		rel, _ := filepath.Rel(dir, path)
		all[rel] = fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, info.Mode().Perm())
		return nil
	}))
	return all
}

// Started as root, dalogd has its ports and then no right of root in any thread;
// everything it makes is the user's, tight, and works: rotation, the control
// socket, TLS files read again, a restart.
func TestBecomesUser(t *testing.T) {
	t.Parallel()
	base := rightsFolder(t)
	dir := filepath.Join(base, "log")
	certs := newCertFiles(t, base)
	for _, file := range []string{certs.cert, certs.key} {
		require.NoError(t, os.Chown(file, 0, nobody))
		require.NoError(t, os.Chmod(file, 0o640))
	}
	d := startAsUser(t, dir, "--rotate-size", "4KiB", "--tls-cert", certs.cert, "--tls-key", certs.key, "--syslog-tls", "127.0.0.1:0")
	require.Contains(t, d.err.String(), `msg="no longer root"`)
	require.NotContains(t, d.err.String(), "cannot be read again")
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", d.cmd.Process.Pid))
	require.NoError(t, err)
	require.NotEmpty(t, threads)
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		fields := map[string]string{}
		for line := range strings.Lines(string(status)) {
			key, value, _ := strings.Cut(line, ":")
			fields[key] = strings.Join(strings.Fields(value), " ")
		}
		id := strconv.Itoa(nobody)
		require.Equal(t, strings.Join([]string{id, id, id, id}, " "), fields["Uid"])
		require.Equal(t, strings.Join([]string{id, id, id, id}, " "), fields["Gid"])
		require.Empty(t, strings.Trim(strings.ReplaceAll(fields["Groups"], id, ""), " "))
		for _, set := range []string{"CapEff", "CapPrm", "CapInh", "CapAmb"} {
			require.Equal(t, strings.Repeat("0", 16), fields[set], set)
		}
	}

	c := dial(t, "tcp", d.addr["tcp"])
	_, err = c.Write([]byte(strings.Repeat("<13>p: "+strings.Repeat("x", 100)+"\n", 100)))
	require.NoError(t, err)
	eventually(t, func() bool {
		parts, _ := filepath.Glob(filepath.Join(dir, "p.log.d", "*.zst"))
		return len(parts) > 0
	}, "a part is closed and compressed")
	code, _, stderr := call("reopen", "--wait", "--log-dir", dir)
	require.Equal(t, cli.ExitOK, code, stderr)
	certs.renew(t, "second")
	eventually(t, func() bool { return shownName(d.addr["tls"]) == "second" }, "the certificate is read again")

	for name, is := range owners(t, dir) {
		require.True(t, strings.HasPrefix(is, "65534:65534 "), "%s: %s", name, is)
		if mode := strings.Fields(is)[1]; name == "." || strings.HasSuffix(name, ".log.d") {
			require.Equal(t, "755", mode, name)
		} else if !strings.HasSuffix(name, "/control") { // a socket, in a folder of mode 700
			require.Regexp(t, "^[67]00$", mode, name)
		}
	}
	d.signal(syscall.SIGKILL)
	<-d.ended
	again := startAsUser(t, dir)
	eventually(t, func() bool { return strings.Contains(again.err.String(), "new=false") }, "it knows the store")
	again.signal(syscall.SIGTERM)
	again.wantExit(cli.ExitOK)
}

// Without a word about users, the log files belong to www-data where there is
// such a user, as docassemble expects.
func TestDefaultUser(t *testing.T) {
	t.Parallel()
	base := rightsFolder(t)
	www, err := user.Lookup(defaultUser)
	if err != nil {
		peers.Lacking(t, err)
	}
	dir := filepath.Join(base, "log")
	cmd := command("--log-dir", dir)
	cmd.Env = append(cmd.Env, "DALOGD_USER=")
	startIn(t, cmd)
	require.Equal(t, www.Uid+":"+www.Gid+" 600", owners(t, dir)["docassemble.log"])
}

// A folder that a dalogd used which stayed root is taken over, and given back.
func TestTakesFolderOver(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(rightsFolder(t), "log")
	write := func(d *daemon, want int) {
		c := dial(t, "tcp", d.addr["tcp"])
		_, err := c.Write([]byte("<13>p: line\n"))
		require.NoError(t, err)
		eventually(t, func() bool {
			b, err := os.ReadFile(filepath.Join(dir, "p.log"))
			return err == nil && strings.Count(string(b), "\n") == want
		}, "line %d", want)
		d.signal(syscall.SIGTERM)
		d.wantExit(cli.ExitOK)
	}
	asRoot := func() *daemon { return startIn(t, command("--log-dir", dir)) }
	write(asRoot(), 1)
	require.Equal(t, "0:0 600", owners(t, dir)["p.log"])
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600))
	require.NoError(t, os.Link(filepath.Join(dir, "notes.txt"), filepath.Join(dir, "linked.log")))
	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(dir, "link.log")))
	write(startAsUser(t, dir), 2)
	is := owners(t, dir)
	require.Equal(t, "65534:65534 600", is["p.log"])
	require.Equal(t, "65534:65534 700", is[".dalogd"])
	require.Equal(t, "0:0 600", is["notes.txt"], "not dalogd's")
	require.Equal(t, "0:0 600", is["linked.log"], "a file with two names could be anybody's")
	require.True(t, strings.HasPrefix(owners(t, "/etc/hostname")["."], "0:0 "), "no link is followed")
	write(asRoot(), 3)
}

// What keeps dalogd from becoming the user is told before anything is changed.
func TestCannotBecomeUser(t *testing.T) {
	t.Parallel()
	base := rightsFolder(t)
	foreign := filepath.Join(base, "foreign")
	require.NoError(t, os.Mkdir(foreign, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "passwd"), nil, 0o600))
	linked := filepath.Join(base, "linked")
	require.NoError(t, os.Mkdir(linked, 0o755))
	require.NoError(t, os.Symlink(foreign, filepath.Join(linked, ".dalogd")))
	for name, tc := range map[string]struct {
		dir, want string
		code      int
	}{
		"folder of others": {foreign, "belongs to root and has files of others in it", cli.ExitFolder},
		"state is a link":  {linked, ".dalogd is a link or no folder at all", cli.ExitFolder},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := asUser("--log-dir", tc.dir, "--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0")
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, tc.code, exit.ExitCode(), string(out))
			require.Contains(t, string(out), tc.want)
			require.Equal(t, 1, strings.Count(string(out), "\n"), string(out))
		})
	}
	for name, is := range owners(t, base) {
		if name != "linked/.dalogd" { // the link itself
			require.True(t, strings.HasPrefix(is, "0:0 "), "%s: %s", name, is)
		}
	}
}

// TLS files that only root can read are told of at the start, and are no reason
// not to take over other settings.
func TestUnreadableCertificate(t *testing.T) {
	t.Parallel()
	base := rightsFolder(t)
	certs := newCertFiles(t, base) // of root, 0600
	config := configFile{t, filepath.Join(base, "dalogd.yaml")}
	tls := []string{"tls_cert: " + certs.cert, "tls_key: " + certs.key, "syslog_tls: 127.0.0.1:0"}
	config.write(tls...)
	require.NoError(t, os.Chmod(config.path, 0o644))
	d := startAsUser(t, filepath.Join(base, "log"), "--config", config.path)
	require.Contains(t, d.err.String(), `msg="cannot be read again by this user: when it changes, dalogd has to be restarted.`)
	require.Equal(t, "first", shownName(d.addr["tls"]))
	config.write(append(tls, "keep_age: 5d")...)
	require.NoError(t, os.Chmod(config.path, 0o644))
	said := d.reload()
	require.Contains(t, said, "TLS certificate not reloaded, the former one stays in use")
	require.Contains(t, said, "keep_age: 5d")
	require.Contains(t, said, "msg=reloaded")
	require.Equal(t, "first", shownName(d.addr["tls"]))
}

// Ports below 1024 are taken before root is given up.
func TestBindsLowPort(t *testing.T) {
	t.Parallel()
	base := rightsFolder(t)
	host := ""
	for i := 97; host == ""; i++ {
		require.Less(t, i, 127, "no address has ports 514 and 80 free")
		host = fmt.Sprintf("127.0.0.%d", i)
		for _, port := range []string{"514", "80"} {
			l, err := net.Listen("tcp", net.JoinHostPort(host, port))
			if err != nil {
				host = ""
				break
			}
			l.Close()
		}
	}
	addr := host + ":514"
	d := startAsUser(t, filepath.Join(base, "log"), "--syslog", "tcp:"+addr, "--http", host+":80")
	require.Equal(t, addr, d.addr["tcp"])
	require.Contains(t, d.get("/"), "docassemble.log")
}
