package logstore

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
)

func routeOf(r *router, m syslog.Message) string { return r.route(&m).file(m.Severity()).name }

func TestRouteStandard(t *testing.T) {
	t.Parallel()
	r := newRouter(nil, 1000, 100)
	for _, c := range []struct{ program, worse, better string }{
		{"docassemble", "docassemble.log", "docassemble.log"},
		{"websockets", "websockets.log", "websockets.log"},
		{"celery", "worker.log", "worker.log"},
		{"celerysingle", "single_worker.log", "single_worker.log"},
		{"uwsgi", "uwsgi.log", "uwsgi.log"},
		{"supervisor", "supervisor.log", "supervisor.log"},
		{"nginx", "error.log", "access.log"},
		{"apache", "apache_error.log", "apache_access.log"},
		{"docassembleX", "docassembleX.log", "docassembleX.log"},
		{"Celery", "Celery.log", "Celery.log"},
		{"worker", "worker.log", "worker.log"},
	} {
		t.Run(c.program, func(t *testing.T) {
			for severity := range uint8(8) {
				m := message(c.program, "")
				m.Pri = 8 + severity
				want := c.better
				if severity <= 3 {
					want = c.worse
				}
				require.Equal(t, want, routeOf(r, m), "severity %d", severity)
			}
		})
	}
}

func TestRouteFileName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ program, want string }{
		{"cron", "cron.log"},
		{"", "unknown.log"},
		{"...", "unknown.log"},
		{"_-.", "unknown.log"},
		{"\x00\xff/", "unknown.log"},
		{"a/b", "a_b.log"},
		{"a_b", "a_b.log"},
		{"../../etc/passwd", "etc_passwd.log"},
		{".hidden", "hidden.log"},
		{"_x_", "x.log"},
		{"-rf", "rf.log"},
		{"web@1", "web_1.log"},
		{"my prog", "my_prog.log"},
		{"größe", "gr____e.log"},
		{"foo.log.1", "foo.log.1.log"},
		{"x.log.d", "x.log.d.log"},
		{"x.log", "x.log.log"},
		{"dhclient[12]", "dhclient_12.log"},
		{strings.Repeat("a", 200), strings.Repeat("a", 200) + ".log"},
		{strings.Repeat("a", 201), strings.Repeat("a", 200) + "-876056a4.log"},
		{strings.Repeat("a", 200) + "b", strings.Repeat("a", 200) + "-8a605b5d.log"},
	} {
		t.Run(fmt.Sprintf("%.20q", c.program), func(t *testing.T) {
			require.Equal(t, c.want, string(appendFileName(nil, []byte(c.program))))
		})
	}
}

func FuzzRouteFileName(f *testing.F) {
	for _, s := range []string{"cron", "", "a/b", ".x", strings.Repeat("ä.", 300)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		name := string(appendFileName(nil, program))
		require.True(t, readable(name), name)
		require.True(t, strings.HasSuffix(name, ".log"), name)
		require.LessOrEqual(t, len(name), 220)
	})
}

func TestRouteCaps(t *testing.T) {
	t.Parallel()
	from := func(addr, program string) syslog.Message {
		m := message(program, "")
		m.From = &syslog.Peer{Addr: netip.MustParseAddr(addr), Name: addr}
		return m
	}
	const standard = 11 // ten files and the overflow file

	t.Run("all", func(t *testing.T) {
		r := newRouter([]string{"old.log", "worker.log"}, standard+3, 100)
		require.Equal(t, "a.log", routeOf(r, from("10.0.0.1", "a")))
		require.Equal(t, "b.log", routeOf(r, from("10.0.0.2", "b")))
		require.Equal(t, overflowFile, routeOf(r, from("10.0.0.3", "c")))
		require.Equal(t, overflowFile, routeOf(r, from("10.0.0.3", "c")))
		require.Equal(t, "a.log", routeOf(r, from("10.0.0.3", "a")))
		require.Equal(t, "old.log", routeOf(r, from("10.0.0.3", "old")), "a file that was there before")
		require.Equal(t, "worker.log", routeOf(r, from("10.0.0.3", "celery")))
		require.Equal(t, standard+3, r.count())
	})
	t.Run("peer", func(t *testing.T) {
		r := newRouter(nil, 1000, 2)
		for i, want := range []string{"p0.log", "p1.log", overflowFile, overflowFile} {
			require.Equal(t, want, routeOf(r, from("10.0.0.1", fmt.Sprintf("p%d", i))))
		}
		require.Equal(t, "p3.log", routeOf(r, from("10.0.0.2", "p3")))
		require.Equal(t, "p3.log", routeOf(r, from("10.0.0.1", "p3")), "a file that another brought into being")
		require.Equal(t, "worker.log", routeOf(r, from("10.0.0.1", "celery")))
	})
	t.Run("IPv6 network", func(t *testing.T) {
		r := newRouter(nil, 1000, 2)
		for i, want := range []string{"p0.log", "p1.log", overflowFile} {
			require.Equal(t, want, routeOf(r, from(fmt.Sprintf("fd00::%d", i+1), fmt.Sprintf("p%d", i))))
		}
		require.Equal(t, "p2.log", routeOf(r, from("fd00:0:0:1::1", "p2")))
	})
	t.Run("no peer", func(t *testing.T) {
		r := newRouter(nil, 1000, 1)
		m := message("a", "")
		m.From = nil
		require.Equal(t, "a.log", routeOf(r, m))
	})
}

func TestRouteMemoryIsBounded(t *testing.T) {
	t.Parallel()
	r := newRouter(nil, 20, 100)
	for i := range 150 {
		require.Equal(t, "a.log", routeOf(r, message("a"+strings.Repeat("/", i+1), "")))
	}
	require.LessOrEqual(t, len(*r.known.Load()), programsPerFile*20)
	require.Equal(t, 12, r.count())
}

func TestRouteKnownProgramDoesNotAllocate(t *testing.T) {
	r := newRouter(nil, 1000, 100)
	known, overflowing := message("known", ""), message("overflowing", "")
	r.route(&known)
	require.Zero(t, testing.AllocsPerRun(100, func() { r.route(&known) }))
	r.maxFiles = 0
	require.Zero(t, testing.AllocsPerRun(100, func() { r.route(&overflowing) }))
}
