package syslog

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// offsetIn is where part, which is a part of whole, begins.
func offsetIn(whole, part []byte) int {
	return int(uintptr(unsafe.Pointer(unsafe.SliceData(part))) - uintptr(unsafe.Pointer(unsafe.SliceData(whole))))
}

// checkMessage holds a parsed message against the promises of Parse: nothing
// of raw but a header's own signs and its time is missing in the fields.
func checkMessage(t require.TestingT, raw []byte, m *Message) {
	covered := make([]bool, len(raw))
	for _, field := range [][]byte{m.Host, m.Program, m.PID, m.MsgID, m.SD, m.Text, m.Sequence} {
		if len(field) == 0 {
			continue
		}
		at := offsetIn(raw, field)
		require.True(t, at >= 0 && at+len(field) <= len(raw), "a field outside of the input")
		for i := range field {
			covered[at+i] = true
		}
	}
	missing := 0
	for i, c := range raw {
		switch {
		case covered[i], c == ' ', isDigit(c), c == '\n', c == '\r', c == 0, c == '\t', c == bom[0], c == bom[1], c == bom[2]:
		default:
			missing++
		}
	}
	if m.Flags&Truncated == 0 && missing > maxTime+32 {
		require.Failf(t, "lost", "%d bytes of %q: %+v", missing, raw, m)
	}
	require.LessOrEqual(t, m.Pri, uint8(191))
	require.Equal(t, !utf8.Valid(m.Text), m.Flags&NotUTF8 != 0)
	if m.Flags&(NoPri|BadPri) != 0 {
		require.Equal(t, uint8(13), m.Pri)
	}
	if m.Flags&BadPri != 0 {
		require.Equal(t, string(trimEnd(skipLead(raw))), string(m.Text))
	}
	for _, field := range [][]byte{m.Host, m.Program, m.PID, m.MsgID} {
		require.LessOrEqual(t, len(field), maxField)
	}
	if m.Plain {
		require.Equal(t, string(m.Text), string(AppendSafe(nil, m.Text)))
		require.NotContains(t, string(m.Text), "\n")
		columns := slices.Concat(m.Host, m.Program, m.PID)
		require.NotContains(t, string(columns), " ")
		require.Equal(t, string(columns), string(AppendSafe(nil, columns)))
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range readGolden(f, "messages/*.txt") {
		f.Add([]byte(c.take(f, "in")), november.Unix())
	}
	zone := newYork(f)
	f.Fuzz(func(t *testing.T, raw []byte, received int64) {
		received %= 1 << 40
		before := string(raw)
		p := Parser{Zone: zone}
		var m, again Message
		p.Parse(raw, time.Unix(received, 0), &m)
		checkMessage(t, raw, &m)
		p.Parse(raw, time.Unix(received, 0), &again)
		require.Equal(t, m, again)
		require.Equal(t, before, string(raw))
	})
}

func FuzzFramer(f *testing.F) {
	for _, c := range readGolden(f, "streams.txt") {
		f.Add([]byte(c.take(f, "in")), uint16(c.takeInt(f, "max")), uint64(1))
	}
	f.Fuzz(func(t *testing.T, stream []byte, limit uint16, seed uint64) {
		max := 1 + int(limit)
		checkStream(t, stream, max)
		frames, c := cutStream(t, string(stream), max, func() int { return 1 << 20 })
		same := func(how string, size func() int) {
			f, counted := cutStream(t, string(stream), max, size)
			require.Equal(t, frames, f, how)
			require.Equal(t, c, counted, how)
		}
		same("byte by byte", func() int { return 1 })
		r := rand.New(rand.NewPCG(seed, 1))
		most := 1 + r.IntN(len(stream)+1)
		same("cut at random", func() int { return 1 + r.IntN(most) })
	})
}

// checkStream holds the frames of a stream against it: they are parts of it,
// in order, and only line ends, blanks, BOMs and counts lie between them, and
// what was counted as discarded.
func checkStream(t require.TestingT, stream []byte, max int) {
	f := Framer{Max: max}
	rest, end, between := stream, 0, 0
	gap := func(b []byte) {
		for _, c := range b {
			if c > ' ' && !isDigit(c) && c != bom[0] && c != bom[1] && c != bom[2] {
				between++
			}
		}
	}
	for {
		frame, n, _, ok := f.Next(rest, true)
		rest = rest[n:]
		if !ok {
			break
		}
		at := offsetIn(stream, frame)
		require.GreaterOrEqual(t, at, end)
		gap(stream[end:at])
		end = at + len(frame)
	}
	require.Empty(t, rest)
	if f.Err() == nil {
		gap(stream[end:])
		require.LessOrEqual(t, between, int(f.Discarded), "bytes between frames")
	}
}

func FuzzSniff(f *testing.F) {
	for _, c := range readGolden(f, "sniff.txt") {
		f.Add([]byte(c.take(f, "in")))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, decided := Sniff(stream, true)
		require.True(t, decided)
		for n := range stream {
			p, decided := Sniff(stream[:n], false)
			if decided {
				require.Equal(t, p, whole, "after %d bytes", n)
				return
			}
			require.Equal(t, Undecided, p)
			require.Less(t, n, sniffSize)
		}
	})
}

func FuzzParseProxy(f *testing.F) {
	for _, h := range proxyHeaders {
		if len(h.header) < 300 {
			f.Add([]byte(h.header + "after"))
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, wholeErr := ParseProxy(stream)
		if wholeErr == nil {
			require.True(t, whole.Len > 0 && whole.Len <= min(len(stream), proxyV2Max), "length %d", whole.Len)
		} else {
			require.Zero(t, whole)
		}
		for n := range stream[:min(len(stream), 400)] {
			h, err := ParseProxy(stream[:n])
			switch {
			case err == ErrShort:
				require.Less(t, n, proxyV2Max)
			case err != nil:
				require.Error(t, wholeErr)
				require.NotEqual(t, ErrShort, wholeErr)
				return
			default:
				require.Equal(t, whole, h)
				return
			}
		}
	})
}

func FuzzAppendSafe(f *testing.F) {
	for _, s := range []string{"plain, with\ttab", "é€😀\u0085\u202e", "\x1b[31m\xff\x00\\x41"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { checkSafe(t, text) })
}

func FuzzDatagram(f *testing.F) {
	for _, s := range []string{"<13>one\n", "8 <13>two!", "\xef\xbb\xbf\n", "9999999 "} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := Datagram(raw)
		if len(b) > 0 {
			at := offsetIn(raw, b)
			require.True(t, at >= 0 && at+len(b) <= len(raw))
			require.LessOrEqual(t, at, len(raw)-len(skipLead(raw))+8)
		}
	})
}
