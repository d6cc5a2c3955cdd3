package syslog

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type frame struct {
	flags Flags
	text  string
}

func (f frame) String() string { return flagsText(f.flags) + " " + fmt.Sprintf("%q", f.text) }

type counters struct {
	Octet, Line, Errors, Oversize, Discarded, Empty, Skipped, Dropped uint64
	Err                                                               error
}

// cutStream feeds stream to a framer the way a connection does, in reads of
// the sizes that size answers, into a buffer that grows as the framer needs it.
func cutStream(t require.TestingT, stream string, limit int, size func() int) (frames []frame, c counters) {
	f := Framer{Max: limit}
	buf := make([]byte, 8)
	held := 0
	for eof := false; ; {
		if held == len(buf) {
			require.Less(t, len(buf), f.bufferSize(), "a full buffer of bufferSize must do")
			buf = append(buf, make([]byte, min(len(buf), f.bufferSize()-len(buf)))...)
		}
		n := copy(buf[held:], stream[:min(size(), len(stream))])
		held += n
		stream = stream[n:]
		if n == 0 && len(stream) == 0 {
			eof = true
		}
		r := 0
		for {
			text, advance, flags, ok := f.Next(buf[r:held:held], eof)
			require.True(t, advance >= 0 && r+advance <= held, "advance %d of %d", advance, held-r)
			r += advance
			if !ok {
				break
			}
			require.NotEmpty(t, text)
			require.LessOrEqual(t, len(text), f.max())
			frames = append(frames, frame{flags, string(text)})
		}
		if eof {
			require.Equal(t, held, r, "bytes left at the end")
			break
		}
		held = copy(buf, buf[r:held])
	}
	return frames, counters{f.Octet, f.Line, f.Errors, f.Oversize, f.Discarded, f.Empty, f.Skipped, f.Dropped, f.Err()}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	runGolden(t, "streams.txt", func(t *testing.T, c golden) {
		stream := c.take(t, "in")
		limit := c.takeInt(t, "max")
		var want []frame
		for _, v := range c.takeAll("frame") {
			flags, text, _ := strings.Cut(v, " ")
			want = append(want, frame{namedFlags(t, flags), unquote(t, text)})
		}
		number := func(key string) uint64 { return uint64(c.takeInt(t, key)) }
		wantCounters := counters{
			Octet: number("octet"), Line: number("line"), Errors: number("errors"), Oversize: number("oversize"),
			Discarded: number("discarded"), Empty: number("empty"), Skipped: number("skipped"), Dropped: number("dropped"),
		}
		if c.take(t, "error") == "framing" {
			wantCounters.Err = errFraming
		}
		check := func(how string, size func() int) {
			frames, counted := cutStream(t, stream, limit, size)
			require.Equal(t, want, frames, "%s:%d: %s", c.file, c.line, how)
			require.Equal(t, wantCounters, counted, "%s:%d: %s", c.file, c.line, how)
		}
		check("whole", func() int { return 1 << 20 })
		check("byte by byte", func() int { return 1 })
		for seed := range uint64(200) {
			r := rand.New(rand.NewPCG(seed, 1))
			most := 1 + r.IntN(40)
			check(fmt.Sprintf("cut at random, seed %d", seed), func() int { return 1 + r.IntN(most) })
		}
	})
}

func namedFlags(t *testing.T, names string) (flags Flags) {
	if names == "-" {
		return 0
	}
next:
	for name := range strings.SplitSeq(names, "+") {
		for _, f := range flagNames {
			if f.name == name {
				flags |= f.flag
				continue next
			}
		}
		require.Fail(t, "unknown flag", name)
	}
	return flags
}

