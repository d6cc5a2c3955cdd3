package forwarder

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/relp"
)

// An acknowledgement covers its own message and no other: what is confirmed ends
// before the first message that has none.
func TestFramesAreAcknowledgedOneByOne(t *testing.T) {
	t.Parallel()
	s := &relpFrames{first: 2, wait: []waiting{{size: 10}, {size: 20}, {size: 30}, {size: 40}}}
	confirmed := func(want int64) {
		t.Helper()
		got, err := s.confirmed()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	confirmed(0)
	s.answered(relp.Answer{Txnr: 4, Code: 200})
	confirmed(0)
	s.answered(relp.Answer{Txnr: 2, Code: 200})
	confirmed(10)
	s.answered(relp.Answer{Txnr: 9, Code: 200}) // of nothing that waits
	s.answered(relp.Answer{Txnr: 3, Code: 200})
	confirmed(60)
	s.answered(relp.Answer{Txnr: 5, Code: 200})
	confirmed(100)
	require.Equal(t, "<14>1 text", string(message([]byte("11 <14>1 text\n"))))
}

// A RELP server that takes no batches acknowledges the last message of a session
// and not the first, and ends it: the first comes again.
func TestPlainRELPServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var mu sync.Mutex
	var sessions [][]string
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			texts := plainRELP(c, n == 0)
			mu.Lock()
			sessions = append(sessions, texts)
			mu.Unlock()
		}
	}()
	path := filepath.Join(t.TempDir(), "app.log")
	cfg := newConfig(t, l.Addr().String(), File{Pattern: path, Program: "app", Severity: 6})
	cfg.Protocol = ""
	appendTo(t, path, "one\ntwo\nthree\n")
	r := start(t, cfg)
	require.Eventually(t, func() bool { return r.Stats().Delivered == 3 }, 20*time.Second, 5*time.Millisecond)
	r.stop()
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(sessions) == 2 }, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, [][]string{{"one", "two", "three"}, {"one", "two", "three"}}, sessions)
	require.Contains(t, r.log.String(), "the server takes no batches")
}

// plainRELP serves one session, and gives the texts of its messages. Where it is to
// fail, it acknowledges the third message only, and closes.
func plainRELP(c net.Conn, fail bool) (texts []string) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		var txnr, size int
		var command string
		if _, err := fmt.Fscanf(in, "%d %s %d", &txnr, &command, &size); err != nil {
			return texts
		}
		data := make([]byte, size)
		if size > 0 {
			_, _ = in.Discard(1)
		}
		if _, err := io.ReadFull(in, data); err != nil {
			return texts
		}
		_, _ = in.Discard(1)
		answer := "200 OK"
		switch command {
		case "open":
			answer += "\nrelp_version=0\nrelp_software=other\ncommands=syslog"
		case "syslog":
			_, text, _ := strings.Cut(string(data), "] ")
			texts = append(texts, text)
			if fail && len(texts) < 3 {
				continue
			}
		}
		fmt.Fprintf(c, "%d rsp %d %s\n", txnr, len(answer), answer)
		if fail && len(texts) == 3 {
			time.Sleep(50 * time.Millisecond)
			return texts
		}
		if command == "close" {
			return texts
		}
	}
}

// A server that does not speak RELP is told of, with what to do.
func TestNoRELPServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "220 hello\n")
			_ = c.Close()
		}
	}()
	p := &pump{cfg: &Config{PeerTimeout: time.Minute}}
	d := dialer{stats: &counters{}}
	conn, err := d.one(context.Background(), l.Addr().String())
	require.NoError(t, err)
	_, _, err = p.openRELP(context.Background(), conn)
	require.ErrorContains(t, err, "--protocol syslog")
}

// When it is to stop and no server is left to try, there is no connection.
func TestDialGivesUp(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	close(stop)
	d := dialer{servers: []string{"127.0.0.1:1"}, next: 1, stats: &counters{}}
	conn, _, err := d.dial(context.Background(), stop)
	require.Nil(t, conn)
	require.Error(t, err)
}
