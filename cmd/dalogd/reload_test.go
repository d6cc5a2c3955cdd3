package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/relp"
)

// configFile is a configuration file that is replaced as an editor does.
type configFile struct {
	t    *testing.T
	path string
}

func (c configFile) write(lines ...string) {
	c.t.Helper()
	require.NoError(c.t, os.WriteFile(c.path+".new", []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	require.NoError(c.t, os.Rename(c.path+".new", c.path))
}

// reload sends HUP and waits for what dalogd says of it.
func (d *daemon) reload() string {
	d.t.Helper()
	before := len(d.err.String())
	d.signal(syscall.SIGHUP)
	ended := regexp.MustCompile(`msg=reloaded|msg="configuration not reloaded`)
	eventually(d.t, func() bool { return ended.MatchString(d.err.String()[before:]) }, "reloaded")
	return d.err.String()[before:]
}

// Reloads under load, good ones and bad ones, of allow lists, zones, limits,
// routes, rotation and certificates: no connection ends, and each line is there
// exactly once.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	config := configFile{t, filepath.Join(base, "dalogd.yaml")}
	certs := newCertFiles(t, base)
	other := newCertFiles(t, t.TempDir())
	other.renew(t, "other")
	first := []string{"tls_cert: " + certs.cert, "tls_key: " + certs.key, "syslog_tls: 127.0.0.1:0", "allow: 127.0.0.0/8"}
	config.write(first...)
	d := startDaemon(t, "--config", config.path)

	const senders = 5 // plain, TLS, plain, TLS, RELP
	var sent [senders]atomic.Int64
	var failed atomic.Pointer[error]
	stop := make(chan struct{})
	var group sync.WaitGroup
	for i := range senders {
		var c io.Writer
		switch {
		case i == 4:
			c = startRELP(t, d.addr["tcp"])
		case i%2 == 0:
			c = dial(t, "tcp", d.addr["tcp"])
		default:
			secure, err := tls.Dial("tcp", d.addr["tls"], &tls.Config{InsecureSkipVerify: true})
			require.NoError(t, err)
			t.Cleanup(func() { secure.Close() })
			c = secure
		}
		group.Go(func() {
			for n := 0; ; n += 100 {
				select {
				case <-stop:
					return
				default:
				}
				var chunk strings.Builder
				for k := range 100 {
					fmt.Fprintf(&chunk, "<13>Nov 23 08:27:00 h load%d: number %d.\n", i, n+k)
				}
				if _, err := c.Write([]byte(chunk.String())); err != nil {
					failed.Store(&err)
					return
				}
				sent[i].Add(100)
				time.Sleep(time.Millisecond)
			}
		})
	}

	for round := range 12 {
		route := fmt.Sprintf("route: ['load*=round%d.log']", round%3)
		said := ""
		switch round % 4 {
		case 0:
			config.write(append(first, "max_connections: 5", "zone: [127.0.0.0/8=America/New_York]", "keep_age: 5d", route)...)
			said = d.reload()
			require.Contains(t, said, "max_connections: 5")
		case 1:
			config.write(append(first, "rotate_size: 64KiB", "zone: UTC", "log_level: debug", route, "line_format: bsd")...)
			said = d.reload()
			require.Contains(t, said, `msg="settings that changed count only after a restart" settings=line_format`)
		case 2:
			config.write(append(first, "alow: x")...)
			said = d.reload()
			require.Contains(t, said, "the former one stays in force")
			require.Contains(t, said, config.path+":5: unknown setting alow, did you mean allow?")
		case 3:
			config.write("tls_cert: "+other.cert, "tls_key: "+other.key, "syslog_tls: 127.0.0.1:0", "allow: [127.0.0.0/8, 10.0.0.0/8]", "rotate_size: 0")
			said = d.reload()
			require.Contains(t, said, "msg=reloaded")
			require.Equal(t, "other", shownName(d.addr["tls"]))
		}
	}
	close(stop)
	group.Wait()
	require.Nil(t, failed.Load(), "no connection ended")
	total := 0
	for i := range sent {
		total += int(sent[i].Load())
	}
	eventually(t, func() bool { return int(d.metric("dalogd_stored_messages_total")) >= total }, "all is stored")
	d.signal(syscall.SIGTERM)
	d.wantExit(cli.ExitOK)
	seen := make(map[string]int)
	for _, pattern := range []string{"*.log", "*.log.d/*.log.zst", "*.log.d/*.log"} {
		files, err := filepath.Glob(filepath.Join(d.dir, pattern))
		require.NoError(t, err)
		for _, file := range files {
			for _, line := range plainLines(t, file) {
				if m := numberOf.FindStringSubmatch(line); m != nil {
					seen[m[0]]++
				}
			}
		}
	}
	require.Len(t, seen, total)
	for line, n := range seen {
		require.Equal(t, 1, n, line)
	}
	t.Logf("%d lines", total)
}

// relpSender sends each line that is written to it as a message of RELP.
type relpSender struct{ *relp.Client }

func startRELP(t *testing.T, addr string) *relpSender {
	t.Helper()
	c, err := relp.Open(t.Context(), dial(t, "tcp", addr), relp.ClientConfig{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close(), "all is answered") })
	return &relpSender{c}
}

func (s *relpSender) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		for s.Free() == 0 {
			if err := s.Err(); err != nil {
				return 0, err
			}
			time.Sleep(time.Millisecond)
		}
		if _, err := s.Send("syslog", []byte(line)); err != nil {
			return 0, err
		}
	}
	return len(b), s.Flush()
}

// plainLines are those of a log file or of a part, compressed or not.
func plainLines(t *testing.T, file string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	if strings.HasSuffix(file, ".zst") {
		decoder, err := zstd.NewReader(nil)
		require.NoError(t, err)
		defer decoder.Close()
		content, err = decoder.DecodeAll(content, nil)
		require.NoError(t, err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

var numberOf = regexp.MustCompile(`load\d: number \d+\.$`)

// Whoever may not send or read any more is told so at the next word; the others
// go on.
func TestReloadTakesRightsAway(t *testing.T) {
	t.Parallel()
	config := configFile{t, filepath.Join(t.TempDir(), "dalogd.yaml")}
	config.write("allow: 127.0.0.0/8")
	d := startDaemon(t, "--config", config.path)
	stays := dialFrom(t, "127.0.0.1", d.addr["tcp"])
	goes := dialFrom(t, "127.0.0.9", d.addr["tcp"])
	for _, c := range []net.Conn{stays, goes} {
		_, err := c.Write([]byte("<13>p: one\n"))
		require.NoError(t, err)
	}
	eventually(t, func() bool { return len(d.lines("p.log")) == 2 }, "both are heard")
	config.write("allow: 127.0.0.1")
	d.reload()
	for _, c := range []net.Conn{stays, goes} {
		_, err := c.Write([]byte("<13>p: two\n"))
		require.NoError(t, err)
	}
	require.NoError(t, goes.SetReadDeadline(time.Now().Add(15*time.Second)))
	_, err := goes.Read(make([]byte, 1))
	require.Error(t, err)
	require.False(t, os.IsTimeout(err))
	eventually(t, func() bool { return len(d.lines("p.log")) == 3 }, "one is still heard")
	require.Contains(t, d.get("/"), "p.log")
	require.Contains(t, d.err.String(), "reason=peer_not_allowed")
}

func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := dialer.Dial("tcp", to)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}
