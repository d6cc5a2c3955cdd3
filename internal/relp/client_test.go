package relp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// scripted is the server at the other end of a Client's connection: it does
// what a test says.
type scripted struct {
	t    *testing.T
	conn net.Conn
	near *failing // the Client's end
}

// expect reads exactly that.
func (s scripted) expect(want string) {
	s.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(s.conn, got)
	require.NoError(s.t, err, "after %q", got[:n])
	require.Equal(s.t, want, string(got))
}

func (s scripted) say(what string) {
	s.t.Helper()
	_, err := s.conn.Write([]byte(what))
	require.NoError(s.t, err)
}

// tell says it to a client that may hang up in the middle.
func (s scripted) tell(what string) { _, _ = s.conn.Write([]byte(what)) }

// failing is a connection of which at some time only one direction works.
type failing struct {
	net.Conn
	broken atomic.Bool
}

var errBroken = errors.New("broken pipe")

func (f *failing) Write(p []byte) (int, error) {
	if f.broken.Load() {
		return 0, errBroken
	}
	return f.Conn.Write(p)
}

// answered notes what a Client was answered, as "2: 200 OK", with data behind a
// line feed.
type answered struct {
	mu  sync.Mutex
	all []string
}

func (a *answered) note(answer Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := fmt.Sprintf("%d: %d %s", answer.Txnr, answer.Code, answer.Text)
	if len(answer.Data) > 0 {
		s += "\n" + string(answer.Data)
	}
	a.all = append(a.all, s)
}

// dialed is a Client behind its open, as librelp's, in a synctest bubble.
func dialed(t *testing.T, cfg ClientConfig) (*Client, scripted, *answered) {
	t.Helper()
	pipe, far := net.Pipe()
	near := &failing{Conn: pipe}
	s := scripted{t, far, near}
	var a answered
	cfg.Software, cfg.Answered = librelp, a.note
	type result struct {
		c   *Client
		err error
	}
	opened := make(chan result)
	go func() {
		c, err := Open(t.Context(), near, cfg)
		opened <- result{c, err}
	}()
	s.expect(librelpOpen)
	s.say(librelpOpened)
	r := <-opened
	require.NoError(t, r.err)
	t.Cleanup(func() {
		far.Close()
		r.c.Abort()
		<-r.c.Done()
	})
	return r.c, s, &a
}

// send sends messages and flushes.
func send(t *testing.T, c *Client, messages ...string) {
	t.Helper()
	for _, m := range messages {
		n, err := c.Send("syslog", []byte(m))
		require.NoError(t, err)
		require.Equal(t, c.Sent(), n)
	}
	require.NoError(t, c.Flush())
}

func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

