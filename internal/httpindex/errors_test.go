package httpindex

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type errorsAnswer struct {
	Groups []struct {
		Fingerprint, Title, Pattern, Level string
		Count                              int
		First, Last                        time.Time
		Hosts, Programs, Files             map[string]int
		Trend                              []int
		Example                            struct{ Host, Raw string }
	}
	Dropped int
	Limited string
}

func getErrors(t *testing.T, base, query string) errorsAnswer {
	t.Helper()
	resp, body := get(t, base+"/errors?"+query)
	require.Equal(t, 200, resp.StatusCode, body)
	require.Equal(t, jsonType, resp.Header.Get("Content-Type"))
	var a errorsAnswer
	require.NoError(t, json.Unmarshal([]byte(body), &a), body)
	return a
}

func TestErrors(t *testing.T) {
	t.Parallel()
	stamp := func(minute int) string { return fmt.Sprintf("2026-11-23T08:%02d:00.000000-05:00", minute) }
	var worker, docassemble strings.Builder
	for i := range 6 {
		head := stamp(i) + fmt.Sprintf(" web%d celery[77]: ", i%2+1)
		fmt.Fprintf(&worker, "%s[2026-11-23 08:00:00,000: ERROR/ForkPoolWorker-1] Task t[%d] raised unexpected: ValueError('bad zip %d')\n", head, i, i)
		for _, line := range []string{"Traceback (most recent call last):", `  File "a.py", line 1, in f`, "    g()", fmt.Sprintf("ValueError: bad zip %d", i)} {
			worker.WriteString(head + line + "\n")
		}
		worker.WriteString(head + "[2026-11-23 08:00:00,000: INFO/MainProcess] Task received\n")
	}
	fmt.Fprintf(&docassemble, "%s web1 docassemble: docassemble: ip=1.2.3.4 i=a uid=b user=c Traceback (most recent call last):   File \"x.py\", line 8, in f     go()   File \"<code block>\", line 1, in <module> NameError: name 'x' is not defined \n", stamp(30))
	base, _ := serveFiles(t, map[string]string{"worker.log": worker.String(), "docassemble.log": docassemble.String(), "empty.log": ""})

	a := getErrors(t, base, "")
	require.Len(t, a.Groups, 2)
	g := a.Groups[0]
	require.Equal(t, "ValueError: bad zip 0", g.Title)
	require.Equal(t, 6, g.Count)
	require.Equal(t, "error", g.Level)
	require.Equal(t, map[string]int{"web1": 3, "web2": 3}, g.Hosts)
	require.Equal(t, map[string]int{"celery": 6}, g.Programs)
	require.Equal(t, map[string]int{"worker.log": 6}, g.Files)
	require.True(t, g.First.Equal(time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)))
	require.True(t, g.Last.Equal(time.Date(2026, 11, 23, 13, 5, 0, 0, time.UTC)))
	require.Equal(t, "web2", g.Example.Host)
	sum := 0
	for _, n := range g.Trend {
		sum += n
	}
	require.Equal(t, 6, sum)
	require.Equal(t, "NameError: name 'x' is not defined", a.Groups[1].Title)
	require.NotEqual(t, g.Fingerprint, a.Groups[1].Fingerprint)

	// The pattern finds the occurrences, whole.
	for i, lines := range []int{6 * 5, 1} {
		_, body := get(t, base+"/search?events=1&level=error&format=json&grep="+url.QueryEscape(a.Groups[i].Pattern))
		require.Equal(t, lines, strings.Count(body, `"hit":true`), body)
	}

	require.Len(t, getErrors(t, base, "file=worker.log&host=web2").Groups, 1)
	require.Equal(t, 3, getErrors(t, base, "file=worker.log&host=web2").Groups[0].Count)
	require.Empty(t, getErrors(t, base, "level=critical").Groups)
	require.Equal(t, 2, getErrors(t, base, "file=worker.log&since=2026-11-23T08:04:00-05:00").Groups[0].Count)

	for query, status := range map[string]int{"level=loud": 400, "nonsense=1": 400, "file=nope.log": 404, "grep=(": 400} {
		resp, _ := get(t, base+"/errors?"+query)
		require.Equal(t, status, resp.StatusCode, query)
	}
}
