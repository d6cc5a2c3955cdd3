package httpindex

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFingerprint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lines []string
		title string
		shape string
	}{
		{"docassemble's one line",
			[]string{`docassemble: ip=198.51.100.7 i=docassemble.lease:data/questions/main.yml uid=r81ZpQxY user=dev@example.org Traceback (most recent call last):   File "/usr/share/docassemble/local3.14/lib/x/parse.py", line 8120, in assemble     exec(code, user_dict)   File "<code block>", line 1, in <module> NameError: name 'landlrod' is not defined `},
			`NameError: name 'landlrod' is not defined`, `NameError: name … is not defined`},
		{"docassemble's message",
			[]string{`docassemble: ip=203.0.113.24 i=docassemble.demo:data/questions/fees.yml uid=Jq7LkT0vWm user=pat@example.org AttributeError: no fee for 12 pages`},
			`AttributeError: no fee for 12 pages`, `AttributeError: no fee for … pages`},
		{"celery",
			[]string{
				`[2026-03-01 10:24:03,412: ERROR/ForkPoolWorker-1] Task docassemble.webapp.tasks.tasks.background_action[0d6b7e52-4f1c-4c0e-9d55-2f6f7a1b9c3e] raised unexpected: ValueError('bad zip code')`,
				`Traceback (most recent call last):`, `  File "/usr/lib/python3.14/site-packages/celery/app/trace.py", line 453, in trace_task`,
				`    R = retval = fun(*args, **kwargs)`, `                 ^^^^^^^^^^^^^^^^^^^^`, `ValueError: bad zip code`,
			},
			`ValueError: bad zip code`, `ValueError: bad zip code`},
		{"chained exceptions: the last one counts",
			[]string{`Traceback (most recent call last):`, `  File "a.py", line 1, in f`, `KeyError: 'zip'`, ``,
				`During handling of the above exception, another exception occurred:`, ``,
				`Traceback (most recent call last):`, `  File "b.py", line 2, in g`, `docassemble.base.error.DAError: no zip code`},
			`docassemble.base.error.DAError: no zip code`, `docassemble.base.error.DAError: no zip code`},
		{"nginx",
			[]string{`2026/03/01 10:26:10 [error] 388#388: *71 connect() to unix:///var/run/uwsgi/docassemble.sock failed (2: No such file or directory) while connecting to upstream, client: 203.0.113.24, server: da.example.org, request: "GET / HTTP/1.1"`},
			`connect() to unix:///var/run/uwsgi/docassemble.sock failed (2: No such file or directory) while connecting to upstream, client: 203.0.113.24, server: da.example.org, request: "GET / HTTP/1.1"`,
			`connect() to … failed (…: No such file or directory) while connecting to upstream, client: …, server: da.example.org, request: …`},
		{"apache",
			[]string{
				`[Sun Mar 01 10:26:10.551209 2026] [wsgi:error] [pid 81:tid 1409] [remote 203.0.113.24:51122] Traceback (most recent call last):`,
				`[Sun Mar 01 10:26:10.551240 2026] [wsgi:error] [pid 81:tid 1409] [remote 203.0.113.24:51122]   File "/usr/share/docassemble/webapp/docassemble.wsgi", line 9, in <module>`,
				`[Sun Mar 01 10:26:10.551251 2026] [wsgi:error] [pid 81:tid 1409] [remote 203.0.113.24:51122] ImportError: cannot import name 'app'`,
			},
			`ImportError: cannot import name 'app'`, `ImportError: cannot import name …`},
		{"supervisor",
			[]string{`2026-03-01 10:22:05,001 CRIT Supervisor is running as root.  Privileges were not dropped`},
			`Supervisor is running as root.  Privileges were not dropped`, `Supervisor is running as root.  Privileges were not dropped`},
		{"an exception without a message", []string{`Traceback (most recent call last):`, `  File "a.py", line 1, in f`, `KeyboardInterrupt`}, `KeyboardInterrupt`, `KeyboardInterrupt`},
		{"nothing", nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := fingerprintOf(c.lines)
			require.Equal(t, c.title, f.title)
			require.Equal(t, c.shape, f.shape)
			pattern, err := regexp.Compile(f.pattern)
			require.NoError(t, err)
			require.LessOrEqual(t, len(f.pattern), 1024)
			if c.lines != nil {
				found := false
				for _, line := range c.lines {
					found = found || pattern.MatchString(line)
				}
				require.True(t, found, "%s finds none of its own lines", f.pattern)
			}
		})
	}
}

// Two events that differ in what varies are of one kind.
func TestFingerprintsAreAlike(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{`KeyError: 'zip'`, `KeyError: 'city name'`},
		{`worker 1 (pid: 412) died, killed by signal 9 :( trying respawn ...`, `worker 3 (pid: 9914) died, killed by signal 9 :( trying respawn ...`},
		{`no mail to pat@example.org: 550`, `no mail to lee@mail.example.net: 551`},
		{`<Task at 0x7f1234abcd00> failed`, `<Task at 0x7f99> failed`},
	} {
		require.Equal(t, fingerprintOf(pair[:1]).shape, fingerprintOf(pair[1:]).shape)
	}
	require.NotEqual(t, fingerprintOf([]string{"ValueError: bad zip"}).shape, fingerprintOf([]string{"ValueError: bad city"}).shape)
}

func FuzzFingerprint(f *testing.F) {
	f.Add("Traceback (most recent call last):", "ValueError: bad zip code")
	f.Add(`docassemble: ip=1 i=2 uid=3 user=4 x`, "\xff\"''0x")
	f.Fuzz(func(t *testing.T, a, b string) {
		got := fingerprintOf([]string{a, b})
		if _, err := regexp.Compile(got.pattern); err != nil {
			t.Fatalf("pattern %q of %q: %v", got.pattern, got.title, err)
		}
		if len(got.title) > maxTitle+len("…") || len(got.pattern) > 1024 {
			t.Fatalf("too long: %d, %d", len(got.title), len(got.pattern))
		}
	})
}
