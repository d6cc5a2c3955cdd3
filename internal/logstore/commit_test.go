package logstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

func TestOrderPerSubmitter(t *testing.T) {
	t.Parallel()
	const submitters, batches, perBatch = 16, 60, 7
	programs := []string{"celery", "nginx", "cron", "uwsgi", "x"}
	s, stop := runStore(t, Config{MaxUncommitted: 64 << 10, MaxOpenFiles: 3})

	var wg sync.WaitGroup
	for i := range submitters {
		wg.Go(func() {
			var confirmed atomic.Int64 // submissions confirmed in order
			for j := range batches {
				msgs := make([]syslog.Message, perBatch)
				for k := range msgs {
					msgs[k] = message(programs[(i+k*k+j)%len(programs)], fmt.Sprintf("%d %d", i, j*perBatch+k))
				}
				var committed func(error)
				if i%3 > 0 {
					committed = func(err error) {
						if err != nil || !confirmed.CompareAndSwap(int64(j), int64(j+1)) {
							t.Errorf("submitter %d: submission %d confirmed after %d with %v", i, j, confirmed.Load(), err)
						}
					}
				} else {
					confirmed.Add(1)
				}
				if err := s.Submit(context.Background(), testTime, msgs, committed); err != nil {
					t.Error(err)
				}
				clear(msgs)
			}
			eventually(t, func() bool { return confirmed.Load() == batches }, "confirmation of all")
		})
	}
	wg.Wait()
	stop()

	total := 0
	for _, p := range programs {
		name := routeOf(s.router, message(p, ""))
		last := map[string]int{}
		for line := range strings.Lines(content(t, s, name)) {
			var submitter string
			var n int
			_, err := fmt.Sscanf(line[strings.Index(line, p+": ")+len(p)+2:], "%s %d\n", &submitter, &n)
			require.NoError(t, err, line)
			if before, ok := last[submitter]; ok {
				require.Greater(t, n, before, "%s: submitter %s", name, submitter)
			}
			last[submitter] = n
			total++
		}
	}
	require.Equal(t, submitters*batches*perBatch, total)
	st := s.Stats()
	require.EqualValues(t, total, st.Messages)
	require.EqualValues(t, total, st.Lines)
	require.Zero(t, st.Uncommitted)
}

func TestConfirmedSurvivesPowerLoss(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		d := vfstest.New(vfstest.Options{Seed: seed})
		s := twinStore(t, d, Config{})
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan error, 1)
		go func() { ran <- s.Run(ctx) }()
		submit(t, s, message("celery", "first"), message("new", "first"))
		submit(t, s, message("celery", "second"), message("newer", "second"))
		d.PowerLoss()
		cancel()
		<-ran // of a process that is gone
		startStore(t, twinStore(t, d, Config{}))()
		require.Equal(t, testHeader+"first\n"+testHeader+"second\n", onDisk(t, d, "worker.log"), "seed %d", seed)
		require.Equal(t, strings.Replace(testHeader, "celery", "new", 1)+"first\n", onDisk(t, d, "new.log"))
		require.Equal(t, strings.Replace(testHeader, "celery", "newer", 1)+"second\n", onDisk(t, d, "newer.log"))
	}
}

func TestUnacknowledgedIsSyncedWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := vfstest.New(vfstest.Options{})
		s := twinStore(t, d, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- s.Run(ctx) }()
		submit(t, s, message("new", "b"))
		require.NoError(t, s.Submit(t.Context(), testTime, []syslog.Message{message("celery", "a"), message("new", "c")}, nil))
		time.Sleep(applyWithin)
		synctest.Wait()
		require.False(t, s.journal.clean(), "nobody waits")
		require.Equal(t, testHeader+"a\n", onDisk(t, d, "worker.log"), "written at once")
		time.Sleep(time.Second)
		synctest.Wait()
		require.True(t, s.journal.clean())
		d.PowerLoss()
		cancel()
		<-ran // of a process that is gone
		startStore(t, twinStore(t, d, Config{}))()
		require.Equal(t, testHeader+"a\n", onDisk(t, d, "worker.log"))
		require.Contains(t, onDisk(t, d, "new.log"), ": c\n")
	})
}