// What omrelp and imrelp of rsyslog 8.2302 say to each other.
func TestClientExchange(t *testing.T) {
	t.Parallel()
	bubble(t, "open, messages, close", func(t *testing.T) {
		c, s, got := dialed(t, ClientConfig{})
		go func() {
			s.expect("2 syslog 43 <13>Jun  5 10:00:00 web1 app[42]: hello one\n3 syslog 52 <165>1 2024-06-05T10:00:00Z web1 app 42 ID1 - second\n")
			s.say("2 rsp 6 200 OK\n")
			s.say("3 rsp 6 200 OK\n")
			s.expect("4 close 0\n")
			s.say("4 rsp 0\n0 serverclose 0\n")
			s.conn.Close()
		}()
		send(t, c, "<13>Jun  5 10:00:00 web1 app[42]: hello one", "<165>1 2024-06-05T10:00:00Z web1 app 42 ID1 - second")
		synctest.Wait()
		require.Equal(t, []string{"2: 200 OK", "3: 200 OK"}, got.all)
		require.Equal(t, 1024, c.Free())
		require.NoError(t, c.Close())
		require.Equal(t, ErrClosed, c.Err())
		require.Equal(t, librelp, c.Offers().Software())
		require.NoError(t, c.Close(), "again")
		_, err := c.Send("syslog", []byte("x"))
		require.NoError(t, err, "held back")
		require.Equal(t, ErrClosed, c.Flush())
	})
	bubble(t, "resent under new numbers", func(t *testing.T) {
		c, s, got := dialed(t, ClientConfig{})
		go func() {
			s.expect("2 syslog 35 <13>Jun  5 10:00:02 web1 app[42]: C\n")
			s.say("2 rsp 6 200 OK\n")
			s.expect("3 syslog 35 <13>Jun  5 10:00:03 web1 app[42]: D\n")
			s.say("3 rsp 6 200 OK\n")
			s.expect("4 close 0\n")
			s.say("4 rsp 0\n0 serverclose 0\n")
		}()
		send(t, c, "<13>Jun  5 10:00:02 web1 app[42]: C")
		send(t, c, "<13>Jun  5 10:00:03 web1 app[42]: D")
		require.NoError(t, c.Close())
		require.Equal(t, []string{"2: 200 OK", "3: 200 OK"}, got.all)
	})
	bubble(t, "answers byte by byte", func(t *testing.T) {
		c, s, got := dialed(t, ClientConfig{})
		go func() {
			s.expect("2 syslog 1 a\n3 syslog 0\n")
			for _, b := range "2 rsp 13 200 OK\n\n\nmore\n3 rsp 6 200 OK\n0 serverclose 0\n" {
				s.say(string(b))
			}
		}()
		send(t, c, "a", "")
		<-c.Done()
		require.Equal(t, []string{"2: 200 OK\n\n\nmore", "3: 200 OK"}, got.all)
		require.Equal(t, ErrServerClosed, c.Err())
	})
}

