package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/sample"
)

// With --line-format bsd --host peer the files of dalogd are those of the
// syslog-ng that docassemble runs, byte for byte. The exception: syslog-ng looks
// for "celery" anywhere in the program name, so that it writes the lines of
// celerysingle to worker.log as well; dalogd writes them to single_worker.log
// alone.
var doubled = regexp.MustCompile(`(?m)^.{15} \S+ celerysingle(\[\d+\])?: .*\n`)

// requireSameFiles waits until both servers have written what they got, and
// compares every file of the central table.
func requireSameFiles(t *testing.T, d *dalogd, ng *syslogNG, wantLines map[string]int) {
	t.Helper()
	for _, c := range central {
		n := wantLines[c.file]
		waitLines(t, d.path(c.file), n)
		theirs := n
		if c.file == "worker.log" {
			theirs += wantLines["single_worker.log"]
		}
		want := ""
		if theirs > 0 {
			want = text(waitLines(t, ng.path(c.file), theirs))
		}
		if c.file == "worker.log" {
			require.Len(t, doubled.FindAllString(want, -1), wantLines["single_worker.log"])
			want = doubled.ReplaceAllString(want, "")
		}
		got := ""
		if lines := fileLines(t, d.path(c.file)); len(lines) > 0 {
			got = text(lines)
		}
		require.Equal(t, want, got, c.file)
	}
}

func startBoth(t *testing.T) (*dalogd, *syslogNG) {
	t.Helper()
	ng := startSyslogNGServer(t)
	return startDalogd(t, "", "--line-format", "bsd", "--host", "peer"), ng
}

// What syslog-ng sends from an app server is recorded once and then played to
// both servers.
func TestSameBytesFromForwarder(t *testing.T) {
	t.Parallel()
	d, ng := startBoth(t)
	root := t.TempDir()
	sent := logFiles(t, root, sample.NewServer("web1", 2), 60)
	total, wantLines := 0, make(map[string]int)
	for source, lines := range sent {
		total += len(lines)
		wantLines[source.Central] = len(lines)
	}
	r := startRecorder(t)
	startSyslogNGForwarder(t, root, r.addr)
	waitFor(t, fmt.Sprintf("%d messages from syslog-ng", total), func() bool {
		messages, complete := frames(t, r.bytes())
		return complete && len(messages) == total
	})
	play(t, ng.framed, r.bytes())
	play(t, d.tcp, r.bytes())
	requireSameFiles(t, d, ng, wantLines)
}

// Frames that syslog-ng's server takes, beside those its forwarder makes.
func TestSameBytesFramed(t *testing.T) {
	t.Parallel()
	const stamp = "2026-11-23T08:27:00+00:00"
	long := strings.Repeat("a long traceback on one line, ", 2000)
	cases := []struct{ name, file, message string }{
		{"as sent by syslog-ng", "worker.log", "<15>1 " + stamp + ` web1 celery - - [meta sequenceId="2"] [2024-05-05 10:11:12,345: INFO/MainProcess] hello` + "\n"},
		{"no LF in the frame", "worker.log", "<15>1 " + stamp + ` web1 celery - - [meta sequenceId="3"] no line end`},
		{"fraction of a second", "worker.log", "<15>1 2026-11-23T08:27:00.987654+00:00 web1 celery - - - fraction\n"},
		{"Z", "worker.log", "<15>1 2026-11-23T08:27:00Z web1 celery - - - zulu\n"},
		{"east", "worker.log", "<15>1 2026-11-23T23:59:59+05:30 web1 celery - - - the sender's own wall clock\n"},
		{"west, one digit day", "worker.log", "<15>1 2026-03-07T01:02:03-05:00 web1 celery - - - padded day\n"},
		{"process id", "docassemble.log", "<15>1 " + stamp + " web1 docassemble 123 - - with a process id\n"},
		{"message id", "docassemble.log", "<15>1 " + stamp + " web1 docassemble 123 ID47 - with a message id\n"},
		{"other structured data", "docassemble.log", "<15>1 " + stamp + ` web1 docassemble - - [meta sequenceId="4"][dalog@32473 offset="77" x="a\]b"] two elements` + "\n"},
		{"BOM", "docassemble.log", "<15>1 " + stamp + " web1 docassemble - - - \xef\xbb\xbfafter the mark\n"},
		{"leading blanks", "worker.log", "<15>1 " + stamp + ` web1 celery - - [meta sequenceId="5"]     R = retval = fun(*args)` + "\n"},
		{"tabs", "worker.log", "<15>1 " + stamp + ` web1 celery - - [meta sequenceId="6"] ` + "\tindented\twith tabs\n"},
		{"trailing blanks", "docassemble.log", "<15>1 " + stamp + ` web1 docassemble - - [meta sequenceId="7"] trailing blank ` + "\n"},
		{"UTF-8", "docassemble.log", "<15>1 " + stamp + ` web1 docassemble - - [meta sequenceId="8"] Müller, ñandú, 東京, 😀` + "\n"},
		{"long line", "docassemble.log", "<15>1 " + stamp + ` web1 docassemble - - [meta sequenceId="9"] ` + long + "\n"},
		{"double docassemble", "docassemble.log", "<15>1 " + stamp + ` web1 docassemble - - [meta sequenceId="10"] docassemble: ip=203.0.113.9 i=na uid=na user=na up` + "\n"},
		{"other facility", "uwsgi.log", "<135>1 " + stamp + " web1 uwsgi - - - local0\n"},
		{"nginx access", "access.log", "<15>1 " + stamp + " web1 nginx - - - GET /\n"},
		{"nginx error", "error.log", "<11>1 " + stamp + " web1 nginx - - - connect() failed\n"},
		{"apache access", "apache_access.log", "<15>1 " + stamp + " web1 apache - - - GET /\n"},
		{"apache error", "apache_error.log", "<11>1 " + stamp + " web1 apache - - - AH00957\n"},
		{"supervisor", "supervisor.log", "<14>1 " + stamp + " web1 supervisor - - - INFO spawned\n"},
		{"celerysingle", "single_worker.log", "<15>1 " + stamp + " web1 celerysingle - - - once with dalogd\n"},
		{"websockets", "websockets.log", "<15>1 " + stamp + " web1 websockets - - - 0\n"},
		{"old form in a frame", "worker.log", "<15>Nov 23 08:28:56 web1 celery: RFC 3164 in a frame\n"},
	}
	d, ng := startBoth(t)
	var stream strings.Builder
	wantLines := make(map[string]int)
	for _, c := range cases {
		fmt.Fprintf(&stream, "%d %s", len(c.message), c.message)
		wantLines[c.file]++
	}
	play(t, ng.framed, []byte(stream.String()))
	play(t, d.tcp, []byte(stream.String()))
	requireSameFiles(t, d, ng, wantLines)
}