func TestEmptySubmissionIsConfirmedInItsTurn(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{})
	submit(t, s)
	require.EqualValues(t, 0, s.Stats().Messages)
}

func TestStopDrains(t *testing.T) {
	t.Parallel()
	s, err := Open(Config{Dir: t.TempDir()})
	require.NoError(t, err)
	var confirmed int
	for range 100 {
		require.NoError(t, s.Submit(t.Context(), testTime, lines(100, "celery"), func(err error) {
			if err == nil {
				confirmed++
			}
		}))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, s.Run(ctx))
	require.Equal(t, 100, confirmed)
	require.Equal(t, 10000, strings.Count(content(t, s, "worker.log"), "\n"))
	require.ErrorIs(t, s.Submit(t.Context(), testTime, lines(1, "celery"), nil), ErrClosed)
	require.ErrorIs(t, s.Err(), ErrClosed)
	require.ErrorIs(t, s.Reopen(t.Context()), ErrClosed)
	require.Zero(t, s.Stats().Uncommitted)
	require.NoError(t, s.Close())
}

func TestBackPressure(t *testing.T) {
	t.Parallel()
	s, err := Open(Config{Dir: t.TempDir(), MaxUncommitted: 10 << 10})
	require.NoError(t, err)
	big := []syslog.Message{message("celery", strings.Repeat("x", 100<<10))}
	require.NoError(t, s.Submit(t.Context(), testTime, big, nil), "one batch may be larger than the budget")

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Submit(ctx, testTime, lines(1, "cron"), func(error) { t.Error("called though refused") }), context.DeadlineExceeded)

	waiting := make(chan error, 1)
	go func() { waiting <- s.Submit(t.Context(), testTime, lines(1, "uwsgi"), nil) }()
	eventually(t, func() bool { _, full := s.budget.inUse(); return full }, "a waiting submission")
	stop := startStore(t, s)
	require.NoError(t, <-waiting)
	stop()
	require.Len(t, content(t, s, "worker.log"), len(testHeader)+100<<10+1)
	require.NoFileExists(t, s.cfg.Dir+"/cron.log", "the refused one was not taken")
	require.Equal(t, 1, strings.Count(content(t, s, "uwsgi.log"), "\n"))
}

// A failure of the write-ahead log leaves nothing confirmed, one of a file what
// the log has; and then nothing is confirmed any more.
func TestDiskFailureStopsTheStore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault vfstest.Fault
		log   bool
	}{
		{"write to the log", vfstest.Fault{Op: vfstest.Write, Name: "*.wal", Err: syscall.EIO}, true},
		{"torn write to the log", vfstest.Fault{Op: vfstest.Write, Name: "*.wal", Err: syscall.EIO, Tear: 100}, true},
		{"fdatasync of the log", vfstest.Fault{Op: vfstest.Datasync, Name: "*.wal", Err: syscall.EIO}, true},
		{"write", vfstest.Fault{Op: vfstest.Write, Name: "worker.log", Err: syscall.EIO}, false},
		{"torn write", vfstest.Fault{Op: vfstest.Write, Name: "worker.log", Err: syscall.EIO, Tear: 10}, false},
		{"fdatasync", vfstest.Fault{Op: vfstest.Datasync, Name: "worker.log", Err: syscall.EIO}, false},
		{"sync of many files", vfstest.Fault{Op: vfstest.SyncAll, Err: syscall.EIO}, false},
		{"folder", vfstest.Fault{Op: vfstest.SyncDir, Name: ".", Err: syscall.EIO}, false},
		{"create", vfstest.Fault{Op: vfstest.Create, Name: "new.log", Err: syscall.EROFS}, false},
		{"checkpoint", vfstest.Fault{Op: vfstest.Datasync, Name: checkpointNew, Err: syscall.EIO}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := vfstest.New(vfstest.Options{})
				var cfg Config
				if c.fault.Op == vfstest.SyncAll {
					cfg.manyDirty = 2
				}
				s := twinStore(t, d, cfg)
				ran := make(chan error, 1)
				d.Inject(c.fault)
				var answers []error
				for range 3 {
					require.NoError(t, s.Submit(t.Context(), testTime, lines(4, "celery", "new"), func(err error) { answers = append(answers, err) }))
				}
				go func() { ran <- s.Run(context.Background()) }()
				err := <-ran
				require.ErrorIs(t, err, c.fault.Err)
				require.Len(t, answers, 3)
				for _, answer := range answers {
					if c.log {
						require.ErrorIs(t, answer, c.fault.Err)
					} else {
						require.NoError(t, answer)
					}
				}
				require.ErrorIs(t, s.Err(), c.fault.Err)
				require.ErrorIs(t, s.Submit(t.Context(), testTime, lines(1, "celery"), nil), c.fault.Err)
				require.EqualValues(t, 1, s.Stats().Failures)
				if c.log {
					require.Zero(t, s.Stats().Messages)
					return
				}
				d.PowerLoss()
				startStore(t, twinStore(t, d, Config{}))()
				require.Equal(t, 6, strings.Count(onDisk(t, d, "worker.log"), "\n"))
				require.Equal(t, 6, strings.Count(onDisk(t, d, "new.log"), "\n"))
			})
		})
	}
}

