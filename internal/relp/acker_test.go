package relp

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// openSession is a session behind its open.
func openSession(t testing.TB, srv *Server) *Session {
	t.Helper()
	s := srv.NewSession()
	_, rest := feed(t, s, []byte(frame(1, "open", "commands=syslog,dalog")))
	require.Empty(t, rest)
	out, over := written(t, &s.acker)
	require.True(t, strings.HasPrefix(out, "1 rsp "))
	require.False(t, over)
	return s
}

// next gives the session input and returns the numbers of the commands that
// came out.
func next(s *Session, input string) (all []uint64) {
	buf := []byte(input)
	for {
		c, rest, ok := s.Next(buf)
		if !ok {
			return all
		}
		buf = rest
		all = append(all, c.Seq)
	}
}

func acks(from, to uint32) string {
	var b strings.Builder
	for n := from; n <= to; n++ {
		fmt.Fprintf(&b, "%d rsp 6 200 OK\n", n)
	}
	return b.String()
}

func TestAnswersAreInOrder(t *testing.T) {
	t.Parallel()
	type step struct {
		in    string                         // arrives
		do    func(t *testing.T, s *Session) // happens then
		want  string                         // is written then
		ended bool
	}
	commit := func(seq uint64) func(*testing.T, *Session) {
		return func(_ *testing.T, s *Session) { s.acker.Commit(seq) }
	}
	answer := func(seq uint64) func(*testing.T, *Session) {
		return func(t *testing.T, s *Session) { require.NoError(t, s.acker.Answer(seq, 421, "later", nil)) }
	}
	end := func(_ *testing.T, s *Session) { s.End() }
	abandon := func(_ *testing.T, s *Session) { s.acker.Abandon() }
	m := func(n uint32) string { return frame(n, "syslog", "x") }
	skip := func(n uint32) string { return frame(n, "syslog", "-") }
	empty := func(n uint32) string { return frame(n, "syslog", "") }
	x := func(n uint32) string { return frame(n, "dalog", "x") }
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"nothing before the commit", []step{
			{in: m(2) + m(3) + m(4)},
			{do: commit(3), want: acks(2, 3)},
			{do: commit(3)},
			{in: m(5), do: func(_ *testing.T, s *Session) { s.acker.Commit(4); s.acker.Commit(3) }, want: acks(4, 4)},
			{do: commit(5), want: acks(5, 5)},
		}},
		{"empty message behind one that is not committed", []step{
			{in: m(2) + empty(3)},
			{in: empty(4)},
			{do: commit(2), want: acks(2, 4)},
			{in: empty(5), want: acks(5, 5)},
		}},
		{"empty message before one that is not committed", []step{
			{in: empty(2) + m(3) + empty(4) + m(5)},
			{do: commit(3), want: acks(2, 3)},
			{do: commit(5), want: acks(4, 5)},
		}},
		{"skipped behind one that is not committed", []step{
			{in: m(2) + skip(3)},
			{in: skip(4)},
			{do: commit(2), want: acks(2, 4)},
		}},
		{"skipped alone", []step{
			{in: skip(2), want: acks(2, 2)},
			{in: skip(3) + empty(4), want: acks(3, 4)},
		}},
		{"skipped before one that is not committed", []step{
			{in: skip(2) + m(3) + skip(4)},
			{do: commit(3), want: acks(2, 4)},
		}},
		{"open again behind a message that is not committed", []step{
			{in: m(2) + "3 open 0\n" + m(4)},
			{do: commit(2), want: acks(2, 2) + frame(3, "rsp", "200 OK\nrelp_version=0\nrelp_software="+librelp+"\ncommands=syslog,dalog")},
			{do: commit(4), want: acks(4, 4)},
		}},
		{"extensions in any order", []step{
			{in: x(2) + m(3) + x(4) + m(5) + x(6)},
			{do: answer(4)},
			{do: commit(5)},
			{do: answer(6)},
			{do: answer(2), want: frame(2, "rsp", "421 later") + acks(3, 3) + frame(4, "rsp", "421 later") + acks(5, 5) + frame(6, "rsp", "421 later")},
		}},
		{"close behind messages that are not committed", []step{
			{in: m(2) + m(3) + "4 close 0\n"},
			{do: commit(2), want: acks(2, 2)},
			{do: commit(3), want: acks(3, 3) + "4 rsp 0\n" + serverclose, ended: true},
		}},
		{"mistake behind a message that is not committed", []step{
			{in: m(2) + m(9)},
			{do: commit(2), want: acks(2, 2) + serverclose, ended: true},
		}},
		{"end with all answered", []step{
			{in: m(2), do: commit(2), want: acks(2, 2)},
			{do: end, want: serverclose, ended: true},
		}},
		{"end with messages that are not committed", []step{
			{in: m(2) + x(3) + empty(4), do: end},
			{do: answer(3)},
			{do: commit(2), want: acks(2, 2) + frame(3, "rsp", "421 later") + acks(4, 4) + serverclose, ended: true},
		}},
		{"end, and what is not committed is given up", []step{
			{in: m(2) + m(3) + m(4), do: end},
			{do: commit(2), want: acks(2, 2)},
			{do: abandon, want: serverclose, ended: true},
			{do: commit(4), ended: true},
		}},
		{"given up without end", []step{
			{in: m(2) + m(3) + x(4)},
			{do: commit(2), want: acks(2, 2)},
			{do: abandon, want: serverclose, ended: true},
			{in: m(5) + x(6), do: commit(5), ended: true},
			{do: answer(6), ended: true},
			{do: answer(4), ended: true},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := openSession(t, testServer(t))
			var rest []byte
			for i, step := range c.steps {
				rest = append(rest, step.in...)
				for ok := true; ok; {
					var c Command
					c, rest, ok = s.Next(rest)
					if string(c.Data) == "-" {
						s.Skip()
					}
				}
				if step.do != nil {
					step.do(t, s)
				}
				out, over := written(t, &s.acker)
				require.Equal(t, step.want, out, "step %d", i)
				require.Equal(t, step.ended, over, "step %d", i)
			}
		})
	}
}

