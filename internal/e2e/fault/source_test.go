package fault

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"net"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/relp"
)

// source sends numbered lines over one connection at a time, line n to program
// n modulo the number of programs. Over RELP it sends again what was not
// acknowledged when a session breaks; over plain TCP it never does.
type source struct {
	id       int
	plain    bool
	programs []string
	window   int

	mu       sync.Mutex
	sessions []span // what was sent in each; the last one may go on
	acked    int    // all lines before it are acknowledged; over plain TCP always 0
	limit    int    // lines from it on are not to be sent
	wrong    []string
	wake     chan struct{} // holds one when limit has changed
}

// span are lines from..to-1.
type span struct{ from, to int }

func (s *source) Acked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

// sent is the number of lines sent at least once.
func (s *source) sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sentLocked()
}

func (s *source) sentLocked() (n int) {
	for _, session := range s.sessions {
		n = max(n, session.to)
	}
	return n
}

// times is how often a line was sent.
func (s *source) times(seq int) (n int) {
	for _, session := range s.sessions {
		if session.from <= seq && seq < session.to {
			n++
		}
	}
	return n
}

// startsWithin tells whether a session began with one of the lines
// seq-n+1..seq. Sessions never begin before one that was before them.
func (s *source) startsWithin(seq, n int) bool {
	i := sort.Search(len(s.sessions), func(i int) bool { return s.sessions[i].from > seq })
	return i > 0 && s.sessions[i-1].from > seq-n
}

// begin starts a session.
func (s *source) begin() (from int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from = s.acked
	if s.plain {
		from = s.sentLocked()
	}
	s.sessions = append(s.sessions, span{from, from})
	return from
}

// take notes that line seq is about to be sent in this session, unless it is
// not to be.
func (s *source) take(seq int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq >= s.limit {
		return false
	}
	s.sessions[len(s.sessions)-1].to = seq + 1
	return true
}

// acknowledged notes the acknowledgement of line seq.
func (s *source) acknowledged(seq int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq != s.acked {
		s.wrong = append(s.wrong, fmt.Sprintf("source %d: line %d was acknowledged where %d was due", s.id, seq, s.acked))
	}
	s.acked = max(s.acked, seq+1)
}

// message is line seq as it is sent.
func (s *source) message(dst []byte, seq int) []byte {
	dst = fmt.Appendf(dst, "<13>1 - web%d %s - - - ", s.id, s.programs[seq%len(s.programs)])
	return appendLine(dst, s.id, seq)
}

// run sends until ctx ends, pausing a little between bursts.
func (s *source) run(ctx context.Context, addr string) {
	for n := 0; ctx.Err() == nil; n++ {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			if s.plain {
				s.sendPlain(ctx, conn)
			} else {
				s.sendRELP(ctx, conn)
			}
		}
		pause(ctx, 2*time.Millisecond)
	}
}

const (
	burst     = 16 // lines
	betweenBs = 500 * time.Microsecond
)

func (s *source) sendRELP(ctx context.Context, conn net.Conn) {
	var from int
	c, err := relp.Open(ctx, conn, relp.ClientConfig{Window: s.window, Answered: func(a relp.Answer) {
		s.acknowledged(from + int(a.Txnr) - 2)
	}})
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, c.Abort)
	defer stop()
	defer func() {
		c.Abort()
		<-c.Done()
	}()
	from = s.begin()
	var buf []byte
	for seq := from; ; {
		for range burst {
			if !s.take(seq) {
				break
			}
			buf = s.message(buf[:0], seq)
			if _, err := c.Send("syslog", buf); err != nil {
				return
			}
			seq++
		}
		if err := c.Flush(); err != nil {
			return
		}
		if !s.proceed(ctx, c.Done(), seq) {
			return
		}
	}
}

