package logstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
)

func TestRoutesComeBeforeTheTable(t *testing.T) {
	t.Parallel()
	r := newRouter(nil, 1000, 100)
	r.setRoutes([]Route{
		{Program: "postfix/*", Worst: 0, Least: 3, File: "mail_errors.log"},
		{Program: "postfix/*", Worst: 0, Least: 7, File: "mail.log"},
		{Program: "nginx", Worst: 7, Least: 7, File: "nginx_access.log"},
		{Program: "app?", Worst: 5, Least: 5, File: "notices.log"},
	})
	for program, want := range map[string]string{ // by severity
		"postfix/smtpd": "mail_errors mail_errors mail_errors mail_errors mail mail mail mail",
		"postfix/a/b":   "mail_errors mail_errors mail_errors mail_errors mail mail mail mail",
		"postfix":       "postfix postfix postfix postfix postfix postfix postfix postfix",
		"nginx":         "error error error error access access access nginx_access",
		"app1":          "app1 app1 app1 app1 app1 notices app1 app1",
		"celery":        "worker worker worker worker worker worker worker worker",
	} {
		var got []string
		for severity := range uint8(8) {
			m := message(program, "")
			m.Pri = 8 + severity
			got = append(got, strings.TrimSuffix(routeOf(r, m), ".log"))
		}
		require.Equal(t, want, strings.Join(got, " "), program)
	}
	r.setRoutes(nil)
	require.Equal(t, "postfix_smtpd.log", routeOf(r, message("postfix/smtpd", "")), "what was learned is forgotten")
	require.Equal(t, "access.log", routeOf(r, message("nginx", "")))
}

// What has no file for want of room still goes where a rule says.
func TestRoutesPastTheLimit(t *testing.T) {
	t.Parallel()
	r := newRouter(nil, 0, 0)
	r.setRoutes([]Route{{Program: "a", Worst: 0, Least: 3, File: "errors.log"}})
	m := message("a", "")
	m.Pri = 8 + 2
	require.Equal(t, "errors.log", routeOf(r, m))
	m.Pri = 8 + 6
	require.Equal(t, overflowFile, routeOf(r, m))
	require.Equal(t, overflowFile, routeOf(r, message("b", "")))
}

func TestCheckRoute(t *testing.T) {
	t.Parallel()
	require.NoError(t, CheckRoute(Route{Program: "postfix/*", File: "mail.log"}))
	for _, r := range []Route{
		{Program: "", File: "a.log"}, {Program: "[a", File: "a.log"}, {Program: "a", File: ""}, {Program: "a", File: "a"}, {Program: "a", File: ".log"},
		{Program: "a", File: "../a.log"}, {Program: "a", File: "b/a.log"}, {Program: "a", File: "_a.log"}, {Program: "a", File: "a b.log"},
		{Program: "a", File: "a.log.d"}, {Program: "a", File: strings.Repeat("x", 300) + ".log"},
	} {
		require.Error(t, CheckRoute(r), r)
	}
}

// Limits and routes can be changed while the store is at work.
func TestSetRules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, _ := runStore(t, Config{Dir: dir})
	submit := func(text string) {
		require.NoError(t, r.Submit(t.Context(), time.Now(), []syslog.Message{message("p", text)}, nil))
	}
	has := func(file, text string) {
		t.Helper()
		require.Eventually(t, func() bool {
			b, err := os.ReadFile(filepath.Join(dir, file))
			return err == nil && strings.Contains(string(b), text)
		}, 10*time.Second, time.Millisecond, "%q in %s", text, file)
	}
	parts := func(file string) int {
		all, err := filepath.Glob(filepath.Join(dir, file+".d", "*"))
		require.NoError(t, err)
		return len(all)
	}
	submit("first")
	has("p.log", "first")
	eventually(t, func() bool { return applied(r) }, "written, and found to be in time")
	r.SetRules(Config{RotateSize: 1, Routes: []Route{{Program: "p", Least: 7, File: "q.log"}}})
	submit("second")
	require.Eventually(t, func() bool { return parts("q.log") > 0 }, 10*time.Second, time.Millisecond, "q.log is closed")
	r.SetRules(Config{RotateSize: 1, KeepRules: []KeepRule{{Files: "p.log", Size: -1}}})
	submit("third")
	has("p.log", "third")
	has("p.log", "first")
	require.Zero(t, parts("p.log"))
}
