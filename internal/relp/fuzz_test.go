package relp

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	wholeHeader = regexp.MustCompile(`^([0-9]{1,9}) ([A-Za-z]{1,32}) ([0-9]{1,9})([ \n])`)
	someHeader  = regexp.MustCompile(`^([0-9]{0,9}|[0-9]{1,9} [A-Za-z]{0,32}|[0-9]{1,9} [A-Za-z]{1,32} [0-9]{0,9})$`)
)

func FuzzHeader(f *testing.F) {
	for _, s := range []string{"2 syslog 43 <13>", "1 close 0\n", "1 close 0 \n", "0001 open 0\n", "1234567890", "1 a 1\n", "", "1  a"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var h header
		whole, err := h.parse(in)
		m := wholeHeader.FindSubmatch(in)
		if m != nil {
			size, _ := strconv.Atoi(string(m[3]))
			if m[4][0] == ' ' || size == 0 {
				require.NoError(t, err)
				require.True(t, whole)
				txnr, _ := strconv.Atoi(string(m[1]))
				require.Equal(t, uint32(txnr), h.txnr)
				require.Equal(t, m[2], h.command)
				require.Equal(t, size, h.size)
				at := len(m[0])
				if m[4][0] == '\n' {
					at--
				}
				require.Equal(t, at, h.len)
				return
			}
		}
		require.False(t, whole)
		require.Equal(t, !someHeader.Match(in), err != nil)
	})
}

// chance cuts n bytes into reads.
func chance(n int, seed uint64) (cut []int) {
	random := rand.New(rand.NewPCG(seed, 1))
	for n > 0 {
		k := 1 + random.IntN(min(n, 1+random.IntN(64)))
		cut = append(cut, k)
		n -= k
	}
	return cut
}

// FuzzSession: whatever comes in, in whatever pieces, the same goes out: one
// answer to each command up to the first mistake, in order.
func FuzzSession(f *testing.F) {
	both := frame(1, "open", "relp_version=0\ncommands=syslog,dalog\ndalogmax=1")
	for i, s := range []string{
		librelpOpen + "2 syslog 5 <13>x\n3 syslog 0\n4 close 0\n",
		both + "2 syslog 5 <13>x\n3 dalog 1 x\n4 open 0\n0 serverclose 0\n5 syslog 1 y\n6 close 0\n",
		both + frame(2, "syslog", strings.Repeat("x", 150)) + frame(3, "dalog", strings.Repeat("x", 150)),
		both + "2 syslog 2 a\n\n4 syslog 1 b\n",
		"1 open 32 relp_version=0\ncommands=eventlog\n",
	} {
		f.Add([]byte(s), uint64(i))
	}
	srv := testServer(f)
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		s := srv.NewSession()
		commands, out := play(t, s, string(in), chance(len(in), seed))
		_, err := s.Over()
		again := srv.NewSession()
		commands2, out2 := play(t, again, string(in), []int{len(in)})
		_, err2 := again.Over()
		require.Equal(t, commands2, commands)
		require.Equal(t, out2, out)
		require.Equal(t, err2, err)
		require.Equal(t, again.Empty, s.Empty)
		require.Equal(t, again.Discarded, s.Discarded)

		// s counted what it took: each has its answer.
		rest := []byte(out)
		answers := 0
		for {
			var h header
			whole, err := h.parse(rest)
			require.NoError(t, err)
			if !whole {
				break
			}
			var data []byte
			var k cutter
			data, rest, whole, err = k.cut(rest, &h, h.size)
			require.NoError(t, err)
			require.True(t, whole)
			if h.txnr == 0 {
				require.Equal(t, "serverclose", string(h.command))
				require.Empty(t, rest)
				break
			}
			answers++
			require.Equal(t, uint32(answers), h.txnr)
			require.Equal(t, "rsp", string(h.command))
			if len(data) > 0 {
				_, ok := parseAnswer(h.txnr, data)
				require.True(t, ok)
			}
		}
		require.Empty(t, rest)
		require.Equal(t, s.seq, uint64(answers))
		require.LessOrEqual(t, len(commands), answers)
		require.Zero(t, s.acker.size)
		require.Empty(t, s.acker.special)
	})
}

// FuzzAnswers: whatever a server says, in whatever pieces, is understood the
// same, and no command is answered twice.
func FuzzAnswers(f *testing.F) {
	for i, s := range []string{
		acks(2, 9),
		"4 rsp 6 200 OK\n3 rsp 8 500 full\n2 rsp 6 200 OK\n0 serverclose 0\n",
		"5 rsp 9 409 gap\nx\n0 hint 1 x\n10 rsp 0\n0 serverclose 0\n",
		"2 rsp 6 200 OK\n2 rsp 6 200 OK\n",
		librelpOpened,
	} {
		f.Add([]byte(s), uint64(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		got, err := understand(t, in, chance(len(in), seed))
		got2, err2 := understand(t, in, []int{len(in)})
		require.Equal(t, got2, got)
		require.Equal(t, fmt.Sprint(err2), fmt.Sprint(err))
		seen := make(map[uint32]bool)
		for _, a := range got {
			require.False(t, seen[a.Txnr])
			require.True(t, a.Txnr > 1 && a.Txnr < 10)
			seen[a.Txnr] = true
		}
	})
}

// understand has a Client that waits for answers to 2 to 9, of which 5 is an
// extension, and to the close 10.
func understand(t *testing.T, in []byte, cut []int) (got []Answer, err error) {
	c := &Client{slots: make([]kind, 16), room: make(chan struct{}, 1)}
	c.cfg.MaxAnswer = 1000
	c.cfg.Answered = func(a Answer) {
		a.Text, a.Data = []byte(string(a.Text)), []byte(string(a.Data))
		got = append(got, a)
	}
	for n := 2; n < 10; n++ {
		c.slots[n] = message
	}
	c.slots[5], c.slots[10] = extension, closing
	c.written.Store(10)
	c.oldest.Store(2)
	a := answers{c: c, oldest: 2}
	var buf []byte
	for _, n := range cut {
		buf = append(buf, in[:n]...)
		in = in[n:]
		buf, err = a.workOff(buf)
		a.tell()
		if err != nil {
			break
		}
		require.LessOrEqual(t, len(buf), maxHeader+1000)
	}
	for n := c.oldest.Load(); n <= 10; n++ {
		if c.slots[n] == none {
			require.NotEqual(t, c.oldest.Load(), n)
		}
	}
	// A message that was not taken ends the session at the end of a read; which
	// answers behind it count depends on that.
	if a.rejected != nil {
		return nil, ErrRejected
	}
	return got, err
}
