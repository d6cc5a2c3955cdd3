package syslogsrv

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
)

func writeFile(name, content string) error { return os.WriteFile(name, []byte(content), 0o600) }

const (
	m1 = "<13>Mar 17 04:05:06 h a: one"
	m2 = "<13>Mar 17 04:05:06 h a: two"
)

// streams are what senders do to a connection before they close it.
var streams = []struct {
	name, bytes string
	want        []string // texts, with the frame's flags in front
}{
	{"lines", m1 + "\n" + m2 + "\n", []string{"one", "two"}},
	{"last line without end", m1 + "\n" + m2, []string{"one", "unterminated two"}},
	{"CR LF", m1 + "\r\n" + m2 + "\r\n", []string{"one", "two"}},
	{"NUL", m1 + "\x00" + m2 + "\x00", []string{"one", "two"}},
	{"LF NUL", m1 + "\n\x00" + m2 + "\n\x00", []string{"one", "two"}},
	{"octet-counted", octet(m1) + octet(m2), []string{"one", "two"}},
	{"octet-counted with LF inside", octet(m1+"\nb") + octet(m2+"\n"), []string{"one\nb", "two"}},
	{"count with zeros", "028 " + m1, []string{"one"}},
	{"text that begins with a number", "2024 was a good year\n" + m2 + "\n", []string{"2024 was a good year", "two"}},
	{"lines, then octet-counted", m1 + "\n" + octet(m2), []string{"one", "two"}},
	{"octet-counted, then lines", octet(m1) + m2 + "\n", []string{"one", "two"}},
	{"frame cut off", octet(m1) + "28 <13>Mar 17 04:05:06 h a: t", []string{"one", "truncated t"}},
	{"count too small", "25 " + m1 + octet(m2), []string{"", "framing_error one", "two"}},
	{"docassemble's web app", "<15>docassemble: ip=1\x00<15>docassemble: ip=2\x00", []string{"ip=1", "ip=2"}},
	{"nothing", "", nil},
	{"blank lines only", "\n\n\r\n", nil},
	{"a priority only", "<13>\n<0>\n" + m1 + "\n", []string{"one"}},
	{"longer than the limit", "<13>a: " + strings.Repeat("x", 5000) + "\n" + m2 + "\n",
		[]string{"truncated " + strings.Repeat("x", 4096-7), "two"}},
	{"long counted frame", octet("<13>a: "+strings.Repeat("x", 5000)) + octet(m2),
		[]string{"truncated " + strings.Repeat("x", 4096-7), "two"}},
}

func flagged(r record) string {
	s := r.text
	for _, f := range []syslog.Flags{syslog.Unterminated, syslog.Truncated, syslog.FramingError} {
		if r.flags&f != 0 {
			s = flagNames[f] + " " + s
		}
	}
	return s
}

// However a stream is cut into segments, and over whatever it comes, the same
// messages arrive in order.
func TestStreams(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	cert := ca.issue(t, "log.test")
	for _, kind := range []string{TCP, Unix, "tls"} {
		for _, tc := range streams {
			t.Run(kind+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				sink := new(recorder)
				r := startServer(t, Config{
					Listen: []Endpoint{
						{Network: TCP, Address: "127.0.0.1:0"},
						{Network: TCP, Address: "127.0.0.1:0", TLS: true},
						{Network: Unix, Address: filepath.Join(t.TempDir(), "log")},
					},
					TLS: cert.load(t), MaxMessage: 4096,
				}, sink)
				random := rand.New(rand.NewPCG(1, uint64(len(tc.bytes))))
				for i, largest := range []int{1 << 20, 40, 1} {
					c := r.dial(kind)
					if kind == "tls" {
						c = ca.client(t, c, nil)
					}
					if largest == 1 && len(tc.bytes) > 300 {
						largest = 100
					}
					for rest := tc.bytes; rest != ""; {
						n := min(1+random.IntN(largest), len(rest))
						send(t, c, rest[:n])
						rest = rest[n:]
					}
					require.NoError(t, c.Close())
					r.wantServed(i + 1)
					got := []string(nil)
					for _, rec := range sink.records() {
						got = append(got, flagged(rec))
					}
					require.Equal(t, tc.want, got, "segments of at most %d bytes", largest)
					sink.mu.Lock()
					sink.got = nil
					sink.mu.Unlock()
				}
			})
		}
	}
}

// A connection waits for ever as long as nothing has come, and then only so
// long for what tells its protocol.
func TestFirstByteDeadline(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{FirstByteTimeout: 50 * time.Millisecond}, nil)
	silent, slow := r.dial(TCP), r.dial(TCP)
	send(t, slow, "1")
	eventually(t, func() bool { return r.Stats().Connections[Lines] == 1 }, "taken as lines")
	send(t, slow, " open door\n")
	r.wantTexts("1 open door")
	send(t, silent, octet(m1))
	r.wantTexts("1 open door", "one")
	require.EqualValues(t, 1, r.Stats().Connections[OctetCounted])
}

func TestRefusedProtocols(t *testing.T) {
	t.Parallel()
	hello := "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"
	for _, tc := range []struct {
		name, bytes, answer string
		reason              Reason
	}{
		{"RELP without common commands", "1 open 14 relp_version=0\n", "1 rsp 69 500 offers not acceptable: the required command syslog is not offered\n0 serverclose 0\n", RELPError},
		{"RELP in the middle", "2 syslog 5 hello\n", "0 serverclose 0\n", RELPSequence},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", httpSorry, NotSyslog},
		{"TLS without a certificate", hello, "", TLSNotOffered},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, bytewise := range []bool{false, true} {
				r := startServer(t, Config{}, nil)
				c := r.dial(TCP)
				if bytewise {
					for i := range 14 {
						if i < len(tc.bytes) {
							c.Write([]byte(tc.bytes[i : i+1]))
						}
					}
					c.Write([]byte(tc.bytes[min(14, len(tc.bytes)):]))
				} else {
					send(t, c, tc.bytes)
				}
				require.Equal(t, tc.answer, wantClosed(t, c))
				r.wantRefused(tc.reason, 1)
				require.Empty(t, r.sink.texts())
				require.Contains(t, r.log.String(), "reason="+tc.reason.String())
			}
		})
	}
}

