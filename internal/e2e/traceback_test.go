package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Two hosts write tracebacks at the same moments: in the central file each one
// stands together.
func TestTracebacksOfTwoHosts(t *testing.T) {
	t.Parallel()
	const hosts, tracebacks = 2, 40
	d := startDalogd(t, "")
	lines := func(host, n int) []string {
		mark := fmt.Sprintf("host=%d n=%d", host, n)
		return []string{
			"ERROR cannot do it " + mark,
			"Traceback (most recent call last):",
			`  File "/srv/app.py", line 6, in <module> ` + mark,
			"    f()",
			"    ~^^",
			"KeyError: " + mark,
			"",
			"The above exception was the direct cause of the following exception:",
			"",
			"Traceback (most recent call last):",
			`  File "/srv/app.py", line 8, in <module> ` + mark,
			`    raise ValueError("second") from e`,
			"ValueError: " + mark,
		}
	}
	var writers sync.WaitGroup
	var running []*process
	for host := range hosts {
		path := filepath.Join(t.TempDir(), "app.log")
		running = append(running, startDalogfwd(t, d.tcp, t.TempDir(), "--file", path+"=app", "--hostname", fmt.Sprintf("web%d", host)))
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		writers.Go(func() {
			for n := range tracebacks {
				if _, err := f.WriteString(text(lines(host, n))); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	writers.Wait()
	const blank = 2
	perEvent := len(lines(0, 0)) - blank
	stored := waitLines(t, d.path("app.log"), hosts*tracebacks*perEvent)
	require.Len(t, stored, hosts*tracebacks*perEvent)
	for i := 0; i < len(stored); i += perEvent {
		_, mark, found := strings.Cut(stored[i], "ERROR cannot do it ")
		require.True(t, found, "line %d begins no event: %s", i+1, stored[i])
		var host, n int
		_, err := fmt.Sscanf(mark, "host=%d n=%d", &host, &n)
		require.NoError(t, err)
		at := i
		for _, want := range lines(host, n) {
			if want != "" {
				require.True(t, strings.HasSuffix(stored[at], ": "+want), "line %d is %q, not %q", at+1, stored[at], want)
				require.Contains(t, stored[at], fmt.Sprintf(" web%d ", host))
				at++
			}
		}
	}
	for _, p := range running {
		p.stop()
	}
}
