package fault

import (
	"os"
	"testing"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// lacking skips a test that cannot be run here, which continuous integration
// may not overlook.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func needRoot(t *testing.T, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "only root can "+why+": run the test as root, for instance with sudo make fault")
	}
}

func need(t *testing.T, name string) *peers.Peer {
	t.Helper()
	p, err := peers.Find(name)
	if err != nil {
		lacking(t, err.Error())
	}
	return p
}
