package logstore

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/syslog"
	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

// feed submits numbered messages of celery's until stop is called, which
// returns how many there were.
func feed(t *testing.T, s *Store) (stop func() int) {
	var n atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			msgs := make([]syslog.Message, 20)
			for i := range msgs {
				msgs[i] = message("celery", fmt.Sprint(n.Load()+int64(i)))
			}
			confirmed := make(chan error, 1)
			if err := s.Submit(t.Context(), testTime, msgs, func(err error) { confirmed <- err }); err != nil {
				t.Error(err)
				return
			}
			if err := <-confirmed; err != nil {
				t.Error(err)
			}
			n.Add(int64(len(msgs)))
		}
	}()
	return func() int { cancel(); <-done; return int(n.Load()) }
}

// requireNumbers checks that text is whole lines with the numbers from first
// to before last.
func requireNumbers(t *testing.T, text string, first, last int) {
	t.Helper()
	require.NotContains(t, text, "\x00")
	for line := range strings.Lines(text) {
		require.Equal(t, fmt.Sprintf("%s%d\n", testHeader, first), line)
		first++
	}
	require.Equal(t, last, first)
}

func TestRenameUnderLoad(t *testing.T) {
	t.Parallel()
	s, stop := runStore(t, Config{})
	end := feed(t, s)
	path := filepath.Join(s.cfg.Dir, "worker.log")
	for i := range 10 {
		eventually(t, func() bool { info, err := os.Stat(path); return err == nil && info.Size() > 1000 }, "a growing file")
		require.NoError(t, os.Rename(path, fmt.Sprintf("%s.%d", path, i)))
		if i%2 == 0 {
			require.NoError(t, os.WriteFile(path, nil, 0o640)) // as logrotate's create does
		}
		require.NoError(t, s.Reopen(t.Context()))
		before, err := os.Stat(fmt.Sprintf("%s.%d", path, i))
		require.NoError(t, err)
		submit(t, s, message("cron", "x"))
		after, err := os.Stat(fmt.Sprintf("%s.%d", path, i))
		require.NoError(t, err)
		require.Equal(t, before.Size(), after.Size(), "nothing is written to a renamed file after Reopen")
	}
	n := end()
	stop()
	var all strings.Builder
	for i := range 10 {
		all.WriteString(content(t, s, fmt.Sprintf("worker.log.%d", i)))
	}
	all.WriteString(content(t, s, "worker.log"))
	requireNumbers(t, all.String(), 0, n)
	require.EqualValues(t, 10, s.Stats().Replaced)
}

// Without Reopen a rename and a removal are noticed with the next lines, or where
// none come, within sweepEvery.
func TestRenameAndRemovalAreNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := vfstest.New(vfstest.Options{})
		s := twinStore(t, d, Config{})
		stop := startStore(t, s)
		submit(t, s, message("celery", "a"))
		require.NoError(t, d.Outside().Rename("worker.log", "worker.log.1"))
		submit(t, s, message("celery", "b"))
		submit(t, s, message("celery", "c"))
		require.Equal(t, testHeader+"a\n", onDisk(t, d, "worker.log.1"))
		require.Equal(t, testHeader+"b\n"+testHeader+"c\n", onDisk(t, d, "worker.log"))

		require.NoError(t, d.Outside().Remove("worker.log"))
		submit(t, s, message("celery", "d"))
		require.Equal(t, testHeader+"d\n", onDisk(t, d, "worker.log"))

		require.NoError(t, d.Outside().Remove("docassemble.log"))
		require.NoError(t, s.Reopen(t.Context()))
		require.Equal(t, "", onDisk(t, d, "docassemble.log"), "standard files come back")

		open := s.Stats().OpenFiles
		require.NoError(t, d.Outside().Remove("uwsgi.log"))
		time.Sleep(sweepEvery)
		synctest.Wait()
		require.Equal(t, open-1, s.Stats().OpenFiles, "a removed file is let go of though nothing is written to it")
		stop()
	})
}