// The older generation: RFC 3164 in lines, and messages that end with NUL.
func TestSameBytesLines(t *testing.T) {
	t.Parallel()
	d, ng := startBoth(t)
	stream := strings.Join([]string{
		"<15>Nov 23 08:28:56 web1 celery: text\n",
		"<15>Nov  3 08:28:56 web1 celery[77]: padded day, process id\n",
		"<15>Nov 23 08:28:56 web1 docassemble: ip=203.0.113.9 i=na uid=na user=na one\x00",
		"<15>Nov 23 08:28:56 web1 docassemble:   leading blanks\x00",
		"<11>Nov 23 08:28:56 web1 nginx: 2026/11/23 08:28:56 [error] 388#388: *71 failed\n",
		"<15>Nov 23 08:28:56 web1 apache: GET /\n",
		"<14>Nov 23 08:28:56 web1 supervisor: Müller\n",
		"<15>Nov 23 08:28:56 web1 celerysingle: once with dalogd\n",
	}, "")
	play(t, ng.lines, []byte(stream))
	play(t, d.tcp, []byte(stream))
	requireSameFiles(t, d, ng, map[string]int{"worker.log": 2, "docassemble.log": 2, "error.log": 1, "apache_access.log": 1, "supervisor.log": 1, "single_worker.log": 1})
}

// Messages without a time get the time of receipt, which is the one thing that
// may differ.
func TestSameBytesTimeOfReceipt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, stream string
		lines        bool
	}{
		{"web app of old", "<15>docassemble: ip=203.0.113.9 i=na uid=na user=na one\x00<15>docassemble: ip=203.0.113.9 i=na uid=na user=na two\x00", true},
		{"NILVALUE", framed("<15>1 - web1 docassemble - - - one") + framed("<15>1 - - docassemble 7 - - two"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, ng := startBoth(t)
			addr := ng.framed
			if c.lines {
				addr = ng.lines
			}
			play(t, addr, []byte(c.stream))
			play(t, d.tcp, []byte(c.stream))
			want := waitLines(t, ng.path("docassemble.log"), 2)
			got := waitLines(t, d.path("docassemble.log"), 2)
			for i := range want {
				require.Equal(t, want[i][len(time.Stamp):], got[i][len(time.Stamp):])
				theirs, err := time.ParseInLocation(time.Stamp, want[i][:len(time.Stamp)], time.Local)
				require.NoError(t, err)
				ours, err := time.ParseInLocation(time.Stamp, got[i][:len(time.Stamp)], time.Local)
				require.NoError(t, err)
				require.WithinDuration(t, theirs, ours, 10*time.Second)
			}
			require.Len(t, got, len(want))
		})
	}
}

// Where dalogd differs on purpose: what a terminal or a UTF-8 reader would
// choke on is escaped, each line of an event has its own header, and messages
// of nginx at other severities are kept, not dropped.
func TestOtherBytesOnPurpose(t *testing.T) {
	t.Parallel()
	d := startDalogd(t, "", "--line-format", "bsd", "--host", "peer")
	const head = "1 2026-11-23T08:27:00+00:00 web1 "
	play(t, d.tcp, []byte(framed("<15>"+head+"docassemble - - - invalid \xff, control \x1b[1m")+
		framed("<15>"+head+"celery - - - Traceback:\n  File x\nValueError")+
		framed("<12>"+head+"nginx - - - a warning")+
		framed("<14>"+head+"nginx - - - a notice")))
	for file, want := range map[string][]string{
		"docassemble.log": {`Nov 23 08:27:00 127.0.0.1 docassemble: invalid \xff, control \x1b[1m`},
		"worker.log": {
			"Nov 23 08:27:00 127.0.0.1 celery: Traceback:",
			"Nov 23 08:27:00 127.0.0.1 celery:   File x",
			"Nov 23 08:27:00 127.0.0.1 celery: ValueError",
		},
		"access.log": {
			"Nov 23 08:27:00 127.0.0.1 nginx: a warning",
			"Nov 23 08:27:00 127.0.0.1 nginx: a notice",
		},
	} {
		require.Equal(t, want, waitLines(t, d.path(file), len(want)), file)
	}
}

func framed(message string) string { return fmt.Sprintf("%d %s", len(message), message) }
