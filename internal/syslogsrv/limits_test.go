package syslogsrv

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	t.Run("in all", func(t *testing.T) {
		t.Parallel()
		r := startServer(t, Config{Rules: Rules{MaxConnections: 2}}, nil)
		first := r.dial(TCP)
		r.dial(TCP)
		eventually(t, func() bool { return r.Stats().Open == 2 }, "two are open")
		wantClosed(t, r.dial(TCP))
		r.wantRefused(TooMany, 1)
		require.NoError(t, first.Close())
		eventually(t, func() bool { return r.Stats().Open == 1 }, "one has ended")
		send(t, r.dial(TCP), m1+"\n")
		r.wantTexts("one")
	})
	t.Run("per peer", func(t *testing.T) {
		t.Parallel()
		r := startServer(t, Config{
			Rules:  Rules{MaxConnectionsPerPeer: 1},
			Listen: append(tcpOnly, Endpoint{Network: Unix, Address: filepath.Join(t.TempDir(), "log")}),
		}, nil)
		r.dial(TCP)
		eventually(t, func() bool { return r.Stats().Open == 1 }, "one is open")
		wantClosed(t, r.dial(TCP))
		r.wantRefused(TooManyOfPeer, 1)
		other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		c, err := other.Dial("tcp", r.addr(TCP))
		require.NoError(t, err)
		defer c.Close()
		send(t, c, m1+"\n")
		r.wantTexts("one")
		send(t, r.dial(Unix), m1+"\n")
		send(t, r.dial(Unix), m1+"\n")
		r.wantTexts("one", "one", "one")
	})
}

func TestRefusedPeers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := startServer(t, Config{
		Rules: Rules{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		Hints: map[Reason]string{NotAllowed: "allow it"},
		Listen: append(tcpOnly, Endpoint{Network: UDP, Address: "127.0.0.1:0"},
			Endpoint{Network: Unix, Address: filepath.Join(dir, "stream")},
			Endpoint{Network: Unixgram, Address: filepath.Join(dir, "dgram")}),
	}, nil)
	wantClosed(t, r.dial(TCP))
	r.wantRefused(NotAllowed, 1)
	u := r.dial(UDP)
	for range 10 {
		send(t, u, m1)
	}
	r.wantRefused(NotAllowed, 11)
	require.Equal(t, 1, countIn(r.log.String(), "peer_not_allowed"), "logged once")
	require.Contains(t, r.log.String(), "peer=127.0.0.1")
	require.Contains(t, r.log.String(), `hint="allow it"`)
	require.Empty(t, r.Peers(), "strangers take no place in the table")
	send(t, r.dial(Unix), m1+"\n")
	r.wantTexts("one")
	send(t, r.dial(Unixgram), m2)
	r.wantTexts("one", "two")
}

// The log hears of each reason and peer at once, then once a minute with the
// number, then nothing if nothing more came.
func TestRefusalsAreLoggedAtABoundedRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := new(lockedBuffer)
		r := newRefusals(slog.New(slog.NewTextHandler(log, nil)), nil)
		a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
		for range 100 {
			r.add(TooMany, a, "")
		}
		r.add(TooMany, b, "")
		r.add(NotSyslog, a, "")
		lines := func() int { return countIn(log.String(), "\n") }
		require.Equal(t, 3, lines())
		r.flush(false)
		require.Equal(t, 3, lines())
		time.Sleep(time.Minute)
		r.flush(false)
		require.Equal(t, 4, lines())
		require.Contains(t, log.String(), "count=99 peer=10.0.0.1")
		time.Sleep(time.Minute)
		r.flush(false)
		require.Equal(t, 4, lines())
		require.Empty(t, r.seen)
		r.add(TooMany, a, "")
		require.Equal(t, 5, lines())
		require.EqualValues(t, 102, r.counts[TooMany].Load())

		for i := range 10 * refusalKeys {
			r.add(NotAllowed, netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)}), "")
		}
		require.LessOrEqual(t, len(r.seen), refusalKeys+int(reasons))
		require.LessOrEqual(t, lines(), 5+refusalKeys+1)
	})
}

func TestPeersAreBounded(t *testing.T) {
	t.Parallel()
	peers := newPeers("me")
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	held := peers.get(addr(0))
	held.connections = 1
	recent := peers.get(addr(1))
	for i := 2; i < 2*maxPeers; i++ {
		peers.get(addr(i))
		require.Same(t, recent, peers.get(addr(1)))
	}
	require.Len(t, peers.table, maxPeers)
	require.Same(t, held, peers.get(addr(0)), "open connections keep their peer")
	require.Equal(t, "me", peers.get(netip.Addr{}).Name)
}

// Out of descriptors, the server refuses whom it cannot serve without spinning,
// serves those it has, and recovers by itself.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	out, err := child("descriptors").Output()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "ok\n", string(out))
}

// descriptors runs in a process of its own, for its limit.
func descriptors([]string) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = 40
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	r := startServer(new(testing.T), Config{}, nil)

	// The clients are in another process again, which takes the hard limit.
	clients := child("clients", r.addr(TCP), "60")
	out, err := clients.Output()
	if err != nil {
		return fmt.Errorf("clients: %w: %s", err, out)
	}
	switch s := r.Stats(); {
	case s.Refused[NoDescriptors] < 20:
		return fmt.Errorf("only %d were refused", s.Refused[NoDescriptors])
	case countIn(r.log.String(), "reason=no_descriptors") > 2:
		return fmt.Errorf("the log is flooded: %s", r.log)
	}
	if err := r.stop(); err != nil {
		return err
	}
	if texts := strings.Join(r.sink.texts(), ","); !strings.Contains(texts, "first") || !strings.Contains(texts, "last") {
		return fmt.Errorf("messages are missing: %s", texts)
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return err
	}
	if cpu := time.Duration(used.Utime.Nano() + used.Stime.Nano()); cpu > 2*time.Second {
		return fmt.Errorf("%v of CPU: it spins", cpu)
	}
	fmt.Println("ok")
	return nil
}

// clients opens connections until some are refused, sends over the first one,
// gives all back and sends over a new one.
func clients(args []string) error {
	var n int
	if _, err := fmt.Sscan(args[1], &n); err != nil {
		return err
	}
	var all []net.Conn
	for range n {
		c, err := net.Dial("tcp", args[0])
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	refused := make(chan struct{}, n)
	for _, c := range all[1:] {
		go func() {
			c.Read(make([]byte, 1))
			refused <- struct{}{}
		}()
	}
	for range 20 {
		select {
		case <-refused:
		case <-time.After(10 * time.Second):
			return fmt.Errorf("nobody is refused")
		}
	}
	if _, err := all[0].Write([]byte("<13>first: first\n")); err != nil {
		return err
	}
	for _, c := range all {
		c.Close()
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", args[0])
		if err != nil {
			return err
		}
		c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, err = c.Read(make([]byte, 1))
		if isTimeout(err) { // accepted, and not refused
			_, err := c.Write([]byte("<13>last: last\n"))
			return err
		}
		c.Close()
	}
	return fmt.Errorf("the server does not recover")
}
