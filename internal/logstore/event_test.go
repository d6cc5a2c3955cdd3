package logstore

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
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

// Events of several writers that stand between each other are found as if each
// writer had a file of its own, in either direction, at once and page by page.
func TestInterleavedEvents(t *testing.T) {
	t.Parallel()
	texts := []string{"ERROR: alpha", "Traceback (most recent call last):", "  File a", "    needle()", "    ~^^", "KeyError: 'x'", "ValueError: needle", "INFO: plain", "needle", "",
		"During handling of the above exception, another exception occurred:", "\tat Main.java", "Caused by: alpha"}
	temp := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(temp, "")
		require.NoError(r, err)
		defer os.RemoveAll(dir)
		type event struct {
			lines []string
			place int64 // of the first line that is wanted; -1 = there is none
		}
		var all []*event
		rules, current := map[string]*eventRule{}, map[string]*event{}
		reader := NewLineReader(time.UTC, planStart)
		pattern := rapid.SampledFrom([]string{"needle", "alpha", "web1.*File", "Error", "e"}).Draw(r, "grep")
		re := regexp.MustCompile(pattern)
		var content []byte
		for n := rapid.IntRange(1, 200).Draw(r, "lines"); n > 0; n-- {
			writer := rapid.SampledFrom([]string{"web1 celery:", "web1 celery[7]:", "web2 celery:", "web2 uwsgi:"}).Draw(r, "writer")
			text := rapid.SampledFrom(texts).Draw(r, "text")
			line := "2026-11-23T08:00:00Z " + writer + " " + text
			c := reader.Columns([]byte(line))
			if rules[writer] == nil {
				rules[writer] = new(eventRule)
			}
			if !rules[writer].goesOn(&c) {
				current[writer] = &event{place: -1}
				all = append(all, current[writer])
			}
			x := current[writer]
			if x.place < 0 && re.MatchString(line) {
				x.place = int64(len(content))
			}
			x.lines = append(x.lines, line)
			content = append(append(content, line...), '\n')
		}
		all = slices.DeleteFunc(all, func(x *event) bool { return x.place < 0 })
		slices.SortFunc(all, func(a, b *event) int { return cmp.Compare(a.place, b.place) })
		var want [][]string
		for _, x := range all {
			want = append(want, x.lines)
		}

		require.NoError(r, os.WriteFile(filepath.Join(dir, "worker.log"), content, 0o600))
		s, err := Open(Config{Dir: dir, segmentSize: 1 << 20})
		require.NoError(r, err)
		defer s.Close()
		text, err := s.OpenText("worker.log")
		require.NoError(r, err)
		defer text.Close()
		find := func(q Query) (found [][]string, res Result) {
			p, err := NewPattern(pattern, false, false)
			require.NoError(r, err)
			q.Events, q.Grep = true, []*Pattern{p}
			last := int64(-1)
			res, err = text.Scan(context.Background(), q, func(f *Found) error {
				require.True(r, f.Hit)
				if f.Event != last {
					require.Equal(r, f.Event, f.Offset)
					found = append(found, nil)
				}
				last = f.Event
				found[len(found)-1] = append(found[len(found)-1], string(f.Raw))
				return nil
			})
			require.NoError(r, err)
			require.Equal(r, len(found), res.Hits)
			return found, res
		}
		got, _ := find(Query{})
		require.Equal(r, want, got)
		limit := rapid.IntRange(1, 4).Draw(r, "limit")
		var pages [][]string
		for at := int64(0); ; {
			page, res := find(Query{From: at, Limit: limit})
			pages = append(pages, page...)
			if !res.More {
				break
			}
			require.Greater(r, res.Next, at)
			at = res.Next
		}
		require.Equal(r, want, pages)
		pages = nil
		for at := text.End(); ; {
			page, res := find(Query{To: at, Limit: limit, Backward: true})
			pages = append(page, pages...)
			if !res.More || res.Next == 0 {
				break
			}
			require.Less(r, res.Next, at)
			at = res.Next
		}
		require.Equal(r, want, pages)
	})
}