// A sync that failed in the background must not let a later one, which finds the
// file clean, make a checkpoint.
func TestFailedSyncIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	for _, fault := range []vfstest.Fault{
		{Op: vfstest.Datasync, Name: "worker.log", Err: syscall.EIO},
		{Op: vfstest.SyncAll, Err: syscall.EIO},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := vfstest.New(vfstest.Options{})
			var cfg Config
			if fault.Op == vfstest.SyncAll {
				cfg.manyDirty = 1
			}
			s := twinStore(t, d, cfg)
			ran := make(chan error, 1)
			go func() { ran <- s.Run(context.Background()) }()
			d.Inject(fault)
			require.NoError(t, s.Submit(t.Context(), testTime, lines(1, "celery"), nil))
			require.ErrorIs(t, <-ran, syscall.EIO)
			syncs := s.Stats().Syncs
			file := s.router.lookup("worker.log")
			require.ErrorIs(t, s.folder.sync([]*logFile{file}), syscall.EIO, "no second try")
			require.ErrorIs(t, s.folder.syncFile(file), syscall.EIO, "no second try")
			require.Equal(t, syncs, s.Stats().Syncs)
			require.Zero(t, s.Stats().Checkpoints)
		})
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, tear := range []int{0, 1, 30, len(testHeader) + 7, len(testHeader) + 8, 200} {
		synctest.Test(t, func(t *testing.T) {
			d := vfstest.New(vfstest.Options{})
			var logged logBuffer
			s := twinStore(t, d, Config{Logger: logged.logger()})
			stop := startStore(t, s)
			submit(t, s, message("celery", "before"))
			d.Inject(vfstest.Fault{Op: vfstest.Write, Name: "worker.log", Times: 40, Err: syscall.ENOSPC, Tear: tear})

			require.NoError(t, s.Submit(t.Context(), testTime, lines(10, "celery", "nginx"), nil))
			time.Sleep(time.Second)
			done := make(chan error, 1)
			require.NoError(t, s.Submit(t.Context(), testTime, lines(10, "celery", "nginx"), func(err error) { done <- err }))
			time.Sleep(8 * time.Second)
			require.ErrorIs(t, s.Err(), syscall.ENOSPC)
			require.Equal(t, testHeader+"before\n", onDisk(t, d, "worker.log"), "cut back")
			require.True(t, s.Stats().Held)
			select {
			case err := <-done:
				t.Fatalf("confirmed with %v while the disk is full", err)
			default:
			}
			time.Sleep(time.Second + 2*holdRetry)
			synctest.Wait()
			require.NoError(t, <-done)
			require.NoError(t, s.Err())
			five := testHeader + "line 0\n" + testHeader + "line 2\n" + testHeader + "line 4\n" + testHeader + "line 6\n" + testHeader + "line 8\n"
			require.Equal(t, testHeader+"before\n"+five+five, onDisk(t, d, "worker.log"))
			require.EqualValues(t, 1, s.Stats().Holds)
			require.Equal(t, 1, strings.Count(logged.String(), "intake is held"), "logged once")
			require.Equal(t, 1, strings.Count(logged.String(), "intake goes on"))
			stop()
		})
	}
}

