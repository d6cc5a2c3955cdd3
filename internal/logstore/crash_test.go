package logstore

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// crashRun submits numbered lines to three files, waiting each time, until the
// file system in memory ends the process, and returns how many were confirmed.
func crashRun(t *testing.T, d *vfstest.Disk) (confirmed int) {
	s, err := openTwin(d.FS(), Config{MaxOpenFiles: 2})
	if err != nil {
		require.ErrorIs(t, err, vfstest.ErrCrashed)
		return 0
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	for ; confirmed < 6; confirmed++ {
		done := make(chan error, 1)
		var msgs []syslog.Message
		for _, p := range []string{"celery", "new", "newer"} {
			msgs = append(msgs, message(p, fmt.Sprintf("%da", confirmed)), message(p, fmt.Sprintf("%db", confirmed)))
		}
		if s.Submit(ctx, testTime, msgs, func(err error) { done <- err }) != nil || <-done != nil {
			break
		}
	}
	cancel()
	<-ran // with ErrCrashed, or not if the crash was to come later
	return confirmed
}

func TestCrashAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, power := range []bool{false, true} {
		crashes := 0
		for n := 1; ; n++ {
			d := vfstest.New(vfstest.Options{Seed: uint64(n)})
			d.CrashAt(n)
			confirmed := crashRun(t, d)
			if !d.Crashed() {
				require.Equal(t, 6, confirmed)
				break
			}
			crashes++
			if power {
				d.PowerLoss()
			} else {
				d.Kill()
			}

			s := twinStore(t, d, Config{})
			stop := startStore(t, s)
			submit(t, s, message("celery", "end"), message("new", "end"), message("newer", "end"))
			stop()
			for program, name := range map[string]string{"celery": "worker.log", "new": "new.log", "newer": "newer.log"} {
				header := strings.Replace(testHeader, "celery", program, 1)
				text := onDisk(t, d, name)
				require.True(t, strings.HasSuffix(text, "\n"+header+"end\n") || text == header+"end\n", "crash at %d: %q", n, text)
				seen := map[string]int{}
				for line := range strings.Lines(text) {
					rest, whole := strings.CutPrefix(line, header)
					require.True(t, whole && (rest == "end\n" || len(rest) == 3), "crash at %d: %s holds %q", n, name, line)
					seen[rest]++
				}
				for i := range confirmed {
					require.Equal(t, 1, seen[fmt.Sprintf("%da\n", i)], "crash at %d: line %da of %d in %s", n, i, confirmed, name)
					require.Equal(t, 1, seen[fmt.Sprintf("%db\n", i)], "crash at %d: line %db of %d in %s", n, i, confirmed, name)
				}
			}
		}
		t.Logf("power loss: %t, %d crashes", power, crashes)
		require.Greater(t, crashes, 30)
	}
}
