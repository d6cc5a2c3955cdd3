package fault

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// network is two network namespaces, of a server and of an app server, with a wire
// between them.
type network struct {
	t              *testing.T
	server, client string // the namespaces
}

const (
	serverIP = "10.77.0.1"
	clientIP = "10.77.0.2"
)

func newNetwork(t *testing.T) *network {
	t.Helper()
	peers.NeedRoot(t, "make network namespaces")
	need(t, "ip")
	n := &network{t: t, server: fmt.Sprintf("dalog-s%d", os.Getpid()), client: fmt.Sprintf("dalog-c%d", os.Getpid())}
	t.Cleanup(func() {
		for _, name := range []string{n.server, n.client} {
			if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
				t.Errorf("remove the namespace %s: %v: %s", name, err, out)
			}
		}
	})
	n.ip("netns add " + n.server)
	n.ip("netns add " + n.client)
	n.ip(fmt.Sprintf("link add ds%d netns %s type veth peer name dc%d netns %s", os.Getpid(), n.server, os.Getpid(), n.client))
	for _, side := range []struct{ ns, link, ip string }{
		{n.server, fmt.Sprintf("ds%d", os.Getpid()), serverIP}, {n.client, fmt.Sprintf("dc%d", os.Getpid()), clientIP},
	} {
		n.ip(fmt.Sprintf("-n %s addr add %s/24 dev %s", side.ns, side.ip, side.link))
		n.ip(fmt.Sprintf("-n %s link set lo up", side.ns))
		n.ip(fmt.Sprintf("-n %s link set %s up", side.ns, side.link))
	}
	return n
}

func (n *network) ip(args string) {
	n.t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	require.NoError(n.t, err, "ip %s: %s", args, out)
}

// The network between the two sides is cut: for both, or in one direction only, for
// a moment or for so long that connections die of it. Delivery goes on within ten
// seconds of its return, and each line is stored once.
func TestPartition(t *testing.T) {
	t.Parallel()
	random := chance(t)
	n := newNetwork(t)
	c := newCluster(t, 1, 3)
	c.addr = serverIP + ":5514"
	c.wrap = []string{"ip", "netns", "exec", n.server}
	s := c.servers[0]
	s.addr, s.wrap = c.addr, []string{"ip", "netns", "exec", n.client}
	c.work(random)
	d := c.run()
	s.start()
	cuts := []struct{ what, cut, mend string }{
		{"the wire", fmt.Sprintf("-n %s link set dc%d down", n.client, os.Getpid()), fmt.Sprintf("-n %s link set dc%d up", n.client, os.Getpid())},
		{"the way to the server", fmt.Sprintf("-n %s route add blackhole %s/32", n.client, serverIP), fmt.Sprintf("-n %s route del blackhole %s/32", n.client, serverIP)},
		{"the way back", fmt.Sprintf("-n %s route add blackhole %s/32", n.server, clientIP), fmt.Sprintf("-n %s route del blackhole %s/32", n.server, clientIP)},
	}
	var worst time.Duration
	for round := range rounds(3, 30) {
		cut := cuts[round%len(cuts)]
		n.ip(cut.cut)
		if *full && random.IntN(2) == 0 {
			time.Sleep(deadConnection)
		} else {
			time.Sleep(time.Duration(200+random.IntN(1000)) * time.Millisecond)
		}
		n.ip(cut.mend)
		mended := time.Now()
		s.hold.Lock()
		for _, f := range s.files {
			f.append(t, 1)
			c.waitLast(f)
		}
		s.hold.Unlock()
		took := time.Since(mended)
		worst = max(worst, took)
		require.Less(t, took, 10*time.Second, "%s", cut.what)
	}
	s.stop()
	d.stop()
	t.Logf("partitions %d, delivery went on after %v at most, lines %d: 0 lost, 0 duplicated, in order", rounds(3, 30), worst.Round(time.Millisecond), c.settle())
}

// deadConnection is longer than dalogfwd waits for the server's TCP.
const deadConnection = 12 * time.Second