func TestFullDiskHoldsTheIntake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := vfstest.New(vfstest.Options{})
		s := twinStore(t, d, Config{MaxUncommitted: 4 << 10})
		stop := startStore(t, s)
		d.SetFree(0, 0)
		sent := make(chan int, 1)
		go func() {
			n := 0
			for ; n < 100; n++ {
				if s.Submit(t.Context(), testTime, lines(10, "celery", "new"), nil) != nil {
					break
				}
			}
			sent <- n
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		used := s.Stats().Uncommitted
		require.Less(t, used, int64(8<<10), "no more is taken than the budget and one batch")
		require.Greater(t, used, int64(3<<10))
		d.SetFree(-1, -1)
		require.Equal(t, 100, <-sent)
		stop()
		require.Equal(t, 500, strings.Count(onDisk(t, d, "worker.log"), "\n"))
		require.Equal(t, 500, strings.Count(onDisk(t, d, "new.log"), "\n"))
	})
}

func TestStopWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := vfstest.New(vfstest.Options{})
		s := twinStore(t, d, Config{})
		d.SetFree(0, 0)
		var answer error
		require.NoError(t, s.Submit(t.Context(), testTime, lines(10, "celery"), func(err error) { answer = err }))
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan error, 1)
		go func() { ran <- s.Run(ctx) }()
		time.Sleep(time.Hour)
		cancel()
		begin := time.Now()
		require.NoError(t, <-ran)
		require.NoError(t, answer, "the write-ahead log has it")
		require.Less(t, time.Since(begin), 2*holdAtEnd)
		require.NoError(t, s.Close())
		d.SetFree(-1, -1)
		startStore(t, twinStore(t, d, Config{}))()
		require.Equal(t, 10, strings.Count(onDisk(t, d, "worker.log"), "\n"))
	})
}

func TestRealFullDisk(t *testing.T) {
	peers.NeedRoot(t, "mount a small file system")
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	s, stop := runStore(t, Config{Dir: dir, MaxUncommitted: 256 << 10})

	const batches, perBatch = 40, 1000
	var confirmed atomic.Int64
	go func() {
		for i := range batches {
			msgs := make([]syslog.Message, perBatch)
			for j := range msgs {
				msgs[j] = message([]string{"celery", "nginx"}[j%2], fmt.Sprint(i*perBatch+j))
			}
			if s.Submit(t.Context(), testTime, msgs, func(err error) {
				if err != nil {
					t.Error(err)
				}
				confirmed.Add(1)
			}) != nil {
				return
			}
		}
	}()
	eventually(t, func() bool { return s.Err() != nil }, "the full disk")
	require.ErrorIs(t, s.Err(), syscall.ENOSPC)
	require.Less(t, confirmed.Load(), int64(batches))
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=16m"))
	eventually(t, func() bool { return confirmed.Load() == batches }, "confirmation of all")
	require.NoError(t, s.Err())
	stop()
	for parity, name := range []string{"worker.log", "access.log"} {
		next := parity
		for line := range strings.Lines(content(t, s, name)) {
			require.Equal(t, fmt.Sprintf("%d\n", next), line[strings.LastIndexByte(line, ' ')+1:])
			next += 2
		}
		require.Equal(t, batches*perBatch+parity, next)
	}
}