func (s *source) sendPlain(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = conn.Read(make([]byte, 1)) // nothing is ever said: it is over
	}()
	var buf, text []byte
	for seq := s.begin(); ; {
		buf = buf[:0]
		for range burst {
			if !s.take(seq) {
				break
			}
			text = s.message(text[:0], seq)
			buf = fmt.Appendf(buf, "%d %s", len(text), text)
			seq++
		}
		if _, err := conn.Write(buf); err != nil {
			return
		}
		if !s.proceed(ctx, ended, seq) {
			return
		}
	}
}

// proceed waits until line seq may be sent; false if the session is over.
func (s *source) proceed(ctx context.Context, ended <-chan struct{}, seq int) bool {
	timer := time.NewTimer(betweenBs)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-ended:
			return false
		case <-timer.C:
		case <-s.wake:
		}
		s.mu.Lock()
		more := seq < s.limit
		s.mu.Unlock()
		if more {
			return true
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// load are sources that send at the same time.
type load struct {
	t       *testing.T
	first   int // id of the first source; the others follow
	sources []*source
	end     func() // ends the sources
}

// mix says what a load is made of.
type mix struct {
	relp, plain int    // sources
	programs    int    // files that each of them writes to
	prefix      string // of the programs' names; default "p"
	window      int    // RELP messages under way; default 64
	first       int    // id of the first source
}

// startLoad starts the sources; they end with the test at the latest.
func startLoad(t *testing.T, addr string, m mix) *load {
	t.Helper()
	l := &load{t: t, first: m.first}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	l.end = func() { cancel(); group.Wait() }
	t.Cleanup(l.end)
	for i := range m.relp + m.plain {
		s := &source{id: m.first + i, plain: i >= m.relp, window: cmp.Or(m.window, 64), limit: math.MaxInt, wake: make(chan struct{}, 1)}
		for p := range m.programs {
			s.programs = append(s.programs, fmt.Sprintf("%s%02d", cmp.Or(m.prefix, "p"), (p+i)%m.programs))
		}
		l.sources = append(l.sources, s)
		group.Go(func() { s.run(ctx, addr) })
	}
	return l
}

// acked is the number of lines acknowledged, of all sources together.
func (l *load) acked() (n int) {
	for _, s := range l.sources {
		n += s.Acked()
	}
	return n
}

func (l *load) sent() (n int) {
	for _, s := range l.sources {
		n += s.sent()
	}
	return n
}

// waitProgress waits until n more lines are acknowledged.
func (l *load) waitProgress(n int) {
	l.t.Helper()
	want := l.acked() + n
	eventually(l.t, fmt.Sprintf("%d more lines to be acknowledged", n), func() bool { return l.acked() >= want })
}

// hold makes the sources stop behind what they have sent by now, and waits until
// all of that is acknowledged.
func (l *load) hold() {
	l.t.Helper()
	for _, s := range l.sources {
		s.mu.Lock()
		s.limit = s.sentLocked()
		s.mu.Unlock()
	}
	eventually(l.t, "everything to be acknowledged", func() bool {
		for _, s := range l.sources {
			if !s.plain && s.Acked() < s.sent() {
				return false
			}
		}
		return true
	})
}

// resume lets them go on.
func (l *load) resume() {
	for _, s := range l.sources {
		s.mu.Lock()
		s.limit = math.MaxInt
		s.mu.Unlock()
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

func TestLinesAreChecked(t *testing.T) {
	t.Parallel()
	line := append([]byte("2026-11-23T08:27:00Z web1 p01: "), appendLine(nil, 3, 17)...)
	source, seq, err := parseLine(line)
	require.NoError(t, err)
	require.Equal(t, []int{3, 17}, []int{source, seq})
	for i := bytes.Index(line, []byte(": ")); i < len(line); i++ {
		damaged := bytes.Clone(line)
		damaged[i] ^= 0x01
		if _, _, err := parseLine(damaged); err == nil {
			t.Errorf("damage at %d is not seen: %s", i, damaged)
		}
		if _, _, err := parseLine(line[:i]); err == nil {
			t.Errorf("cut at %d is not seen", i)
		}
	}
}