func TestGivesUpOnLostFraming(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{}, nil)
	c := r.dial(TCP)
	send(t, c, octet(m1))
	send(t, c, strings.Repeat("junk\n9junk\n", 20))
	wantClosed(t, c)
	r.wantRefused(Unframeable, 1)
	require.NotZero(t, r.Stats().FramingErrors)
	require.Equal(t, "one", r.sink.texts()[0])
}

// One message of a size far above one read arrives whole, and afterwards the
// memory for it is given back.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{MaxMessage: 3 << 20}, nil)
	c := r.dial(TCP)
	var want []string
	for i, size := range []int{1, 70 << 10, 300 << 10, 3<<20 - 10, 2 << 10, 1 << 20} {
		text := strings.Repeat(string(rune('a'+i)), size)
		want = append(want, text)
		if i%2 == 0 {
			send(t, c, "<13>p: "+text+"\n")
		} else {
			send(t, c, octet("<13>p: "+text))
		}
	}
	r.wantTexts(want...)
	eventually(t, func() bool { return r.Stats().PartialBytes == 0 }, "memory given back")
}

// Senders that never end their messages cannot take more memory than there is
// for them; who sends large messages and ends them is not cut.
func TestPartialMessagesBudget(t *testing.T) {
	t.Parallel()
	const limit = 4 << 20 // half of BufferBytes
	r := startServer(t, Config{BufferBytes: 2 * limit, MaxMessage: 1 << 20}, nil)
	head := "<13>hostile: " + strings.Repeat("x", 900<<10)
	for range 12 {
		c := r.dial(TCP)
		go c.Write([]byte(head))
	}
	eventually(t, func() bool { return r.Stats().Refused[BufferShort] >= 8 }, "the oldest are cut: %v", r.Stats().Refused)
	good := r.dial(TCP)
	text := strings.Repeat("y", 1<<20-20)
	for range 5 {
		send(t, good, "<13>good: "+text+"\n")
	}
	whole := 0
	eventually(t, func() bool {
		whole = 0
		for _, rec := range r.sink.records() {
			if rec.program == "good" && rec.text == text {
				whole++
			}
		}
		return whole == 5
	}, "5 whole messages")
	for _, rec := range r.sink.records() {
		if rec.program == "hostile" {
			require.NotZero(t, rec.flags&(syslog.Unterminated|syslog.Truncated), "what came of it is kept, flagged")
		}
	}
	require.LessOrEqual(t, r.Stats().PartialBytes, limit)
}

// Times without a zone are read in the zone of their sender.
func TestZones(t *testing.T) {
	t.Parallel()
	newYork, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	r := startServer(t, Config{
		Listen: append(tcpOnly, Endpoint{Network: UDP, Address: "127.0.0.1:0"}),
		Rules: Rules{Zone: time.UTC, Zones: zonesOf(
			"127.0.0.0/8", time.FixedZone("", 3600),
			"127.0.0.1/32", newYork,
		)},
	}, nil)
	send(t, r.dial(TCP), m1+"\n")
	r.wantTexts("one")
	send(t, r.dial(UDP), m2)
	r.wantTexts("one", "two")
	for _, rec := range r.sink.records() {
		require.EqualValues(t, -4*3600, rec.at.Offset)
	}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	r := startServer(t, Config{Listen: append(tcpOnly, Endpoint{Network: UDP, Address: "127.0.0.1:0"})}, nil)
	c := r.dial(TCP)
	send(t, c, octet(m1)+octet("<999>x")+"0 "+m2+"\n")
	r.wantTexts("one", "<999>x", "two")
	u := r.dial(UDP)
	send(t, u, m1)
	send(t, u, "<13>")
	eventually(t, func() bool { return r.Stats().Empty == 2 }, "the empty frame and the empty datagram")
	s := r.Stats()
	require.Equal(t, 1, s.Open)
	require.EqualValues(t, 3, s.Messages[OctetCounted])
	require.EqualValues(t, 1, s.Messages[Datagram])
	require.EqualValues(t, 1, s.Connections[OctetCounted])
	require.EqualValues(t, 1, s.Defects["bad_pri"])
	require.EqualValues(t, len(m1)+len("<13>"), s.Bytes[Datagram])
	require.EqualValues(t, len(octet(m1)+octet("<999>x")+"0 "+m2+"\n"), s.Bytes[OctetCounted])
	peers := r.Peers()
	require.Len(t, peers, 1)
	require.Equal(t, "127.0.0.1", peers[0].Name)
	require.Equal(t, []Protocol{OctetCounted, Datagram}, peers[0].Protocols)
	require.EqualValues(t, 4, peers[0].Messages)
	require.Equal(t, 1, peers[0].Connections)
	require.WithinDuration(t, time.Now(), peers[0].LastSeen, time.Minute)
	require.Equal(t, "127.0.0.1", r.sink.records()[0].from)
	require.NoError(t, c.Close())
	eventually(t, func() bool { return r.Peers()[0].Connections == 0 }, "connection counted off")
}
