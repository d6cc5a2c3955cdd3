package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/sample"
)

// followSamples are the flags that make dalogfwd follow the files of
// sample.Sources below root.
func followSamples(root string) []string {
	var args []string
	for _, s := range sample.Sources {
		args = append(args, "--file", filepath.Join(root, s.File)+"="+s.Program+":"+s.Severity)
	}
	return args
}

var (
	frameTime     = regexp.MustCompile(`^(<\d+>1) \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d `)
	frameSequence = regexp.MustCompile(`\[meta sequenceId="(\d+)"\]`)
	frameHeader   = regexp.MustCompile(`^<\d+>1 TIME \S+ \S+`)
)

// perSource masks what may differ between two senders of the same files, the
// time of reading and the count over all files, and sorts the messages by their
// header, that is by file. The count has to go up by one.
func perSource(t *testing.T, messages []string) map[string][]string {
	t.Helper()
	sorted := make(map[string][]string)
	for i, m := range messages {
		require.Regexp(t, frameTime, m)
		sequence := frameSequence.FindStringSubmatch(m)
		require.NotNil(t, sequence, "%q", m)
		number, err := strconv.Atoi(sequence[1])
		require.NoError(t, err)
		require.Equal(t, i+1, number, "%q", m)
		m = frameTime.ReplaceAllString(m, "$1 TIME ")
		m = frameSequence.ReplaceAllLiteralString(m, "[meta sequenceId=N]")
		header := frameHeader.FindString(m)
		sorted[header] = append(sorted[header], m)
	}
	return sorted
}

// dalogfwd sends what syslog-ng sends for the same files.
func TestForwarderFramesLikeSyslogNG(t *testing.T) {
	t.Parallel()
	peer(t, "syslog-ng")
	root := t.TempDir()
	total := 0
	for _, lines := range logFiles(t, root, sample.NewServer("web1", 3), 30) {
		total += len(lines)
	}
	// Lines that need care: blank, CR at the end, no UTF-8, blanks in front, a
	// very long one, and one whose end is still to come.
	worker := filepath.Join(root, sample.Sources[2].File)
	appendFile(t, worker, "\n\r\n   \nends in CR\r\ntwo CR\r\r\ninvalid \xe9 \xff\n \t in front\nbehind \t \n"+fmt.Sprintf("%060000d", 7)+"\n\nno end")
	total += 7

	record := func(start func(addr string)) map[string][]string {
		r := startRecorder(t)
		start(r.addr)
		waitFor(t, fmt.Sprintf("%d messages", total), func() bool {
			messages, complete := frames(t, r.bytes())
			return complete && len(messages) >= total
		})
		messages, _ := frames(t, r.bytes())
		require.Len(t, messages, total)
		return perSource(t, messages)
	}
	want := record(func(addr string) { startSyslogNGForwarder(t, root, addr) })
	got := record(func(addr string) {
		startDalogfwd(t, addr, t.TempDir(), append(followSamples(root), "--protocol", "syslog")...)
	})
	require.Equal(t, want, got)
}

// dalogfwd delivers to a log server that still runs syslog-ng, in today's
// protocol and in the one before it.
func TestForwardToSyslogNG(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"syslog", "bsd"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			ng := startSyslogNGServer(t)
			addr := ng.framed
			if protocol == "bsd" {
				addr = ng.lines
			}
			root := t.TempDir()
			server := sample.NewServer("web1", 4)
			sent := logFiles(t, root, server, 100)
			fwd := startDalogfwd(t, addr, t.TempDir(), append(followSamples(root), "--protocol", protocol)...)
			for source, more := range logFiles(t, root, server, 100) {
				sent[source] = append(sent[source], more...)
			}
			doubled := 0
			for source, lines := range sent {
				if source.Program == "celerysingle" {
					doubled = len(lines)
				}
			}
			for source, lines := range sent {
				n := len(lines)
				if source.Program == "celery" {
					n += doubled
				}
				path := ng.path(source.Central)
				waitLines(t, path, n)
				var got []string
				header := regexp.MustCompile(`^.{15} 127\.0\.0\.1 ` + source.Program + ": ")
				for _, line := range fileLines(t, path) {
					if at := header.FindStringIndex(line); at != nil {
						got = append(got, line[at[1]:])
					}
				}
				require.Equal(t, lines, got, source.Central)
			}
			fwd.stop()
		})
	}
}
