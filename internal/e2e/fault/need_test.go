package fault

import (
	"testing"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

func need(t *testing.T, name string) *peers.Peer {
	t.Helper()
	p, err := peers.Find(name)
	if err != nil {
		peers.Lacking(t, err)
	}
	return p
}
