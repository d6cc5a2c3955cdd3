package relp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	librelp       = "librelp,1.11.0,http://librelp.adiscon.com"
	librelpOpen   = "1 open 86 relp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog\n"
	librelpOpened = "1 rsp 93 200 OK\nrelp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog\n"
	serverclose   = "0 serverclose 0\n"
)

func testServer(t testing.TB) *Server {
	t.Helper()
	s, err := NewServer(ServerConfig{
		Software:   librelp,
		MaxMessage: 100,
		MaxFrame:   1000,
		Extensions: []Extension{{Name: "dalogopen", Max: 50}, {Name: "dalog", Max: 300}},
		Offers:     []Offer{{"dalogmax", "300"}, {"other", ""}},
	})
	require.NoError(t, err)
	return s
}

// written is all that there is to write at the moment.
func written(t testing.TB, a *Acker) (out string, over bool) {
	t.Helper()
	for !over {
		var b []byte
		b, over = a.take(nil)
		if len(b) == 0 {
			break
		}
		out += string(b)
	}
	return out, over
}

// feed works off buf and settles everything at once. It returns the commands,
// and what is left of buf.
func feed(t testing.TB, s *Session, buf []byte) (commands []string, rest []byte) {
	t.Helper()
	for {
		c, rest, ok := s.Next(buf)
		if !ok {
			return commands, rest
		}
		buf = rest
		name := ""
		if c.Extension != nil {
			name = c.Extension.Name + " "
			require.NoError(t, s.acker.Answer(c.Seq, 409, "gap", []byte("at 7")))
		} else {
			s.acker.Commit(c.Seq)
		}
		if len(c.Data) < c.Size {
			name += "cut "
		}
		commands = append(commands, name+string(c.Data))
	}
}

// play feeds input to a session, cut into reads, to the end of the connection.
// It returns what came out of it: commands, and bytes.
func play(t testing.TB, s *Session, input string, cut []int) (commands []string, out string) {
	t.Helper()
	var buf []byte
	for _, n := range cut {
		buf = append(buf, input[:n]...)
		input = input[n:]
		require.LessOrEqual(t, len(buf), s.server.BufferSize()+n)
		var more []string
		more, buf = feed(t, s, buf)
		commands = append(commands, more...)
		b, over := written(t, &s.acker)
		out += b
		if over {
			return commands, out
		}
	}
	s.End()
	b, over := written(t, &s.acker)
	require.True(t, over)
	require.True(t, strings.HasSuffix(b, serverclose))
	return commands, out + strings.TrimSuffix(b, serverclose)
}

func frame(txnr uint32, command, data string) string {
	return string(appendFrame(nil, txnr, command, []byte(data)))
}

