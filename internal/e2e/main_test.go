package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// The programs under test, built once.
var dalogdPath, dalogfwdPath, demoPath string

// withRaceDetector says that the programs are to be built with the race detector
// in them.
var withRaceDetector = os.Getenv("DALOG_E2E_RACE") != ""

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("e2e: left out by -short")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dalog-e2e-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = errors.Join(os.Chmod(dir, 0o755), build(dir)) // some tests run the programs as another user
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

// build makes the programs from the checkout.
func build(dir string) error {
	root, err := peers.ModuleRoot()
	if err != nil {
		return err
	}
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if withRaceDetector {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/dalogd", "./cmd/dalogfwd", "./internal/demo")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	dalogdPath, dalogfwdPath, demoPath = filepath.Join(dir, "dalogd"), filepath.Join(dir, "dalogfwd"), filepath.Join(dir, "demo")
	return nil
}
