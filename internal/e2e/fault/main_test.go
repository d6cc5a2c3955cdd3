package fault

import (
	"errors"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

var (
	program = flag.String("dalogd", "", "test this dalogd instead of building it from the checkout")

	full   = flag.Bool("full", false, "run the whole number of rounds instead of a selection of about a minute")
	budget = flag.Duration("budget", 4*time.Minute, "with -full: what a test may take")
	seed   = flag.Uint64("seed", 0, "repeat the choices of the run that printed this seed")
)

// dalogdPath and dalogfwdPath are the programs under test, built once.
var dalogdPath, dalogfwdPath string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("fault: left out by -short")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dalog-fault-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = errors.Join(os.Chmod(dir, 0o755), build(dir)) // dalogd may run as another user
		dalogfwdPath = filepath.Join(dir, "dalogfwd")
		if dalogdPath = *program; dalogdPath == "" {
			dalogdPath = filepath.Join(dir, "dalogd")
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fault:", err)
		return 1
	}
	return m.Run()
}

// build builds both programs in dir.
func build(dir string) error {
	root, err := peers.ModuleRoot()
	if err != nil {
		return err
	}
	args := []string{"build", "-o", dir + "/"}
	if os.Getenv("DALOG_E2E_RACE") != "" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/dalogd", "./cmd/dalogfwd")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}

// rounds is how often something is done: few times, or as often as it takes to
// find what is rare.
func rounds(few, many int) int {
	if *full {
		return many
	}
	return few
}

// repeat gives as many rounds, counted from 0. Those of -full end when the test's
// time is up.
func repeat(t *testing.T, few, many int) iter.Seq[int] {
	n, begin := rounds(few, many), time.Now()
	return func(yield func(int) bool) {
		for i := range n {
			if *full && time.Since(begin) > *budget {
				t.Logf("stopped after %d of %d rounds: %v are over", i, n, *budget)
				return
			}
			if !yield(i) {
				return
			}
		}
	}
}

// chance is the source of a test's random choices. A run of the same test with
// -seed makes the same ones; when they hit is still up to the machine.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to make the same choices again: -run '^%s$' -seed %d", t.Name(), s)
		}
	})
	return rand.New(rand.NewPCG(s, 1))
}
