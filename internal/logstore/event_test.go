package logstore

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Events that the lines of a file make up, one a paragraph.
const eventLog = `web1 celery: [2026-11-23 08:00:00,000: INFO/MainProcess] Task received

web1 celery: [2026-11-23 08:00:00,000: ERROR/MainProcess] Task raised unexpected: KeyError('needle')
web1 celery: Traceback (most recent call last):
web1 celery:   File "a.py", line 1, in f
web1 celery:     g()
web1 celery:     ~^^
web1 celery: KeyError: 'needle'
web1 celery: 
web1 celery: During handling of the above exception, another exception occurred:
web1 celery: 
web1 celery: Traceback (most recent call last):
web1 celery:   File "b.py", line 2, in g
web1 celery: ValueError: other

web1 celery: [2026-11-23 08:00:01,000: INFO/MainProcess] Task needle received

web1 uwsgi: Traceback (most recent call last):
web1 uwsgi:   File "c.py", line 1
web1 uwsgi: ExceptionGroup: several (2 sub-exceptions)

web2 uwsgi:   indented of another host

web2 celery: java.lang.IllegalStateException: needle
web2 celery: 	at Main.main(Main.java:1)
web2 celery: Caused by: java.io.IOException
web2 celery: 	... 5 more

web2 celery: a line
`

func TestEvents(t *testing.T) {
	t.Parallel()
	var events []string
	for event := range strings.SplitSeq(eventLog, "\n\n") {
		var b strings.Builder
		for line := range strings.SplitSeq(strings.TrimSuffix(event, "\n"), "\n") {
			b.WriteString("2026-11-23T08:00:00Z " + line + "\n")
		}
		events = append(events, b.String())
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "worker.log"), []byte(strings.Join(events, "")), 0o600))
	s, err := Open(Config{Dir: dir, segmentSize: 1 << 20})
	require.NoError(t, err)
	defer s.Close()
	text, err := s.OpenText("worker.log")
	require.NoError(t, err)
	defer text.Close()

	find := func(q Query) (found []string) {
		q.Events = true
		last := int64(-1)
		res, err := text.Scan(context.Background(), q, func(f *Found) error {
			if f.Event != last {
				found = append(found, "")
				require.Equal(t, f.Event, f.Offset, "an event that does not begin with its first line")
			}
			last = f.Event
			found[len(found)-1] += string(f.Raw) + "\n"
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, len(found), res.Hits)
		return found
	}
	require.Equal(t, events, find(Query{}))
	require.Equal(t, events, find(Query{Backward: true, Limit: 100}))
	require.Equal(t, []string{events[1], events[2], events[5]}, find(Query{Grep: grep(t, "needle")}))
	require.Equal(t, []string{events[1]}, find(Query{Grep: grep(t, "needle"), Limit: 1}))
	require.Equal(t, []string{events[2], events[5]}, find(Query{Grep: grep(t, "needle"), Limit: 2, Backward: true}))
	require.Equal(t, []string{events[1], events[3]}, find(Query{Grep: grep(t, "File")}))
	require.Equal(t, []string{events[1]}, find(Query{Grep: grep(t, "ValueError"), Backward: true, Limit: 1}))
}