// Copytruncate loses what is written between its copy and its truncation. The
// test stops the writer there, so nothing may be missing.
func TestCopyTruncate(t *testing.T) {
	t.Parallel()
	s, stop := runStore(t, Config{})
	path := filepath.Join(s.cfg.Dir, "worker.log")
	var all bytes.Buffer
	n := 0
	for range 20 {
		for range 5 {
			submit(t, s, message("celery", fmt.Sprint(n)))
			n++
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		all.Write(b)
		require.NoError(t, os.Truncate(path, 0))
	}
	submit(t, s, message("celery", fmt.Sprint(n)))
	stop()
	all.WriteString(content(t, s, "worker.log"))
	requireNumbers(t, all.String(), 0, n+1)
	require.EqualValues(t, 20, s.Stats().Shrunk)
}

func TestTruncationUnderLoadLeavesNoHole(t *testing.T) {
	t.Parallel()
	s, stop := runStore(t, Config{})
	end := feed(t, s)
	path := filepath.Join(s.cfg.Dir, "worker.log")
	for range 20 {
		eventually(t, func() bool { info, err := os.Stat(path); return err == nil && info.Size() > 5000 }, "a growing file")
		require.NoError(t, os.Truncate(path, 0))
	}
	n := end()
	stop()
	text := content(t, s, "worker.log")
	first := n - strings.Count(text, "\n")
	requireNumbers(t, text, first, n)
}

func TestForeignAppenders(t *testing.T) {
	t.Parallel()
	s, stop := runStore(t, Config{})
	end := feed(t, s)
	f, err := os.OpenFile(filepath.Join(s.cfg.Dir, "worker.log"), os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	defer f.Close()
	const foreign = 20000
	for i := range foreign {
		_, err := fmt.Fprintf(f, "foreign %d\n", i)
		require.NoError(t, err)
	}
	n := end()
	stop()
	theirs := 0
	var ours strings.Builder
	for line := range strings.Lines(content(t, s, "worker.log")) {
		if strings.HasPrefix(line, "foreign") {
			require.Equal(t, fmt.Sprintf("foreign %d\n", theirs), line)
			theirs++
			continue
		}
		ours.WriteString(line)
	}
	require.Equal(t, foreign, theirs)
	requireNumbers(t, ours.String(), 0, n)
}

// A name that cannot be looked at keeps its open file, unless that has no name left:
// lines would be lost with it.
func TestRemovedWhileUnseen(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	s := twinStore(t, d, Config{})
	stop := startStore(t, s)
	submit(t, s, message("celery", "a"))
	d.Inject(vfstest.Fault{Op: vfstest.Lstat, Name: "worker.log", Times: -1, Err: syscall.EACCES})
	submit(t, s, message("celery", "b"))
	require.Equal(t, testHeader+"a\n"+testHeader+"b\n", onDisk(t, d, "worker.log"))
	require.NoError(t, d.Outside().Remove("worker.log"))
	submit(t, s, message("celery", "c"))
	stop()
	require.Equal(t, testHeader+"c\n", onDisk(t, d, "worker.log"))
}

func TestPartialLineOfAnotherIsEnded(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	outsideAppend(t, d, "worker.log", "half a line of the time before")
	s := twinStore(t, d, Config{})
	stop := startStore(t, s)
	submit(t, s, message("celery", "a"))
	submit(t, s, message("celery", "b"))
	outsideAppend(t, d, "worker.log", "whole line\nhalf a line")
	submit(t, s, message("celery", "c"))
	outsideAppend(t, d, "worker.log", "whole line\n")
	submit(t, s, message("celery", "d"))
	stop()
	require.Equal(t, "half a line of the time before\n"+testHeader+"a\n"+testHeader+"b\n"+
		"whole line\nhalf a line\n"+testHeader+"c\n"+"whole line\n"+testHeader+"d\n", onDisk(t, d, "worker.log"))
	require.EqualValues(t, 2, s.Stats().Mended)
	require.Zero(t, s.Stats().Shrunk)
}

// A size in the midst of a line may be that of a write under way, which needs
// no line end of ours.
func TestForeignWriteUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := vfstest.New(vfstest.Options{})
		s := twinStore(t, d, Config{})
		stop := startStore(t, s)
		outsideAppend(t, d, "worker.log", "half a ")
		go func() {
			time.Sleep(tornWait / 2)
			outsideAppend(t, d, "worker.log", "line\n")
		}()
		submit(t, s, message("celery", "a"))
		stop()
		require.Equal(t, "half a line\n"+testHeader+"a\n", onDisk(t, d, "worker.log"))
		require.Zero(t, s.Stats().Mended)
	})
}

// racingFS lets somebody else act right after a write that fell short.
type racingFS struct {
	vfs.FS
	after func()
}

