package logstore

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// Many programs' lines mixed become one piece for each file, in order, and what
// was lent for that is given back, whether the commit succeeds or not.
func TestMergedGroup(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		d := vfstest.New(vfstest.Options{})
		s := twinStore(t, d, Config{})
		var programs []string
		for i := range 20 {
			programs = append(programs, fmt.Sprintf("p%02d", i))
		}
		want := map[string]string{}
		told := 0
		for batch := range 30 {
			var msgs []syslog.Message
			for _, p := range programs {
				text := fmt.Sprintf("line %d", batch)
				msgs = append(msgs, message(p, text))
				want[p+".log"] += strings.Replace(testHeader, "celery", p, 1) + text + "\n"
			}
			require.NoError(t, s.Submit(t.Context(), testTime, msgs, func(err error) {
				told++
				require.Equal(t, fails, err != nil)
			}))
		}
		if fails {
			d.Inject(vfstest.Fault{Op: vfstest.Datasync, Err: syscall.EIO})
		}
		_, err := s.commitStep(context.Background())
		require.Equal(t, fails, err != nil)
		require.Equal(t, 30, told)
		if !fails {
			s.pending.mu.Lock()
			for _, f := range s.pending.files {
				require.Len(t, f.pend, 1, f.name)
			}
			s.pending.mu.Unlock()
			_, err := s.applyStep(true)
			require.NoError(t, err)
			for name, text := range want {
				require.Equal(t, text, onDisk(t, d, name))
			}
		}
		used, _ := s.budget.inUse()
		require.Zero(t, used)
		require.Zero(t, s.batches.out)
		_ = s.Close() // what failed stays failed
	}
}
