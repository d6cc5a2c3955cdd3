package tail

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hpcloud/tail/watch"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/tomb.v1"
)

// Some tests end the process, or need one with other limits: they run this
// binary again with childEnv set to the name of a function below.
const childEnv = "DALOG_TAIL_TEST_CHILD"

var children = map[string]func(dir string){
	"change events":   watchThroughChangeEvents,
	"no inotify":      followWithoutInotify,
	"few descriptors": followWithFewDescriptors,
}

func TestMain(m *testing.M) {
	if run := children[os.Getenv(childEnv)]; run != nil {
		run(os.Args[1])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runChild(t *testing.T, name, dir string) (output string, err error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// A change of an idle file wakes the scanner, again and again, also after the
// path got another file.
func TestHintWakes(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	hints, err := newHints(r.tailer)
	require.NoError(t, err)
	r.tailer.hints = hints
	r.append("app.log", "a\n")
	r.look()
	for round := range 4 {
		for range 8 {
			r.step(time.Second)
		}
		deadline := time.Now().Add(20 * time.Second)
		for woken := false; !woken; {
			require.True(t, time.Now().Before(deadline), "not woken in round %d", round)
			r.append("app.log", "x\n") // the watch is set by another goroutine, at its leisure
			select {
			case <-r.tailer.poke:
				woken = true
			case <-time.After(5 * time.Millisecond):
			}
		}
		r.lines = nil
		r.append("app.log", fmt.Sprintln("round", round))
		r.step(0)
		r.read()
		require.Equal(t, fmt.Sprint("round ", round), r.lines[len(r.lines)-1])
		if round == 1 {
			r.rename("app.log", "app.log.1")
			r.append("app.log", "new\n")
			r.look()
		}
	}
	hints.close()
}

// The package's FileWatcher ends the process when a file that was written to
// cannot be found for another reason than that it does not exist: here its
// folder has become a file. That is why only the tracker below it is used.
func TestChangeEventsEndTheProcess(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "change events", t.TempDir())
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "it has been mended: %s", out)
	assert.Equal(t, 1, exit.ExitCode())
	assert.Contains(t, out, "FATAL -- Failed to stat file")
}

func watchThroughChangeEvents(dir string) {
	folder := filepath.Join(dir, "log")
	must(os.Mkdir(folder, 0o700))
	f, err := os.Create(filepath.Join(folder, "app.log"))
	must(err)
	changes, err := watch.NewInotifyFileWatcher(f.Name()).ChangeEvents(&tomb.Tomb{}, 0)
	must(err)
	must(os.Rename(folder, folder+".moved"))
	must(os.WriteFile(folder, nil, 0o600))
	for range 1000 {
		_, err := f.WriteString("line\n")
		must(err)
		select {
		case <-changes.Modified:
		case <-changes.Deleted:
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Without inotify, here for lack of descriptors when it is asked for, files are
// polled.
func TestNoInotify(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "no inotify", t.TempDir())
	require.NoError(t, err, out)
	assert.Equal(t, "hints off: too many open files\nline\n", out)
}

// What the tracker takes is taken before files can take it.
func TestTrackerStartsFirst(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "few descriptors", t.TempDir())
	require.NoError(t, err, out)
	assert.Equal(t, "alive\n", out)
}

func followWithFewDescriptors(dir string) {
	limit := syscall.Rlimit{Cur: 24, Max: 24}
	must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	for i := range 40 {
		must(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.log", i)), []byte("line\n"), 0o600))
	}
	t := New(Config{Patterns: []string{filepath.Join(dir, "*.log")}, Memory: newMemory(), Notify: func(Event) {}})
	go t.Run(context.Background())
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		t.Next()
	}
	fmt.Println("alive")
}

func followWithoutInotify(dir string) {
	path := filepath.Join(dir, "app.log")
	must(os.WriteFile(path, []byte("line\n"), 0o600))
	var hold []*os.File
	defer func() { _ = hold }()
	limit := syscall.Rlimit{Cur: 64, Max: 64}
	must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		hold = append(hold, f)
	}
	t := New(Config{Patterns: []string{path}, Memory: newMemory(), Notify: func(e Event) {
		if e.Kind == HintsOff {
			fmt.Println("hints off:", strings.TrimSpace(e.Err.Error()))
			for _, f := range hold {
				f.Close()
			}
		}
	}})
	go t.Run(context.Background())
	for range 1000 {
		if c, ok := t.Next(); ok {
			fmt.Print(string(c.Data))
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