func TestAnswersToMessages(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		name, in string
		got      []string
		err      error // nil: the session goes on
	}{
		{"in order", "2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n", []string{"2: 200 OK", "3: 200 OK", "4: 200 OK"}, nil},
		{"in reverse", "4 rsp 6 200 OK\n3 rsp 6 200 OK\n2 rsp 6 200 OK\n", []string{"4: 200 OK", "3: 200 OK", "2: 200 OK"}, nil},
		{"one does not cover those before", "3 rsp 6 200 OK\n", []string{"3: 200 OK"}, nil},
		{"no text", "2 rsp 4 200 \n", []string{"2: 200 "}, nil},
		{"long text", frame(2, "rsp", "200 "+long), []string{"2: 200 " + long}, nil},
		{"with data", "2 rsp 8 200 OK\nx\n", []string{"2: 200 OK\nx"}, nil},
		{"leading zeros", "02 rsp 006 200 OK\n", []string{"2: 200 OK"}, nil},
		{"unknown hint", "0 hint 2 xy\n0 rsp 6 200 OK\n2 rsp 6 200 OK\n", []string{"2: 200 OK"}, nil},

		{"no blank behind the code", "2 rsp 3 200\n", nil, ErrAnswer},
		{"text in front", "2 rsp 6 OK 200\n", nil, ErrAnswer},
		{"code of four digits", "2 rsp 7 2000 OK\n", nil, ErrAnswer},
		{"nothing", "2 rsp 0\n", nil, ErrAnswer},
		{"CR LF", "2 rsp 6 200 OK\r\n", nil, ErrFrame},
		{"twice", "2 rsp 6 200 OK\n2 rsp 6 200 OK\n", []string{"2: 200 OK"}, ErrAnswer},
		{"twice, out of order", "3 rsp 6 200 OK\n3 rsp 6 200 OK\n", []string{"3: 200 OK"}, ErrAnswer},
		{"to open again", "1 rsp 6 200 OK\n", nil, ErrAnswer},
		{"to what was not sent", "5 rsp 6 200 OK\n", nil, ErrAnswer},
		{"to what was not sent, far off", "2050 rsp 6 200 OK\n", nil, ErrAnswer},
		{"a command", "2 syslog 1 x\n", nil, ErrAnswer},
		{"large", "2 rsp 1048577 ", nil, ErrTooLarge},
		{"noise", "HTTP/1.1 400\r\n", nil, ErrFrame},

		{"500", "2 rsp 6 200 OK\n3 rsp 8 500 full\n", []string{"2: 200 OK"}, ErrRejected},
		{"201", "2 rsp 10 201 Stored\n", nil, ErrRejected},
		{"answers behind a 500 count", "2 rsp 8 500 full\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n", []string{"3: 200 OK", "4: 200 OK"}, ErrRejected},
		{"serverclose", "2 rsp 6 200 OK\n0 serverclose 0\n3 rsp 6 200 OK\n", []string{"2: 200 OK"}, ErrServerClosed},
		{"end in the middle", "2 rsp 6 200 OK\n3 rsp 6 20", []string{"2: 200 OK"}, ErrServerClosed},
	} {
		bubble(t, c.name, func(t *testing.T) {
			client, s, got := dialed(t, ClientConfig{})
			go s.expect(frame(2, "syslog", "a") + frame(3, "syslog", "b") + frame(4, "syslog", "c"))
			send(t, client, "a", "b", "c")
			s.tell(c.in)
			synctest.Wait()
			require.Equal(t, c.got, got.all)
			if c.err == nil {
				require.NoError(t, client.Err())
				send := make(chan error)
				go func() {
					_, err := client.Send("syslog", []byte("d"))
					send <- errors.Join(err, client.Flush())
				}()
				s.expect("5 syslog 1 d\n")
				require.NoError(t, <-send)
				return
			}
			s.conn.Close()
			<-client.Done()
			require.ErrorIs(t, client.Err(), c.err)
			_, err := client.Send("syslog", []byte("d"))
			require.NoError(t, err, "held back")
			require.ErrorIs(t, client.Flush(), c.err)
			require.ErrorIs(t, client.Close(), c.err)
			require.Equal(t, c.got, got.all)
		})
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		err      error // nil: opened
		text     string
	}{
		{"accepted", librelpOpened, nil, ""},
		{"no version", frame(1, "rsp", "200 OK\ncommands=syslog"), nil, ""},
		{"no software", frame(1, "rsp", "200 OK\nrelp_version=0\ncommands=syslog"), nil, ""},
		{"LF in front and at the end", frame(1, "rsp", "200 OK\n\nrelp_version=0\ncommands=syslog\n"), nil, ""},
		{"unknown offers", frame(1, "rsp", "200 OK\nx=\ncommands=a,syslog"), nil, ""},
		{"refused", "1 rsp 44 500 required command not supported by client\n0 serverclose 0\n", ErrRefused, "500 required command not supported by client"},
		{"no offers", "1 rsp 6 200 OK\n", ErrOffers, "syslog is not offered"},
		{"syslog not offered", frame(1, "rsp", "200 OK\ncommands=eventlog"), ErrOffers, "syslog is not offered"},
		{"CR LF", frame(1, "rsp", "200 OK\nrelp_version=0\r\ncommands=syslog"), ErrOffers, "not a number"},
		{"not in the form of an answer", "1 rsp 2 OK\n", ErrAnswer, ""},
		{"empty", "1 rsp 0\n", ErrAnswer, ""},
		{"closed", "0 serverclose 0\n", ErrServerClosed, ""},
		{"hung up", "", ErrServerClosed, "connection closed"},
		{"another protocol", "220 mail.example.org ESMTP\r\n", ErrFrame, ""},
	} {
		bubble(t, c.name, func(t *testing.T) {
			near, far := net.Pipe()
			s := scripted{t: t, conn: far}
			go func() {
				s.expect(librelpOpen)
				s.tell(c.in)
				far.Close()
			}()
			client, err := Open(t.Context(), near, ClientConfig{Software: librelp})
			if c.err == nil {
				require.NoError(t, err)
				require.True(t, client.Agreed("syslog"))
				<-client.Done()
				return
			}
			require.ErrorIs(t, err, c.err)
			require.ErrorContains(t, err, c.text)
			_, err = near.Write([]byte("x"))
			require.ErrorIs(t, err, io.ErrClosedPipe, "the connection is closed")
		})
	}
	bubble(t, "server that says nothing", func(t *testing.T) {
		near, far := net.Pipe()
		go io.Copy(io.Discard, far)
		start := time.Now()
		_, err := Open(t.Context(), near, ClientConfig{Timeout: time.Minute})
		require.ErrorIs(t, err, ErrTimeout)
		require.WithinRange(t, time.Now(), start.Add(time.Minute), start.Add(76*time.Second))
	})
	bubble(t, "server that does not even read", func(t *testing.T) {
		near, far := net.Pipe()
		_, err := Open(t.Context(), near, ClientConfig{})
		require.ErrorIs(t, err, ErrTimeout)
		far.Close()
	})
	bubble(t, "given up", func(t *testing.T) {
		near, far := net.Pipe()
		go io.Copy(io.Discard, far)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := Open(ctx, near, ClientConfig{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("offers that cannot be made", func(t *testing.T) {
		t.Parallel()
		near, _ := net.Pipe()
		_, err := Open(t.Context(), near, ClientConfig{Commands: []string{"v2"}})
		require.ErrorContains(t, err, "v2")
		_, err = near.Write([]byte("x"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

func TestExtensions(t *testing.T) {
	t.Parallel()
	bubble(t, "agreed on", func(t *testing.T) {
		near, far := net.Pipe()
		s := scripted{t: t, conn: far}
		var got answered
		go func() {
			s.expect(frame(1, "open", "relp_version=0\nrelp_software=dalog\ncommands=syslog,dalogopen,dalog\ndalogmax=7"))
			s.say(frame(1, "rsp", "200 OK\nrelp_version=0\ncommands=syslog,dalog\ndalogmax=100"))
			s.expect(frame(2, "dalog", "\x00\n") + frame(3, "syslog", "a"))
			s.say(frame(3, "rsp", "200 OK") + frame(2, "rsp", "409 gap\n\x00\n"))
		}()
		c, err := Open(t.Context(), near, ClientConfig{Commands: []string{"dalogopen", "dalog"}, Offers: []Offer{{"dalogmax", "7"}}, Answered: got.note})
		require.NoError(t, err)
		require.True(t, c.Agreed("dalog"))
		require.False(t, c.Agreed("dalogopen"))
		limit, _ := c.Offers().Get("dalogmax")
		require.Equal(t, "100", limit)
		_, err = c.Send("dalogopen", nil)
		require.ErrorIs(t, err, ErrCommand)
		_, err = c.Send("dalog", []byte("\x00\n"))
		require.NoError(t, err)
		send(t, c, "a")
		synctest.Wait()
		require.Equal(t, []string{"3: 200 OK", "2: 409 gap\n\x00\n"}, got.all)
		require.NoError(t, c.Err())
		c.Abort()
		<-c.Done()
		require.Equal(t, ErrAborted, c.Err())
	})
}

func TestWindow(t *testing.T) {
	t.Parallel()
	bubble(t, "full", func(t *testing.T) {
		c, s, _ := dialed(t, ClientConfig{Window: 2})
		require.Equal(t, 2, c.Free())
		sent := make(chan error)
		go func() {
			for _, m := range []string{"a", "b", "c", "d"} {
				_, err := c.Send("syslog", []byte(m))
				sent <- err
			}
			sent <- c.Flush()
		}()
		require.NoError(t, <-sent)
		require.NoError(t, <-sent)
		s.expect("2 syslog 1 a\n3 syslog 1 b\n") // flushed because there is no room
		s.say("3 rsp 6 200 OK\n")
		synctest.Wait()
		select {
		case <-sent:
			require.Fail(t, "the window begins at the first without an answer")
		default:
		}
		s.say("2 rsp 6 200 OK\n")
		require.NoError(t, <-sent)
		require.NoError(t, <-sent)
		s.expect("4 syslog 1 c\n5 syslog 1 d\n")
		require.NoError(t, <-sent)
		require.Equal(t, 0, c.Free())
	})
	bubble(t, "late answer to a number whose place is taken", func(t *testing.T) {
		c, s, got := dialed(t, ClientConfig{Window: 1})
		go func() {
			s.expect("2 syslog 1 a\n")
			s.say(acks(2, 2))
			s.expect("3 syslog 1 b\n")
			s.say(acks(3, 3))
			s.expect("4 syslog 1 c\n")
			s.say(acks(2, 2))
		}()
		send(t, c, "a", "b", "c")
		<-c.Done()
		require.ErrorIs(t, c.Err(), ErrAnswer)
		require.Equal(t, []string{"2: 200 OK", "3: 200 OK"}, got.all)
	})
	bubble(t, "close with a full window", func(t *testing.T) {
		c, s, got := dialed(t, ClientConfig{Window: 1})
		go func() {
			s.expect("2 syslog 1 a\n3 close 0\n")
			s.say("2 rsp 6 200 OK\n3 rsp 6 200 OK\n0 serverclose 0\n")
		}()
		_, err := c.Send("syslog", []byte("a"))
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.Equal(t, []string{"2: 200 OK"}, got.all)
	})
	bubble(t, "ended while waiting", func(t *testing.T) {
		c, s, _ := dialed(t, ClientConfig{Window: 1})
		go func() {
			s.expect("2 syslog 1 a\n")
			s.say("0 serverclose 0\n")
		}()
		_, err := c.Send("syslog", []byte("a"))
		require.NoError(t, err)
		_, err = c.Send("syslog", []byte("b"))
		require.Equal(t, ErrServerClosed, err)
	})
	bubble(t, "no numbers left", func(t *testing.T) {
		c, s, _ := dialed(t, ClientConfig{})
		c.last = maxTxnr - 2
		c.oldest.Store(maxTxnr - 1)
		c.written.Store(maxTxnr - 2)
		_, err := c.Send("syslog", []byte("a"))
		require.NoError(t, err)
		_, err = c.Send("syslog", []byte("b"))
		require.Equal(t, ErrExhausted, err)
		closed := make(chan error)
		go func() { closed <- c.Close() }()
		s.expect("999999998 syslog 1 a\n999999999 close 0\n")
		s.conn.Close()
		require.ErrorIs(t, <-closed, ErrServerClosed)
	})
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	bubble(t, "no answer", func(t *testing.T) {
		c, s, _ := dialed(t, ClientConfig{Timeout: time.Minute})
		go io.Copy(io.Discard, s.conn)
		time.Sleep(time.Hour) // idle
		require.NoError(t, c.Err())
		start := time.Now()
		send(t, c, "a")
		<-c.Done()
		require.ErrorIs(t, c.Err(), ErrTimeout)
		require.WithinRange(t, time.Now(), start.Add(time.Minute), start.Add(76*time.Second))
	})
	bubble(t, "one answer now and then", func(t *testing.T) {
		c, s, _ := dialed(t, ClientConfig{Timeout: time.Minute})
		go func() {
			s.expect("2 syslog 1 a\n3 syslog 1 b\n4 syslog 1 c\n")
			for n := uint32(4); n >= 2; n-- {
				time.Sleep(59 * time.Second)
				s.say(acks(n, n))
			}
		}()
		send(t, c, "a", "b", "c")
		time.Sleep(time.Hour)
		require.NoError(t, c.Err())
		require.Equal(t, 1024, c.Free())
	})
	bubble(t, "server that reads no more", func(t *testing.T) {
		c, _, _ := dialed(t, ClientConfig{})
		_, err := c.Send("syslog", make([]byte, 100_000))
		require.ErrorIs(t, err, ErrTimeout)
	})
	bubble(t, "close", func(t *testing.T) {
		c, s, _ := dialed(t, ClientConfig{})
		go io.Copy(io.Discard, s.conn)
		send(t, c, "a")
		start := time.Now()
		require.Equal(t, ErrTimeout, c.Close())
		require.Equal(t, closeTimeout, time.Since(start))
	})
	bubble(t, "close with nothing to wait for", func(t *testing.T) {
		c, s, _ := dialed(t, ClientConfig{})
		go io.Copy(io.Discard, s.conn)
		require.NoError(t, c.Close())
	})
}

// When the connection does not take any more, the answers that are on their way
// still count.
func TestAnswersBehindAFailedWrite(t *testing.T) {
	t.Parallel()
	bubble(t, "flush", func(t *testing.T) {
		c, s, got := dialed(t, ClientConfig{})
		go func() {
			s.expect("2 syslog 1 a\n3 syslog 1 b\n")
			s.near.broken.Store(true)
		}()
		send(t, c, "a", "b")
		synctest.Wait()
		go func() {
			time.Sleep(lastAnswers / 2)
			s.say(acks(2, 3))
		}()
		_, err := c.Send("syslog", []byte("c"))
		require.NoError(t, err)
		start := time.Now()
		require.ErrorIs(t, c.Flush(), errBroken)
		require.Equal(t, lastAnswers, time.Since(start))
		require.Equal(t, []string{"2: 200 OK", "3: 200 OK"}, got.all)
		require.ErrorIs(t, c.Close(), errBroken)
	})
}

// Abort ends everything at once, whatever the session waits for.
func TestAbort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(c *Client) error
	}{
		{"while writing", func(c *Client) error {
			_, err := c.Send("syslog", make([]byte, flushSize))
			return err
		}},
		{"while the window is full", func(c *Client) error {
			_, err := c.Send("syslog", nil)
			for err == nil {
				_, err = c.Send("syslog", nil)
			}
			return err
		}},
		{"while closing", func(c *Client) error {
			_, err := c.Send("syslog", nil)
			return errors.Join(err, c.Close())
		}},
	} {
		bubble(t, c.name, func(t *testing.T) {
			client, s, _ := dialed(t, ClientConfig{})
			if c.name != "while writing" {
				go io.Copy(io.Discard, s.conn)
			}
			time.AfterFunc(time.Second, client.Abort)
			start := time.Now()
			require.ErrorIs(t, c.do(client), ErrAborted)
			require.Equal(t, time.Second, time.Since(start))
		})
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		err      error
	}{
		{"answered", "2 rsp 6 200 OK\n3 rsp 6 200 OK\n0 serverclose 0\n", nil},
		{"answered without a word", "2 rsp 6 200 OK\n3 rsp 0\n", nil},
		{"only the message answered", "2 rsp 6 200 OK\n", nil},
		{"only the message answered, serverclose", "2 rsp 6 200 OK\n0 serverclose 0\n", nil},
		{"the message not answered", "3 rsp 6 200 OK\n0 serverclose 0\n", ErrServerClosed},
		{"nothing answered", "", ErrServerClosed},
		{"message not taken", "2 rsp 6 500 no\n3 rsp 6 200 OK\n0 serverclose 0\n", ErrRejected},
	} {
		bubble(t, c.name, func(t *testing.T) {
			client, s, _ := dialed(t, ClientConfig{})
			go func() {
				s.expect("2 syslog 1 a\n3 close 0\n")
				s.tell(c.in)
				s.conn.Close()
			}()
			_, err := client.Send("syslog", []byte("a"))
			require.NoError(t, err)
			if c.err == nil {
				require.NoError(t, client.Close())
			} else {
				require.ErrorIs(t, client.Close(), c.err)
			}
		})
	}
}

// Frames are gathered; large ones go out without being copied, in one piece
// with those before.
func TestGathering(t *testing.T) {
	t.Parallel()
	bubble(t, "until flushed", func(t *testing.T) {
		c, s, _ := dialed(t, ClientConfig{})
		_, err := c.Send("syslog", []byte("a"))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		_, err = c.Send("syslog", []byte("b"))
		require.NoError(t, err)
		go c.Flush()
		b := make([]byte, 100)
		n, err := s.conn.Read(b)
		require.NoError(t, err)
		require.Equal(t, "2 syslog 1 a\n3 syslog 1 b\n", string(b[:n]))
	})
	bubble(t, "without being asked", func(t *testing.T) {
		c, s, _ := dialed(t, ClientConfig{})
		sizes := []int{1, directSize - 1, directSize, 1, flushSize, 3 * flushSize, 0}
		var want string
		for i, size := range sizes {
			want += frame(uint32(i+2), "syslog", strings.Repeat("x", size))
		}
		go func() {
			for _, size := range sizes {
				c.Send("syslog", []byte(strings.Repeat("x", size)))
			}
			c.Flush()
		}()
		s.expect(want)
	})
}
