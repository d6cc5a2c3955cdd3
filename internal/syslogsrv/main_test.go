package syslogsrv

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// childEnv makes the test binary one of the children instead of running tests.
const childEnv = "SYSLOGSRV_TEST_CHILD"

// children are what tests need to do in a process of its own.
var children = map[string]func(args []string) error{
	"flood":          flood,
	"floodDatagrams": floodDatagrams,
	"descriptors":    descriptors,
	"clients":        clients,
	"activated":      activated,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := children[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, name+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is a command that runs one of the children.
func child(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}