type racingFile struct {
	vfs.File
	after func()
}

func (r *racingFS) OpenFile(name string, flag int, perm os.FileMode) (vfs.File, error) {
	f, err := r.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &racingFile{f, r.after}, nil
}

func (r *racingFile) Append(parts [][]byte) (int, error) {
	n, err := r.File.Append(parts)
	if err != nil {
		r.after()
	}
	return n, err
}

// Bytes that somebody else appends behind a torn write must survive, and ours
// must be there once and whole all the same.
func TestFullDiskBesideAnotherAppender(t *testing.T) {
	t.Parallel()
	line := testHeader + "line 0\n"
	for tear := range 3 * len(line) {
		for _, before := range []string{"", "old\n", "half"} {
			synctest.Test(t, func(t *testing.T) {
				d := vfstest.New(vfstest.Options{})
				once := func() {}
				s, err := openTwin(&racingFS{d.FS(), func() { once() }}, Config{})
				require.NoError(t, err)
				outsideAppend(t, d, "worker.log", before)
				once = func() { outsideAppend(t, d, "worker.log", "foreign\n"); once = func() {} }
				d.Inject(vfstest.Fault{Op: vfstest.Write, Name: "worker.log", Err: syscall.ENOSPC, Tear: tear})
				stop := startStore(t, s)
				submit(t, s, lines(3, "celery")...)
				stop()

				got := onDisk(t, d, "worker.log")
				require.Equal(t, 1, strings.Count(got, "foreign\n"), "%q", got)
				rest, ok := strings.CutPrefix(got, before)
				require.True(t, ok)
				for i := range 3 {
					var found bool
					_, rest, found = strings.Cut("\n"+strings.TrimPrefix(rest, "\n"), fmt.Sprintf("\n%sline %d\n", testHeader, i))
					require.True(t, found, "line %d in %q", i, got)
					require.NotContains(t, rest, fmt.Sprintf("line %d\n", i), "once")
				}
				require.Empty(t, rest)
			})
		}
	}
}

func TestUnfitNamesGoToOverflow(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(outside, []byte("untouched"), 0o600))
	for _, c := range []struct {
		name string
		make func(path string) error
	}{
		{"symlink", func(path string) error { return os.Symlink(outside, path) }},
		{"dangling symlink", func(path string) error { return os.Symlink(outside+".new", path) }},
		{"folder", func(path string) error { return os.Mkdir(path, 0o700) }},
		{"FIFO", func(path string) error { return unix.Mkfifo(path, 0o600) }},
		{"socket", func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o600, 0) }},
		{"hard link", func(path string) error {
			return os.Link(outside, path)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "cron.log")
			require.NoError(t, c.make(path))
			require.NoError(t, c.make(filepath.Join(dir, "worker.log")), "a standard file, too")
			var logged logBuffer
			s, stop := runStore(t, Config{Dir: dir, Logger: logged.logger()})
			submit(t, s, lines(6, "cron", "nginx", "celery")...)
			submit(t, s, lines(6, "cron", "nginx", "celery")...)

			cron := strings.Replace(testHeader, "celery", "cron", 1)
			require.Equal(t, strings.Repeat(cron+"line 0\n"+cron+"line 3\n"+testHeader+"line 2\n"+testHeader+"line 5\n", 2),
				content(t, s, overflowFile))
			require.Equal(t, 4, strings.Count(content(t, s, "access.log"), "\n"), "others are not held up")
			require.Equal(t, 1, strings.Count(logged.String(), "file=cron.log"), logged.String())
			require.Equal(t, 1, strings.Count(logged.String(), "file=worker.log"), logged.String())
			require.EqualValues(t, len(content(t, s, overflowFile)), s.Stats().Diverted)
			_, err := s.OpenFile("cron.log")
			require.ErrorIs(t, err, os.ErrNotExist)
			require.NotContains(t, names(t, s), "cron.log")
			stop()

			victim, err := os.ReadFile(outside)
			require.NoError(t, err)
			require.Equal(t, "untouched", string(victim))
			require.NoFileExists(t, outside+".new")
			os.Remove(filepath.Join(dir, "worker.log"))
			os.Remove(path)
		})
	}
}

func TestFitAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := vfstest.New(vfstest.Options{})
		require.NoError(t, d.Outside().Mkdir("cron.log", 0o700))
		s := twinStore(t, d, Config{})
		stop := startStore(t, s)
		submit(t, s, message("cron", "a"))
		require.NoError(t, d.Outside().Remove("cron.log"))
		time.Sleep(retryEvery)
		submit(t, s, message("cron", "b"))
		stop()
		cron := strings.Replace(testHeader, "celery", "cron", 1)
		require.Equal(t, cron+"a\n", onDisk(t, d, overflowFile))
		require.Equal(t, cron+"b\n", onDisk(t, d, "cron.log"))
	})
}

// With the overflow file unfit as well there is no place for the lines: they
// wait.
func TestUnfitOverflowHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := vfstest.New(vfstest.Options{})
		require.NoError(t, d.Outside().Mkdir("cron.log", 0o700))
		require.NoError(t, d.Outside().Mkdir(overflowFile, 0o700))
		s := twinStore(t, d, Config{})
		stop := startStore(t, s)
		done := make(chan error, 1)
		require.NoError(t, s.Submit(t.Context(), testTime, lines(1, "cron"), func(err error) { done <- err }))
		require.NoError(t, <-done, "the write-ahead log has it")
		time.Sleep(time.Minute)
		require.ErrorIs(t, s.Err(), vfs.ErrNotRegular)
		require.NoError(t, d.Outside().Remove(overflowFile))
		time.Sleep(2 * time.Second)
		require.NoError(t, s.Err())
		stop()
		require.Equal(t, 1, strings.Count(onDisk(t, d, overflowFile), "\n"))
	})
}

// A FIFO that comes in place of an open file must not hold anything up either.
func TestNameTakenWhileOpen(t *testing.T) {
	t.Parallel()
	s, _ := runStore(t, Config{})
	submit(t, s, lines(1, "celery")...)
	path := filepath.Join(s.cfg.Dir, "worker.log")
	require.NoError(t, os.Rename(path, path+".1"))
	require.NoError(t, unix.Mkfifo(path, 0o600))
	require.NoError(t, s.Reopen(t.Context()))
	submit(t, s, message("celery", "later"))
	require.Equal(t, testHeader+"later\n", content(t, s, overflowFile))
	require.Equal(t, testHeader+"line 0\n", content(t, s, "worker.log.1"))
}

func TestMoreFilesThanDescriptors(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{Seed: 3})
	s := twinStore(t, d, Config{MaxOpenFiles: 4})
	stop := startStore(t, s)
	programs := manyPrograms(20)
	for range 5 {
		require.NoError(t, s.Submit(t.Context(), testTime, lines(40, programs...), nil))
	}
	submit(t, s)
	require.EqualValues(t, 4, s.Stats().OpenFiles)
	require.GreaterOrEqual(t, s.Stats().Syncs, int64(16), "synced before closed")
	stop()
	for i, p := range programs {
		header := strings.Replace(testHeader, "celery", p, 1)
		require.Equal(t, strings.Repeat(fmt.Sprintf("%sline %d\n%sline %d\n", header, i, header, i+20), 5), onDisk(t, d, p+".log"))
	}
}

// A write error that comes to light at the fdatasync before a descriptor is
// given up must stop the Store.
func TestSyncBeforeCloseFails(t *testing.T) {
	t.Parallel()
	d := vfstest.New(vfstest.Options{})
	s := twinStore(t, d, Config{MaxOpenFiles: 4})
	d.Inject(vfstest.Fault{Op: vfstest.Datasync, Name: "program0.log", Err: syscall.EIO})
	require.NoError(t, s.Submit(t.Context(), testTime, lines(20, manyPrograms(20)...), nil))
	require.ErrorIs(t, s.Run(t.Context()), syscall.EIO)
}

func TestNoDescriptorsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := vfstest.New(vfstest.Options{})
		s := twinStore(t, d, Config{})
		stop := startStore(t, s)
		submit(t, s, message("celery", "a"))
		d.Inject(vfstest.Fault{Op: vfstest.Create, Name: "new.log", Times: 20, Err: syscall.EMFILE})
		submit(t, s, message("new", "b"), message("celery", "c"))
		stop()
		require.Contains(t, onDisk(t, d, "new.log"), ": b\n")
		require.Equal(t, testHeader+"a\n"+testHeader+"c\n", onDisk(t, d, "worker.log"))
		require.EqualValues(t, 1, s.Stats().Holds)
	})
}