// The sizes of real life, at the default limit.
func TestLongFrames(t *testing.T) {
	t.Parallel()
	const m2 = "<13>Mar 17 04:05:06 h a: two"
	fill := func(n int) string { return m2 + strings.Repeat(" 0123456789", n/11+1)[:n-len(m2)] }
	for _, n := range []int{70_000, defaultMax, defaultMax + 1, 3_000_000} {
		body := fill(n)
		want := []frame{{0, body}, {0, m2}}
		wantCounters := counters{}
		if n > defaultMax {
			want[0] = frame{Truncated, body[:defaultMax]}
			wantCounters.Oversize = 1
			wantCounters.Discarded = uint64(n - defaultMax)
		}
		for _, read := range []int{4096, 65536, 1 << 30} {
			line := wantCounters
			line.Line = 2
			frames, c := cutStream(t, body+"\n"+m2+"\n", 0, func() int { return read })
			assert.Equal(t, line, c, "%d bytes in a line", n)
			assert.True(t, len(frames) == 2 && frames[0] == want[0] && frames[1] == want[1], "%d bytes in a line", n)

			octet := wantCounters
			octet.Octet = 2
			frames, c = cutStream(t, fmt.Sprintf("%d %s%d %s", n, body, len(m2), m2), 0, func() int { return read })
			assert.Equal(t, octet, c, "%d bytes counted", n)
			assert.True(t, len(frames) == 2 && frames[0] == want[0] && frames[1] == want[1], "%d bytes counted", n)
		}
	}
}

// A count that is never followed by its bytes must not ask for room in advance.
func TestCountAsksForNoRoom(t *testing.T) {
	t.Parallel()
	var f Framer
	buf := []byte("9999999 <13>only this")
	frame, advance, flags, ok := f.Next(buf, false)
	assert.False(t, ok)
	assert.Nil(t, frame)
	assert.Zero(t, advance)
	assert.Zero(t, flags)
}

// A long line that comes in small pieces is looked at once, not once a piece:
// with 8 MiB in pieces of 16 bytes the difference is hours.
func TestLongLineIsScannedOnce(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]string{
		"line":     strings.Repeat("x", 8<<20),
		"counted":  "8 <13>one!<" + strings.Repeat("<x", 4<<20),
		"resync":   "8 <13>one!" + strings.Repeat("x\n", 4<<20),
		"no count": strings.Repeat("1 <13>1 <13", 1<<19),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Framer{Max: 8 << 20}
			buf := []byte(stream)
			start := 0
			for end := 0; end <= len(buf); end += 16 {
				for {
					_, n, _, ok := f.Next(buf[start:end], false)
					start += n
					if !ok {
						break
					}
				}
			}
		})
	}
}

func TestDatagrams(t *testing.T) {
	t.Parallel()
	runGolden(t, "datagrams.txt", func(t *testing.T, c golden) {
		assert.Equal(t, c.take(t, "message"), string(Datagram([]byte(c.take(t, "in")))))
	})
}

// Streams made of what frames are made of, right and wrong, at small limits.
func TestStreamProperties(t *testing.T) {
	t.Parallel()
	pieces := rapid.SampledFrom([]string{
		"<13>one", "8 <13>two!", "9 <13>two!\n", "3 <1", "12 <13>", "1", "0", "00", "7654321", "12345678", " ", "  ", "\n", "\r\n", "\n", "\x00",
		"x", "abc", "<", ">", "<13>", " <13>", "8 <1", "3>", "\xef\xbb\xbf", "\xef", "\xbb", "\xbf", "\t", "\r", "0 ", "28 ", "\n<", "\n1",
	})
	rapid.Check(t, func(r *rapid.T) {
		stream := strings.Join(rapid.SliceOfN(pieces, 0, 60).Draw(r, "stream"), "")
		limit := rapid.IntRange(1, 60).Draw(r, "max")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 30), 1, 20).Draw(r, "reads")
		checkStream(r, []byte(stream), limit)
		frames, c := cutStream(r, stream, limit, func() int { return 1 << 20 })
		same := func(how string, size func() int) {
			f, counted := cutStream(r, stream, limit, size)
			require.Equal(r, frames, f, how)
			require.Equal(r, c, counted, how)
		}
		same("byte by byte", func() int { return 1 })
		i := 0
		same("cut", func() int { i++; return sizes[i%len(sizes)] })
	})
}