func TestSession(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 100)
	both := frame(1, "open", "relp_version=0\ncommands=syslog,dalog,dalogopen,x\ndalogmax=1")
	bothOpened := frame(1, "rsp", "200 OK\nrelp_version=0\nrelp_software="+librelp+"\ncommands=syslog,dalogopen,dalog\ndalogmax=300")
	for _, c := range []struct {
		name, in string
		commands []string
		out      string // without the serverclose after the end of the input
		err      error
	}{
		// Whole sessions, as omrelp and imrelp of rsyslog 8.2302 have them.
		{"open, messages, close",
			librelpOpen + "2 syslog 43 <13>Jun  5 10:00:00 web1 app[42]: hello one\n3 syslog 52 <165>1 2024-06-05T10:00:00Z web1 app 42 ID1 - second\n4 close 0\n",
			[]string{"<13>Jun  5 10:00:00 web1 app[42]: hello one", "<165>1 2024-06-05T10:00:00Z web1 app 42 ID1 - second"},
			librelpOpened + "2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 0\n" + serverclose, nil},
		{"resent under new numbers",
			librelpOpen + "2 syslog 35 <13>Jun  5 10:00:02 web1 app[42]: C\n3 syslog 35 <13>Jun  5 10:00:03 web1 app[42]: D\n4 close 0\n",
			[]string{"<13>Jun  5 10:00:02 web1 app[42]: C", "<13>Jun  5 10:00:03 web1 app[42]: D"},
			librelpOpened + "2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 0\n" + serverclose, nil},
		{"ended by the client without close",
			librelpOpen + "2 syslog 5 <13>x\n", []string{"<13>x"}, librelpOpened + "2 rsp 6 200 OK\n", nil},
		{"unfinished at the end",
			librelpOpen + "2 syslog 5 <13>x\n3 syslog 9 <13>", []string{"<13>x"}, librelpOpened + "2 rsp 6 200 OK\n", nil},
		{"connected and closed", "", nil, "", nil},

		// The form of frames.
		{"leading zeros", "01" + librelpOpen[1:] + "02 syslog 006 <13>xy\n", []string{"<13>xy"}, librelpOpened + "2 rsp 6 200 OK\n", nil},
		{"no data, with its blank", librelpOpen + "2 close 0 \n", nil, librelpOpened + "2 rsp 0\n" + serverclose, nil},
		{"number of ten digits", librelpOpen + "0000000002 syslog 1 x\n", nil, librelpOpened + serverclose, ErrFrame},
		{"CR LF", librelpOpen + "2 syslog 5 <13>x\r\n", nil, librelpOpened + serverclose, ErrFrame},
		{"two blanks", librelpOpen + "2  syslog 5 <13>x\n", nil, librelpOpened + serverclose, ErrFrame},
		{"length too small", librelpOpen + "2 syslog 4 <13>x\n", nil, librelpOpened + serverclose, ErrFrame},
		{"not RELP", "<13>hello\n", nil, serverclose, ErrFrame},

		// Transaction numbers.
		{"gap", librelpOpen + "4 syslog 5 <13>x\n", nil, librelpOpened + serverclose, ErrSequence},
		{"repeat", librelpOpen + "2 syslog 1 a\n2 syslog 1 a\n", []string{"a"}, librelpOpened + "2 rsp 6 200 OK\n" + serverclose, ErrSequence},
		{"not from 1", "2" + librelpOpen[1:], nil, serverclose, ErrSequence},
		{"messages before a mistake are answered", librelpOpen + "2 syslog 1 a\n3 syslog 1 b\n5 syslog 1 c\n", []string{"a", "b"},
			librelpOpened + "2 rsp 6 200 OK\n3 rsp 6 200 OK\n" + serverclose, ErrSequence},
		{"syslog as hint", librelpOpen + "0 syslog 1 a\n", nil, librelpOpened + serverclose, ErrCommand},
		{"open as hint", "0" + librelpOpen[1:], nil, serverclose, ErrCommand},
		{"serverclose as hint", librelpOpen + "0 serverclose 0\n2 syslog 1 a\n", []string{"a"}, librelpOpened + "2 rsp 6 200 OK\n", nil},
		{"serverclose with data", librelpOpen + "0 serverclose 3 abc\n2 syslog 1 a\n", []string{"a"}, librelpOpened + "2 rsp 6 200 OK\n", nil},
		{"large hint", librelpOpen + "0 serverclose 99999 ", nil, librelpOpened + serverclose, ErrCommand},

		// Commands.
		{"syslog before open", "1 syslog 5 <13>x\n", nil, serverclose, ErrCommand},
		{"close before open", "1 close 0\n", nil, "1 rsp 0\n" + serverclose, nil},
		{"open again", librelpOpen + "2" + librelpOpen[1:] + "3 syslog 1 a\n", []string{"a"},
			librelpOpened + "2" + librelpOpened[1:] + "3 rsp 6 200 OK\n", nil},
		{"open again with other offers", librelpOpen + "2 open 0\n3 syslog 1 a\n", []string{"a"},
			librelpOpened + "2" + librelpOpened[1:] + "3 rsp 6 200 OK\n", nil},
		{"upper case", librelpOpen + "2 SYSLOG 1 a\n", nil, librelpOpened + serverclose, ErrCommand},
		{"rsp", librelpOpen + "2 rsp 6 200 OK\n", nil, librelpOpened + serverclose, ErrCommand},
		{"starttls", librelpOpen + "2 starttls 0\n", nil, librelpOpened + serverclose, ErrCommand},
		{"abort", librelpOpen + "2 abort 0\n", nil, librelpOpened + serverclose, ErrCommand},
		{"serverclose as command", librelpOpen + "2 serverclose 0\n", nil, librelpOpened + serverclose, ErrCommand},
		{"unknown first command", "1 hello 0\n", nil, serverclose, ErrCommand},
		{"close with data", librelpOpen + "2 close 3 bye\n", nil, librelpOpened + "2 rsp 0\n" + serverclose, nil},
		{"after close", librelpOpen + "2 close 0\n3 syslog 1 a\n", nil, librelpOpened + "2 rsp 0\n" + serverclose, nil},

		// Offers.
		{"syslog not offered", "1 open 32 relp_version=0\ncommands=eventlog\n", nil,
			"1 rsp 69 500 offers not acceptable: the required command syslog is not offered\n" + serverclose, ErrOffers},
		{"no offers", "1 open 0\n", nil,
			"1 rsp 69 500 offers not acceptable: the required command syslog is not offered\n" + serverclose, ErrOffers},
		{"CR LF in offers", "1 open 31 relp_version=0\r\ncommands=syslog\n", nil,
			"1 rsp 62 500 offers not acceptable: relp_version is not a number: \"0\\r\"\n" + serverclose, ErrOffers},
		{"version 9", frame(1, "open", "relp_version=9\ncommands=syslog"), nil, librelpOpened, nil},
		{"no version", frame(1, "open", "commands=syslog"), nil, librelpOpened, nil},
		{"LF in front and at the end", frame(1, "open", "\nrelp_version=0\ncommands=syslog\n"), nil, librelpOpened, nil},
		{"unknown offers", frame(1, "open", "batch=\ncommands=a,syslog"), nil, librelpOpened, nil},
		{"many bytes of offers", "1 open 32769 ", nil, serverclose, ErrTooLarge},

		// Extensions.
		{"extensions", both + "2 dalog 1 x\n3 dalogopen 0\n4 syslog 1 a\n", []string{"dalog x", "dalogopen ", "a"},
			bothOpened + "2 rsp 12 409 gap\nat 7\n3 rsp 12 409 gap\nat 7\n4 rsp 6 200 OK\n", nil},
		{"extension not offered", librelpOpen + "2 dalog 1 x\n", nil, librelpOpened + serverclose, ErrCommand},
		{"command that only the client has", both + "2 x 1 x\n", nil, bothOpened + serverclose, ErrCommand},
		{"extension before open", "1 dalog 1 x\n", nil, serverclose, ErrCommand},
		{"extension too large", both + "2 dalog 301 ", nil, bothOpened + serverclose, ErrTooLarge},
		{"each with its limit", both + "2 dalogopen 51 ", nil, bothOpened + serverclose, ErrTooLarge},
		{"largest extension", both + frame(2, "dalog", long[:300]), []string{"dalog " + long[:300]}, bothOpened + "2 rsp 12 409 gap\nat 7\n", nil},

		// Content and sizes of messages.
		{"empty message", librelpOpen + "2 syslog 0\n3 syslog 1 a\n4 syslog 0 \n", []string{"a"},
			librelpOpened + "2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n", nil},
		{"LF and NUL in a message", librelpOpen + "2 syslog 6 a\nb\x00c\n\n", []string{"a\nb\x00c\n"}, librelpOpened + "2 rsp 6 200 OK\n", nil},
		{"what looks like a frame in a message", librelpOpen + frame(2, "syslog", "\n3 close 0\n"), []string{"\n3 close 0\n"}, librelpOpened + "2 rsp 6 200 OK\n", nil},
		{"largest message", librelpOpen + frame(2, "syslog", long[:100]), []string{long[:100]}, librelpOpened + "2 rsp 6 200 OK\n", nil},
		{"message too long", librelpOpen + frame(2, "syslog", long[:101]) + frame(3, "syslog", long) + "4 syslog 1 a\n",
			[]string{"cut " + long[:100], "cut " + long[:100], "a"}, librelpOpened + "2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n", nil},
		{"unfinished message too long", librelpOpen + frame(2, "syslog", long)[:900], nil, librelpOpened, nil},
		{"message over the hard limit", librelpOpen + "2 syslog 1001 ", nil, librelpOpened + serverclose, ErrTooLarge},
		{"999,999,999 bytes", librelpOpen + "2 syslog 999999999 ", nil, librelpOpened + serverclose, ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := testServer(t)
			for _, cut := range cuts(len(c.in)) {
				s := srv.NewSession()
				commands, out := play(t, s, c.in, cut)
				require.Equal(t, c.commands, commands, "%d", cut)
				require.Equal(t, c.out, out, "%d", cut)
				over, err := s.Over()
				require.True(t, over)
				if c.err == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, c.err)
				}
			}
		})
	}
}

