package forwarder

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dalog-project/dalog/internal/delivery"
)

// Whatever is confirmed, and wherever connections break: every frame reaches a
// server whole that was not confirmed before, in order; marks are passed in
// order and only when all before them is confirmed.
func TestWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var (
			w       window
			wire    []byte // of the present session
			base    int64  // of the present session in the window
			stream  []byte // all frames
			starts  []int64
			marked  []int64
			passed  int
			proto   bsd
			confirm = func(upTo int64) {
				w.confirm(upTo, func(m mark) {
					require.LessOrEqual(t, m.at, upTo)
					require.Equal(t, marked[passed], m.position.Offset)
					passed++
				})
			}
		)
		t.Repeat(map[string]func(*rapid.T){
			"frame": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "frames") {
					frame := append(bytes.Repeat([]byte{'x'}, rapid.SampledFrom([]int{0, 5, 300, 20_000}).Draw(t, "size")), '\n')
					s := w.tail()
					starts = append(starts, w.end)
					s.buf = append(s.buf, frame...)
					w.end = s.end()
					stream = append(stream, frame...)
				}
				w.marks = append(w.marks, mark{at: w.end, position: delivery.Position{Offset: w.end}})
				marked = append(marked, w.end)
			},
			"send": func(t *rapid.T) {
				p := w.next()
				n := rapid.IntRange(0, len(p)).Draw(t, "taken")
				wire = append(wire, p[:n]...)
				w.sent += int64(n)
			},
			"confirm": func(t *rapid.T) {
				confirm(base + int64(rapid.IntRange(0, len(wire)).Draw(t, "confirmed")))
			},
			"reconnect": func(t *rapid.T) {
				safe := w.safe
				w.rewind(proto.frameLen)
				require.LessOrEqual(t, w.sent, safe, "nothing is skipped")
				i, found := slices.BinarySearch(starts, w.sent)
				require.True(t, found || w.sent == w.end, "begins with a frame")
				if found && i+1 < len(starts) {
					require.Greater(t, starts[i+1], safe, "a confirmed frame is sent again")
				}
				base, wire = w.sent, nil
			},
			"": func(t *rapid.T) {
				require.True(t, bytes.Equal(stream[base:base+int64(len(wire))], wire))
				require.Equal(t, base+int64(len(wire)), w.sent)
				require.True(t, passed == len(marked) || marked[passed] > w.safe)
				held := 0
				for _, s := range w.segments {
					held += len(s.buf)
				}
				require.LessOrEqual(t, int64(held), w.held()+2*(segmentSize+maxFrame), "confirmed segments are let go")
			},
		})
		for w.next() != nil {
			w.sent += int64(len(w.next()))
		}
		confirm(w.end)
		require.Equal(t, len(marked), passed)
		require.Zero(t, w.held())
	})
}

func TestFrameLen(t *testing.T) {
	t.Parallel()
	for _, p := range []protocol{rfc5424{}, bsd{}} {
		var frames []byte
		var lengths []int
		for _, text := range []string{"", "a", string(bytes.Repeat([]byte{'b'}, 5000))} {
			before := len(frames)
			frames = p.appendFrame(frames, 14, at(0), "host", "program", 7, []byte(text))
			lengths = append(lengths, len(frames)-before)
		}
		for _, n := range lengths {
			require.Equal(t, n, p.frameLen(frames))
			frames = frames[n:]
		}
	}
}