func TestAnswerOnce(t *testing.T) {
	t.Parallel()
	s := openSession(t, testServer(t))
	require.Equal(t, []uint64{2, 3, 5}, next(s, frame(2, "dalog", "x")+frame(3, "syslog", "x")+"4 open 0\n"+frame(5, "dalog", "x")))
	require.NoError(t, s.acker.Answer(5, 200, "OK", nil))
	require.Error(t, s.acker.Answer(5, 200, "OK", nil), "answered already")
	require.Error(t, s.acker.Answer(4, 200, "OK", nil), "an open")
	require.Error(t, s.acker.Answer(3, 500, "no", nil), "a message")
	require.Error(t, s.acker.Answer(6, 200, "OK", nil), "not received")
	require.NoError(t, s.acker.Answer(2, 200, "OK", nil))
	out, _ := written(t, &s.acker)
	require.Equal(t, acks(2, 2), out)
	require.Error(t, s.acker.Answer(2, 200, "OK", nil), "written already")
}

// A client that does not read its answers is not allowed to fill the memory.
func TestAnswersNotRead(t *testing.T) {
	t.Parallel()
	srv := testServer(t)
	t.Run("many", func(t *testing.T) {
		t.Parallel()
		s := openSession(t, srv)
		n := uint32(2)
		for over := false; !over; over, _ = s.Over() {
			require.LessOrEqual(t, n, uint32(2+maxUnanswered))
			next(s, frame(n, "open", ""))
			n++
		}
		_, err := s.Over()
		require.ErrorIs(t, err, ErrUnread)
	})
	t.Run("large", func(t *testing.T) {
		t.Parallel()
		s := openSession(t, srv)
		n := uint32(2)
		for over := false; !over; over, _ = s.Over() {
			require.LessOrEqual(t, n, uint32(20))
			for _, seq := range next(s, frame(n, "dalog", "")) {
				require.NoError(t, s.acker.Answer(seq, 200, "OK", make([]byte, 100_000)))
			}
			n++
		}
		_, err := s.Over()
		require.ErrorIs(t, err, ErrUnread)
	})
	t.Run("messages take no room", func(t *testing.T) {
		t.Parallel()
		s := openSession(t, srv)
		for n := uint32(2); n < 100_000; n++ {
			next(s, frame(n, "syslog", "x"))
		}
		over, _ := s.Over()
		require.False(t, over)
		require.Empty(t, s.acker.special)
	})
}