func TestSessionCounts(t *testing.T) {
	t.Parallel()
	s := testServer(t).NewSession()
	in := librelpOpen + "2 syslog 0\n3 syslog 0\n" + frame(4, "syslog", strings.Repeat("x", 130))
	play(t, s, in, []int{len(in)})
	require.Equal(t, uint64(2), s.Empty)
	require.Equal(t, uint64(30), s.Discarded)
	require.Equal(t, librelp, s.Offers().Software())
	require.False(t, s.Offers().has("dalog"))
}

// The number after 999,999,999 is 1.
func TestNumbersWrap(t *testing.T) {
	t.Parallel()
	s := testServer(t).NewSession()
	feed(t, s, []byte(librelpOpen))
	out, _ := written(t, &s.acker)
	require.Equal(t, librelpOpened, out)
	s.due, s.seq, s.given = maxTxnr-1, maxTxnr-2, maxTxnr-2
	s.acker.next, s.acker.committed = s.seq+1, s.seq
	messages, _ := feed(t, s, []byte("999999998 syslog 1 a\n999999999 syslog 1 b\n1 syslog 1 c\n2 open 0\n3 syslog 1 d\n"))
	out, _ = written(t, &s.acker)
	require.Equal(t, []string{"a", "b", "c", "d"}, messages)
	require.Equal(t, "999999998 rsp 6 200 OK\n999999999 rsp 6 200 OK\n1 rsp 6 200 OK\n2"+librelpOpened[1:]+"3 rsp 6 200 OK\n", out)
}
