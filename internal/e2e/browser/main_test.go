package browser

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

var (
	full  = flag.Bool("full", false, "go through everything, and make the screenshots of docs/")
	hold  = flag.Duration("hold", 0, "with -run TestHold: serve the invented logs for so long, to look at the pages by hand")
	shots = flag.String("shots", "", "folder for screenshots; without it only failed tests leave one, in a temporary folder that stays")
)

var (
	dalogdPath string
	chromium   *peers.Peer
	errMissing error // why there is no Chromium
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("browser: left out by -short")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	chromium, errMissing = peers.Find("chromium")
	if errMissing != nil && *hold == 0 {
		if *full || os.Getenv("CI") == "true" {
			fmt.Fprintln(os.Stderr, "browser:", errMissing)
			return 1
		}
		fmt.Println("browser: left out:", errMissing)
		return 0
	}
	dir, err := os.MkdirTemp("", "dalog-browser-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		return 1
	}
	return m.Run()
}

// build makes dalogd from the checkout.
func build(dir string) error {
	root, err := peers.ModuleRoot()
	if err != nil {
		return err
	}
	dalogdPath = filepath.Join(dir, "dalogd")
	cmd := exec.Command("go", "build", "-o", dalogdPath, "./cmd/dalogd")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("%v:\n%s", cmd.Args, out), err)
	}
	return nil
}

// TestHold serves the logs of the tests for somebody to look at.
func TestHold(t *testing.T) {
	if *hold == 0 {
		t.Skip("only with -hold")
	}
	l := newLogs(t)
	l.history(6 * time.Hour)
	d := l.serve()
	stop := l.keepWriting(d, 20)
	defer stop()
	fmt.Println("browser: serving on", d.url)
	time.Sleep(*hold)
}
