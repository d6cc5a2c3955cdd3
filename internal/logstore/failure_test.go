package logstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// Each call to the file system in the life of a Store, its start and its recovery
// included, fails, with an error of the disk or for lack of room. What was
// confirmed is there afterwards, once, when the power fails then, and when it
// fails after another start, which still sees what the disk does not have. Lack of
// room passes without a trace.
func TestFailureAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, failure := range []struct {
		name  string
		err   syscall.Errno
		op    vfstest.Op
		most  int // in a row
		again bool
	}{
		{"EIO", syscall.EIO, vfstest.Changes, 1, false},
		{"EIO, started again", syscall.EIO, vfstest.Changes, 1, true},
		{"EIO from then on", syscall.EIO, vfstest.Changes, -1, false},
		{"EIO from then on, started again", syscall.EIO, vfstest.Changes, -1, true},
		{"ENOSPC", syscall.ENOSPC, needsRoom, 3, false},
		{"ENOSPC, started again", syscall.ENOSPC, needsRoom, 3, true},
	} {
		t.Run(failure.name, func(t *testing.T) {
			t.Parallel()
			calls, ended := 0, 0
			for n := 0; ; n++ {
				finished, survived := false, false
				synctest.Test(t, func(t *testing.T) {
					d := vfstest.New(vfstest.Options{Seed: uint64(n)})
					finished, survived = failAt(t, d, vfstest.Fault{Op: failure.op, After: n, Err: failure.err, Times: failure.most, Tear: n % 90}, failure.again)
				})
				if finished {
					break
				}
				calls++
				if !survived {
					ended++
				}
			}
			t.Logf("%s at each of %d calls; the store ended %d times", failure.name, calls, ended)
			require.Greater(t, calls, 100)
			if failure.err == syscall.EIO {
				require.Greater(t, ended, calls/3)
			} else {
				// Lack of room while something is made durable is no better than any
				// other error; all else waits for room.
				require.Less(t, ended, calls/2)
				require.Greater(t, calls-ended, 50)
			}
		})
	}
}

// needsRoom are the calls that may find none.
const needsRoom = vfstest.Create | vfstest.Mkdir | vfstest.Rename | vfstest.SyncDir | vfstest.Write | vfstest.Datasync | vfstest.Allocate

// failAt leaves a Store that was killed behind, recovers it and works on with a
// failure to come, and looks at what is left when the power failed. finished says
// that there were fewer calls than it takes for the failure, survived that the
// Store worked to the end.
func failAt(t *testing.T, d *vfstest.Disk, fault vfstest.Fault, again bool) (finished, survived bool) {
	cfg := Config{MaxOpenFiles: 2, RotateSize: 500}
	s := twinStore(t, d, cfg)
	commitOnly(t, s, message("celery", "before"), message("new", "before"))
	d.Kill()

	confirmed := 0
	fault.Err = fmt.Errorf("injected: %w", fault.Err)
	d.Inject(fault)
	before := d.Ops()
	s, err := openTwin(d.FS(), cfg)
	if err == nil {
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- s.Run(ctx) }()
		for ; confirmed < 8; confirmed++ {
			done := make(chan error, 1)
			if s.Submit(ctx, testTime, lines2(confirmed), func(err error) { done <- err }) != nil {
				break
			}
			var answer error
			select {
			case answer = <-done:
			case <-time.After(time.Hour):
				t.Fatalf("%d: still waiting: %v", fault.After, s.Err())
			}
			if answer != nil {
				break
			}
			time.Sleep(2 * time.Second) // for checkpoints, and for the disk to be looked at again
		}
		cancel()
		err = <-ran
		s.Close() // may fail for the same reason
	}
	survived = err == nil
	if survived {
		require.Equal(t, 8, confirmed)
	} else {
		require.ErrorContains(t, err, "injected")
	}
	finished = d.Ops()-before <= fault.After
	synctest.Wait()
	if again {
		d.Kill()
		startStore(t, twinStore(t, d, cfg))()
	}
	d.PowerLoss()

	s = twinStore(t, d, cfg)
	stop := startStore(t, s)
	submit(t, s, message("celery", "end"), message("new", "end"))
	stop()
	for program, name := range map[string]string{"celery": "worker.log", "new": "new.log"} {
		header := strings.Replace(testHeader, "celery", program, 1)
		seen := map[string]int{}
		for line := range strings.Lines(wholeOnDisk(t, d, name)) {
			rest, whole := strings.CutPrefix(line, header)
			require.True(t, whole && strings.HasSuffix(rest, "\n"), "%d: %s holds %q", fault.After, name, line)
			seen[strings.TrimSuffix(rest, "\n")]++
		}
		wanted := []string{"before", "end"}
		for i := range confirmed {
			wanted = append(wanted, fmt.Sprintf("%da", i), fmt.Sprintf("%db", i))
		}
		for _, text := range wanted {
			require.Equal(t, 1, seen[text], "%d: line %s of %s", fault.After, text, name)
			delete(seen, text)
		}
		for text, n := range seen {
			require.Equal(t, 1, n, "%d: line %s of %s, which was not confirmed", fault.After, text, name)
		}
	}
	return finished, survived
}

// lines2 is a message for each of two files, twice.
func lines2(i int) (msgs []syslog.Message) {
	for _, p := range []string{"celery", "new"} {
		msgs = append(msgs, message(p, fmt.Sprintf("%da", i)), message(p, fmt.Sprintf("%db", i)))
	}
	return msgs
}

// wholeOnDisk is what the parts of a file, compressed or not, and the file hold.
func wholeOnDisk(t *testing.T, d *vfstest.Disk, name string) string {
	t.Helper()
	entries, err := d.Outside().ReadDir(partsDir(name))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	require.NoError(t, err)
	parts := map[int64]string{}
	for _, e := range entries {
		offset, suffix, ok := parsePartName(e.Name)
		require.True(t, ok, e.Name)
		text := onDisk(t, d, partsDir(name)+"/"+e.Name)
		switch suffix {
		case draftSuffix:
			continue
		case packedSuffix:
			plain, err := testZstd.DecodeAll([]byte(text), nil)
			require.NoError(t, err, e.Name)
			text = string(plain)
		}
		if before, twice := parts[offset]; twice {
			require.Equal(t, before, text, "both forms of a part")
		}
		parts[offset] = text
	}
	text := ""
	for _, offset := range slices.Sorted(maps.Keys(parts)) {
		text += parts[offset]
	}
	return text + onDisk(t, d, name)
}

var testZstd = func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return d
}()