// recorder is a Writer that notes each write.
type recorder struct {
	mu     sync.Mutex
	writes []string
	err    error
	hold   chan struct{} // a write waits for it
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.hold != nil {
		<-r.hold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	r.writes = append(r.writes, string(p))
	return len(p), nil
}

func (r *recorder) SetWriteDeadline(t time.Time) error {
	if d := time.Until(t); d != writeTimeout {
		return fmt.Errorf("deadline in %v", d)
	}
	return nil
}

func TestRun(t *testing.T) {
	t.Parallel()
	t.Run("one write for what is due", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := openSession(t, testServer(t))
			w := &recorder{}
			result := make(chan error)
			go func() { result <- s.acker.Run(w) }()
			next(s, frame(2, "syslog", "x")+frame(3, "syslog", "x")+frame(4, "syslog", "x"))
			synctest.Wait()
			require.Empty(t, w.writes)
			s.acker.Commit(3)
			synctest.Wait()
			require.Equal(t, []string{acks(2, 3)}, w.writes)
			next(s, "5 close 0\n")
			synctest.Wait()
			require.Len(t, w.writes, 1)
			s.acker.Commit(4)
			require.NoError(t, <-result)
			require.Equal(t, []string{acks(2, 3), acks(4, 4) + "5 rsp 0\n" + serverclose}, w.writes)
		})
	})
	t.Run("open and a message in one read", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := testServer(t).NewSession()
			w := &recorder{}
			result := make(chan error)
			go func() { result <- s.acker.Run(w) }()
			synctest.Wait()
			next(s, frame(1, "open", "commands=syslog")+frame(2, "syslog", "x"))
			synctest.Wait()
			require.Len(t, w.writes, 1, "the open is answered")
			s.End()
			s.acker.Commit(2)
			require.NoError(t, <-result)
		})
	})
	t.Run("meanwhile more becomes due", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := openSession(t, testServer(t))
			w := &recorder{hold: make(chan struct{})}
			result := make(chan error)
			go func() { result <- s.acker.Run(w) }()
			for n := uint32(2); n <= 5000; n++ {
				next(s, frame(n, "syslog", "x"))
				s.acker.Commit(uint64(n))
				synctest.Wait()
			}
			s.End()
			close(w.hold)
			require.NoError(t, <-result)
			require.Equal(t, acks(2, 5000)+serverclose, strings.Join(w.writes, ""))
			require.Less(t, len(w.writes), 10)
		})
	})
	t.Run("a write that fails", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := openSession(t, testServer(t))
			w := &recorder{err: errors.New("reset")}
			next(s, frame(2, "syslog", "x"))
			s.acker.Commit(2)
			require.ErrorIs(t, s.acker.Run(w), w.err)
			next(s, frame(3, "dalog", "x"))
			require.NoError(t, s.acker.Answer(3, 200, "OK", nil))
			require.Empty(t, s.acker.special)
		})
	})
	bubble(t, "whatever makes answers due, they are written", func(t *testing.T) {
		s := testServer(t).NewSession()
		w := &recorder{}
		result := make(chan error)
		go func() { result <- s.acker.Run(w) }()
		for _, step := range []struct {
			in   string
			do   func()
			want string
		}{
			{librelpOpen, nil, librelpOpened},
			{"2 open 0\n", nil, "2" + librelpOpened[1:]},
			{frame(3, "syslog", ""), nil, acks(3, 3)},
			{frame(4, "syslog", "") + "5 open 0\n", nil, acks(4, 4) + "5" + librelpOpened[1:]},
			{frame(6, "syslog", "x"), func() { s.Skip(); s.Next(nil) }, acks(6, 6)},
			{frame(7, "syslog", "x"), func() { s.acker.Commit(7) }, acks(7, 7)},
			{frame(8, "syslog", "x"), func() { s.End() }, ""},
			{"", func() { s.acker.Commit(8) }, acks(8, 8) + serverclose},
		} {
			w.writes = nil
			_, rest, _ := s.Next([]byte(step.in))
			if step.do == nil {
				s.Next(rest)
			} else {
				step.do()
			}
			synctest.Wait()
			require.Equal(t, step.want, strings.Join(w.writes, ""))
		}
		require.NoError(t, <-result)
	})
	bubble(t, "an empty message in front of an extension", func(t *testing.T) {
		s := openSession(t, testServer(t))
		w := &recorder{}
		result := make(chan error)
		go func() { result <- s.acker.Run(w) }()
		require.Equal(t, []uint64{3}, next(s, frame(2, "syslog", "")+frame(3, "dalog", "x")))
		synctest.Wait()
		require.Equal(t, []string{acks(2, 2)}, w.writes)
		require.NoError(t, s.acker.Answer(3, 200, "OK", nil))
		synctest.Wait()
		require.Equal(t, []string{acks(2, 2), acks(3, 3)}, w.writes)
		s.acker.Abandon()
		require.NoError(t, <-result)
		require.Equal(t, []string{acks(2, 2), acks(3, 3), serverclose}, w.writes)
	})
}

// Reading, committing, answering and writing go on at the same time.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	s := openSession(t, testServer(t))
	var out bytes.Buffer
	result := make(chan error)
	go func() { result <- s.acker.Run(pipeWriter{&out}) }()
	commits := make(chan uint64, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seq := range commits {
			s.acker.Commit(seq)
		}
	}()
	const total = 20_000
	var answers sync.WaitGroup
	random := rand.New(rand.NewPCG(1, 2))
	var want strings.Builder
	var batch string
	first := uint32(2)
	for n := uint32(2); n <= total; n++ {
		switch random.IntN(20) {
		case 0:
			batch += frame(n, "dalog", "x")
			fmt.Fprintf(&want, "%d rsp 5 409 x\n", n)
		case 1:
			batch += frame(n, "syslog", "")
			want.WriteString(acks(n, n))
		default:
			batch += frame(n, "syslog", "x")
			want.WriteString(acks(n, n))
		}
		if n-first < uint32(random.IntN(100)) && n < total {
			continue
		}
		first = n
		buf := []byte(batch)
		batch = ""
		last := uint64(0)
		for {
			c, rest, ok := s.Next(buf)
			if !ok {
				break
			}
			buf = rest
			switch {
			case c.Extension != nil:
				answers.Go(func() { s.acker.Answer(c.Seq, 409, "x", nil) })
			case random.IntN(10) == 0:
				s.Skip()
			default:
				last = c.Seq
			}
		}
		if last > 0 {
			commits <- last
		}
	}
	s.End()
	close(commits)
	answers.Wait()
	<-done
	require.NoError(t, <-result)
	require.Equal(t, want.String()+serverclose, out.String())
}

type pipeWriter struct{ *bytes.Buffer }

func (pipeWriter) SetWriteDeadline(time.Time) error { return nil }
