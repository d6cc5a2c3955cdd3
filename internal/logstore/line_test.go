package logstore

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dalog-project/dalog/internal/syslog"
)

func TestParseLine(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ line, at, host, program, pid, text string }{
		{"2026-11-23T08:27:00.123456-05:00 web1 celery[77]: a text: b", "2026-11-23T08:27:00.123456-05:00", "web1", "celery", "77", "a text: b"},
		{"2026-11-23T08:27:00.123456+05:45 10.0.0.1/web1 nginx: x", "2026-11-23T08:27:00.123456+05:45", "10.0.0.1/web1", "nginx", "", "x"},
		{"2026-11-23T08:27:00Z web1 no program here", "2026-11-23T08:27:00Z", "web1", "", "", "no program here"},
		{"2026-11-23T08:27:00Z web1 celery: ", "2026-11-23T08:27:00Z", "web1", "celery", "", ""},
		{"2026-11-23T08:27:00Z web1 celery:   indented", "2026-11-23T08:27:00Z", "web1", "celery", "", "  indented"},
		{"2026-11-23T08:27:00Z web1 a[b]c: x", "2026-11-23T08:27:00Z", "web1", "a[b]c", "", "x"},
		{"2026-11-23T08:27:00Z web1 [77]: x", "2026-11-23T08:27:00Z", "web1", "[77]", "", "x"},
		{"2026-11-23T08:27:00Z - x:", "2026-11-23T08:27:00Z", "-", "", "", "x:"},
		{"2026-11-23T08:27:00Z web1 : x", "2026-11-23T08:27:00Z", "web1", "", "", ": x"},
		{"2026-11-23T08:27:00Z", "2026-11-23T08:27:00Z", "", "", "", ""},
		{"2026-11-23T08:27:00Z ", "2026-11-23T08:27:00Z", "", "", "", ""},
		{"Nov 23 08:27:00 172.31.20.5 celery: text", "2026-11-23T08:27:00+01:00", "172.31.20.5", "celery", "", "text"},
		{"Dec  3 08:27:00 172.31.20.5 celery[1]: text", "2025-12-03T08:27:00+01:00", "172.31.20.5", "celery", "1", "text"},
		{"Jul  1 08:27:00 web1 celery: text", "2026-07-01T08:27:00+02:00", "web1", "celery", "", "text"},
		{"2026-11-23 08:27:00 ip=10.0.0.1 text", "2026-11-23T08:27:00+01:00", "", "", "", "ip=10.0.0.1 text"},
		{"2026-11-23 08:27:00,345 INFO spawned", "2026-11-23T08:27:00.345+01:00", "", "", "", "INFO spawned"},
		{"2026-11-23T08:27:00 web1 celery: x", "2026-11-23T08:27:00+01:00", "", "", "", "web1 celery: x"},
		{"no time at all here", "", "", "", "", "no time at all here"},
		{"short", "", "", "", "", "short"},
		{"", "", "", "", "", ""},
		{"2026-13-23T08:27:00Z web1 x", "", "", "", "", "2026-13-23T08:27:00Z web1 x"},
		{"2026-11-23T25:27:00Z web1 x", "", "", "", "", "2026-11-23T25:27:00Z web1 x"},
		{"2026-11-23T08:27:00.Z web1 x", "", "", "", "", "2026-11-23T08:27:00.Z web1 x"},
		{"Foo 23 08:27:00 web1 celery: x", "", "", "", "", "Foo 23 08:27:00 web1 celery: x"},
	} {
		got := NewLineReader(berlin, now).Columns([]byte(c.line))
		at := ""
		if got.Time.Valid {
			at = got.Time.Time().Format(time.RFC3339Nano)
		}
		require.Equal(t, []string{c.at, c.host, c.program, c.pid, c.text}, []string{at, string(got.Host), string(got.Program), string(got.PID), string(got.Text)}, c.line)
	}
}

// What is written to the files is read back as it was.
func TestParseLineOfTheFormatter(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 8, 27, 0, 123456000, time.FixedZone("", -5*3600))
	for _, layout := range []LineFormat{LineISO, LineBSD} {
		f := formatter{layout: layout}
		m := message("celery", "a text\nand a second line")
		m.PID = []byte("77")
		buf, n := f.appendMessage(nil, &m, syslog.At(at))
		require.Equal(t, 2, n)
		first, _, _ := bytes.Cut(buf, []byte{'\n'})
		c := NewLineReader(at.Location(), at).Columns(first)
		require.Equal(t, "a text", string(c.Text))
		require.Equal(t, "web1", string(c.Host))
		require.Equal(t, "celery", string(c.Program))
		require.Equal(t, "77", string(c.PID))
		require.WithinDuration(t, at, c.Time.Time(), time.Second)
	}
}

func TestLevelOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		want    Level
		guessed bool
	}{
		{"[2024-05-05 10:11:12,345: INFO/MainProcess] hello", LevelInfo, false},
		{"[2024-05-05 10:11:12,345: ERROR/ForkPoolWorker-1] Task failed", LevelError, false},
		{"[2024-05-05 10:11:12,345: WARNING/MainProcess] hello", LevelWarning, false},
		{"2024/05/05 10:11:12 [error] 77#77: *1 open() failed", LevelError, false},
		{"2024/05/05 10:11:12 [crit] 77#77: *1 SSL failed", LevelCritical, false},
		{"[Sun May 05 10:11:12.123 2024] [core:error] [pid 1:tid 2] AH00124: x", LevelError, false},
		{"[Sun May 05 10:11:12.123 2024] [mpm_event:notice] [pid 1:tid 2] AH00489: x", LevelNotice, false},
		{"2024-05-05 10:11:12,345 INFO spawned: 'celery' with pid 77", LevelInfo, false},
		{"2024-05-05 10:11:12,345 WARN exited: celery (exit status 1; not expected)", LevelWarning, false},
		{"2024-05-05 10:11:12,345 CRIT could not write pidfile", LevelCritical, false},
		{"WARNING:root:disk is full", LevelWarning, false},
		{"ERROR: something", LevelError, false},
		{"error: something", LevelError, false},
		{"Error: something", LevelError, false},
		{"2024-05-05 10:11:12,345 - app.views - ERROR - broken", LevelError, false},
		{"[2024-05-05 10:11:12 +0000] [77] [INFO] Booting worker", LevelInfo, false},
		{`time="2024-05-05" level=error msg="x"`, LevelError, false},
		{`{"time":"2024-05-05","level":"warn","msg":"x"}`, LevelWarning, false},
		{`{"msg":"x", "severity": "CRITICAL"}`, LevelCritical, false},
		{"2024-05-05 10:11:12.345 UTC [77] ERROR:  relation does not exist", LevelError, false},
		{"Traceback (most recent call last):", LevelError, true},
		{"docassemble: ip=1 i=a uid=b user=c Traceback (most recent call last):   File x", LevelError, true},
		{"ValueError: invalid literal", LevelError, true},
		{"sqlalchemy.exc.OperationalError: (psycopg2) gone", LevelError, true},
		{"KeyboardInterrupt", LevelNone, true},
		{`10.0.0.1 - - [05/May/2024:10:11:12 +0000] "GET / HTTP/1.1" 200 123 "-" "curl"`, LevelInfo, true},
		{`10.0.0.1 - - [05/May/2024:10:11:12 +0000] "GET /error HTTP/1.1" 200 123`, LevelInfo, true},
		{`10.0.0.1 - - [05/May/2024:10:11:12 +0000] "GET / HTTP/1.1" 502 123`, LevelError, true},
		{`10.0.0.1 - - [05/May/2024:10:11:12 +0000] "GET /x HTTP/2.0" 404 123`, LevelNotice, true},
		{"[pid: 77|app: 0|req: 1/1] 10.0.0.1 () {40 vars} [Sun May 5 2024] GET / => generated 1 bytes in 5 msecs (HTTP/1.1 500) 3 headers", LevelError, true},
		{"docassemble: ip=10.0.0.1 i=q.yml uid=abc user=a@b.c opened", LevelNone, true},
		{"0 failed, no error, err=nil", LevelNone, true},
		{"an ERROR was not found", LevelNone, true},
		{"GET /ERROR 200", LevelNone, true},
		{"information: none", LevelNone, true},
		{"", LevelNone, true},
		{"]", LevelNone, true},
		{`"GET / HTTP/1.1" `, LevelNone, true},
	} {
		l, guessed := LevelOf(nil, []byte(c.text))
		require.Equal(t, c.want.String(), l.String(), c.text)
		require.Equal(t, c.guessed, guessed, c.text)
	}
	for _, name := range LevelNames[1:] {
		l, err := ParseLevel(name)
		require.NoError(t, err)
		require.Equal(t, name, l.String())
	}
	_, err := ParseLevel("none")
	require.Error(t, err)
}

// A line that is at least as grave as a level has one of the level's clues.
func TestLevelClues(t *testing.T) {
	t.Parallel()
	words := []string{"ERROR", "err", "Severe", "FATAL", "panic", "alert", "emerg", "EMERGENCY", "crit", "Critical", "warn", "WARNING", "notice", "Info", "DEBUG", "debg", "trace", "TRAC", "blat", "erro",
		"Traceback (most recent call last):", "ValueError", "x.SomeException", "level", "lvl", "severity", "2026-11-23 08:00:00,000", "\"GET / HTTP/1.1\" 502 7", "(HTTP/1.1 404)", "HTTP/2 200 ", "HTTP/3 500 "}
	signs := []string{" ", ":", "]", "[", "/", "=", "\"", " - ", ": ", "", "|", "\t", "="}
	rapid.Check(t, func(r *rapid.T) {
		var text []byte
		for range rapid.IntRange(1, 5).Draw(r, "words") {
			text = append(text, rapid.SampledFrom(signs).Draw(r, "sign")...)
			text = append(text, rapid.SampledFrom(words).Draw(r, "word")...)
			text = append(text, rapid.SampledFrom(signs).Draw(r, "sign")...)
		}
		l, _ := LevelOf(nil, text)
		for least := LevelDebug; least <= l; least++ {
			require.True(r, slices.ContainsFunc(levelClues(least), func(c *literal) bool { return c.index(text) >= 0 }), "%q is %s", text, l)
		}
	})
}
