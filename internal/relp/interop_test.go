package relp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
	"github.com/dalog-project/dalog/internal/e2e/proc"
)

// patience bounds the waits for rsyslog, which tries again after a second.
const patience = 30 * time.Second

func waitFor(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !reached(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// rsyslog is a running rsyslogd with a configuration of its own.
type rsyslog struct {
	t      *testing.T
	peer   *peers.Peer
	dir    string
	config string
	output output
	*proc.Process
}

// output is what a process has written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func newRsyslog(t *testing.T, dir, config string) *rsyslog {
	t.Helper()
	if testing.Short() {
		t.Skip("runs rsyslog")
	}
	peer, err := peers.Find("rsyslog")
	if err != nil {
		peers.Lacking(t, err)
	}
	r := &rsyslog{t: t, peer: peer, dir: dir, config: config}
	t.Cleanup(func() {
		if r.Process != nil {
			require.NoError(t, r.Kill())
		}
		if t.Failed() {
			t.Logf("output of rsyslog:\n%s", r.output.String())
		}
	})
	r.start()
	return r
}

func (r *rsyslog) start() {
	r.t.Helper()
	path := filepath.Join(r.dir, "rsyslog.conf")
	require.NoError(r.t, os.WriteFile(path, []byte(fmt.Sprintf("global(workDirectory=%q maxMessageSize=\"64k\")\n", r.dir)+r.config), 0o644))
	require.NoError(r.t, errors.Join(os.RemoveAll(filepath.Join(r.dir, "pid")), os.RemoveAll(filepath.Join(r.dir, "port"))))
	args := []string{"-n", "-f", path, "-i", filepath.Join(r.dir, "pid")}
	if r.peer.Modules != "" {
		args = append(args, "-M", r.peer.Modules)
	}
	cmd := r.peer.Command(args...)
	cmd.Stdout, cmd.Stderr = &r.output, &r.output
	p, err := proc.Start(cmd)
	require.NoError(r.t, err)
	r.Process = p
}

// omrelp is a rsyslog that takes octet-counted messages over TCP and sends what
// is behind their header by RELP to addr.
type omrelp struct {
	*rsyslog
	in net.Conn
}

func newOmrelp(t *testing.T, addr string) *omrelp {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	dir := t.TempDir()
	o := &omrelp{rsyslog: newRsyslog(t, dir, fmt.Sprintf(`
global(parser.escapeControlCharactersOnReceive="off")
module(load="imtcp")
module(load="omrelp")
input(type="imtcp" port="0" address="127.0.0.1" listenPortFileName=%q)
template(name="content" type="string" string="%%msg%%")
action(type="omrelp" target=%q port=%q template="content" action.resumeInterval="1" action.resumeRetryCount="-1")
`, filepath.Join(dir, "port"), host, port))}
	o.connect()
	return o
}

func (o *omrelp) connect() {
	o.t.Helper()
	waitFor(o.t, "rsyslog's port", func() bool {
		port, err := os.ReadFile(filepath.Join(o.dir, "port"))
		if err != nil {
			return false
		}
		o.in, err = net.Dial("tcp", "127.0.0.1:"+strings.TrimSpace(string(port)))
		return err == nil
	})
	o.t.Cleanup(func() { o.in.Close() })
}

// log hands messages to rsyslog.
func (o *omrelp) log(messages ...string) {
	o.t.Helper()
	var b []byte
	for _, m := range messages {
		m = "<13>1 2026-03-07T04:05:06Z web1 app - - - " + m
		b = fmt.Appendf(b, "%d %s", len(m), m)
	}
	_, err := o.in.Write(b)
	require.NoError(o.t, err)
}

func (h *collector) await(t *testing.T, last string) {
	t.Helper()
	waitFor(t, last, func() bool { return slices.Contains(h.all(), last) })
}

func TestOmrelp(t *testing.T) {
	t.Parallel()
	t.Run("content", func(t *testing.T) {
		t.Parallel()
		h := newCollector(t, ServerConfig{MaxMessage: 50_000})
		o := newOmrelp(t, h.listen("").Addr().String())
		big := strings.Repeat("big ", 10_000)
		huge := strings.Repeat("huge", 14_000)
		messages := append(numbered("line", 1000), "\ntwo\nlines", "caf\u00e9 \xff\x1b[0m", big, huge, "last")
		o.log(messages...)
		h.await(t, "last")
		messages[len(messages)-2] = huge[:50_000]
		require.Equal(t, messages, h.all())

		// rsyslog ends its session in good order.
		require.NoError(t, o.Stop(patience))
		_, errs := h.ended(t)
		require.Empty(t, errs)
		require.NotContains(t, o.output.String(), "omrelp")
	})
	t.Run("empty messages and NUL", func(t *testing.T) {
		t.Parallel()
		h := newCollector(t, ServerConfig{})
		o := newOmrelp(t, h.listen("").Addr().String())
		o.log("a", "", "nul \x00 here", "", "last")
		h.await(t, "last")
		require.NoError(t, o.Stop(patience))
		empty, errs := h.ended(t)
		require.Empty(t, errs)
		require.Equal(t, []string{"a", "nul #000 here", "last"}, h.all())
		require.Equal(t, uint64(2), empty)
	})
	t.Run("server killed", func(t *testing.T) {
		t.Parallel()
		h := newCollector(t, ServerConfig{})
		h.delay = func() time.Duration { return time.Millisecond }
		o := newOmrelp(t, h.listen("").Addr().String())
		messages := numbered("message", 4000)
		for i := 0; i < len(messages); i += 2000 {
			o.log(messages[i : i+2000]...)
			waitFor(t, "some messages", func() bool { return len(h.all()) > i+500 })
			h.kill()
		}
		o.log("last")
		h.await(t, "last")
		copies := requireAll(t, append(messages, "last"), h.all())
		require.NoError(t, o.Stop(patience))
		h.ended(t)
		require.GreaterOrEqual(t, h.opened, 3)
		t.Logf("%d connections, %d copies", h.opened, copies)
	})
	t.Run("server stopped and started", func(t *testing.T) {
		t.Parallel()
		h := newCollector(t, ServerConfig{})
		listener := h.listen("")
		o := newOmrelp(t, listener.Addr().String())
		messages := numbered("message", 4000)
		for i := 0; i < len(messages); i += 2000 {
			o.log(messages[i : i+2000]...)
			waitFor(t, "some messages", func() bool { return len(h.all()) > i+500 })
			require.NoError(t, listener.Close())
			h.stop()
			listener = h.listen(listener.Addr().String())
		}
		o.log("last")
		h.await(t, "last")
		copies := requireAll(t, append(messages, "last"), h.all())
		require.NoError(t, o.Stop(patience))
		_, errs := h.ended(t)
		require.GreaterOrEqual(t, h.opened, 3)
		t.Logf("%d connections, %d copies", h.opened, copies)
		require.Empty(t, errs)
	})
	t.Run("rsyslog killed", func(t *testing.T) {
		t.Parallel()
		h := newCollector(t, ServerConfig{})
		o := newOmrelp(t, h.listen("").Addr().String())
		first := numbered("first", 1000)
		o.log(first...)
		h.await(t, "first 999")
		require.NoError(t, o.Kill())
		o.rsyslog.start()
		o.connect()
		second := numbered("second", 1000)
		o.log(second...)
		h.await(t, "second 999")
		requireAll(t, append(first, second...), h.all())
	})
}

// imrelp is a rsyslog that takes RELP and has written a message to its file,
// one a line, before it answers it.
type imrelp struct {
	*rsyslog
	addr string
}

func newImrelp(t *testing.T) *imrelp {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().String()
	require.NoError(t, free.Close())
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	dir := t.TempDir()
	r := &imrelp{newRsyslog(t, dir, fmt.Sprintf(`
main_queue(queue.type="Direct")
module(load="imrelp")
input(type="imrelp" port=%q address="127.0.0.1" maxDataSize="64k")
template(name="content" type="string" string="%%rawmsg%%\n")
action(type="omfile" file=%q template="content")
`, port, filepath.Join(dir, "out"))), addr}
	return r
}

func (r *imrelp) sender() *sender {
	return &sender{t: r.t, dial: func() (net.Conn, error) { return net.Dial("tcp", r.addr) }}
}

// lines are what is stored.
func (r *imrelp) lines() []string {
	r.t.Helper()
	out, err := os.ReadFile(filepath.Join(r.dir, "out"))
	require.NoError(r.t, err)
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func withHeader(messages []string) []string {
	var all []string
	for _, m := range messages {
		all = append(all, "<13>1 2026-03-07T04:05:06Z web1 app - - - "+m)
	}
	return all
}

func TestImrelp(t *testing.T) {
	t.Parallel()
	t.Run("content", func(t *testing.T) {
		t.Parallel()
		r := newImrelp(t)
		d := r.sender()
		messages := withHeader(append(numbered("line", 3000), "two\nlines", "nul \x00 here", strings.Repeat("big ", 10_000), "last"))
		d.deliver(messages, sometimes(20))
		require.Equal(t, len(messages), d.answers)
		require.Equal(t, 1, d.opened)
		stored := r.lines()
		require.Len(t, stored, len(messages))
		for i := range messages {
			want := strings.NewReplacer("\n", "#012", "\x00", "#000").Replace(messages[i])
			require.Equal(t, want, stored[i])
		}
	})
	t.Run("empty message", func(t *testing.T) {
		t.Parallel()
		r := newImrelp(t)
		d := r.sender()
		d.deliver([]string{"", "<13>x"}, sometimes(1))
		require.Equal(t, 2, d.answers)
	})
	t.Run("commands and offers that it does not know", func(t *testing.T) {
		t.Parallel()
		r := newImrelp(t)
		waitFor(t, "rsyslog's port", func() bool {
			conn, err := net.Dial("tcp", r.addr)
			if err != nil {
				return false
			}
			defer conn.Close()
			c, err := Open(t.Context(), conn, ClientConfig{Commands: []string{"dalogopen", "dalog"}, Offers: []Offer{{"dalogmax", "1048576"}, {"batch", ""}}})
			require.NoError(t, err)
			require.Equal(t, librelp, c.Offers().Software())
			require.False(t, c.Agreed("dalog"))
			require.NoError(t, c.Close())
			require.Equal(t, ErrClosed, c.Err())
			return true
		})
	})
	t.Run("rsyslog killed", func(t *testing.T) {
		t.Parallel()
		r := newImrelp(t)
		d := r.sender()
		messages := withHeader(numbered("message", 20_000))
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.deliver(messages, sometimes(20))
		}()
		for i := range 3 {
			waitFor(t, "some messages", func() bool {
				d.mu.Lock()
				defer d.mu.Unlock()
				return d.answers > i*5000+1000
			})
			require.NoError(t, r.Kill())
			r.start()
		}
		<-done
		t.Logf("%d copies", requireAll(t, messages, r.lines()))
	})
	t.Run("rsyslog stopped", func(t *testing.T) {
		t.Parallel()
		r := newImrelp(t)
		d := r.sender()
		messages := withHeader(numbered("message", 20_000))
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.deliver(messages, sometimes(20))
		}()
		waitFor(t, "some messages", func() bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.answers > 1000
		})
		require.NoError(t, r.Stop(patience))
		r.start()
		<-done
		t.Logf("%d copies", requireAll(t, messages, r.lines()))
	})
	t.Run("client killed", func(t *testing.T) {
		t.Parallel()
		r := newImrelp(t)
		d := r.sender()
		dial := d.dial
		d.dial = func() (net.Conn, error) {
			conn, err := dial()
			if err == nil && d.opened < 5 {
				time.AfterFunc(20*time.Millisecond, func() { conn.Close() })
			}
			return conn, err
		}
		messages := withHeader(numbered("message", 20_000))
		d.deliver(messages, sometimes(20))
		waitFor(t, "the last message", func() bool { return slices.Contains(r.lines(), messages[len(messages)-1]) })
		require.Greater(t, d.opened, 1)
		t.Logf("%d copies", requireAll(t, messages, r.lines()))
	})
}
