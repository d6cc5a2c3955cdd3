package logstore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dalog-project/dalog/internal/syslog"
)

// A batch must hold, for each file, what formatting message after message gives.
func TestFillMatchesOneByOne(t *testing.T) {
	t.Parallel()
	f := &filler{router: newRouter(nil, 1000, 1000)}
	rapid.Check(t, func(t *rapid.T) {
		msgs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) syslog.Message {
			m := message(fmt.Sprintf("p%d", rapid.IntRange(0, 30).Draw(t, "program")), rapid.String().Draw(t, "text"))
			m.Pri = rapid.Uint8Range(0, 191).Draw(t, "pri")
			if rapid.Bool().Draw(t, "nginx") {
				m.Program = []byte("nginx")
			}
			if rapid.Bool().Draw(t, "cut") {
				m.Flags = syslog.Truncated
			}
			return m
		}), 0, 50).Draw(t, "messages")

		want := map[string]string{}
		var lines, cut int
		for i := range msgs {
			name := f.router.route(&msgs[i]).file(msgs[i].Severity()).name
			out, n := new(formatter).appendMessage(nil, &msgs[i], syslog.At(testTime))
			want[name] += string(out)
			lines += n
			cut += int(msgs[i].Flags / syslog.Truncated)
		}
		b := new(batchPool).get(sizeEstimate(msgs))
		f.fill(b, msgs, syslog.At(testTime))
		got := map[string]string{}
		start := 0
		for _, p := range b.parts {
			require.NotContains(t, got, p.file.name, "one part for each file")
			got[p.file.name] = string(b.data[start:p.end])
			start = p.end
		}
		require.Equal(t, want, got)
		require.Equal(t, start, len(b.data))
		require.Equal(t, []int{len(msgs), lines, cut}, []int{b.messages, b.lines, b.truncated})
	})
}

// A program that is called overflow has not been left without a file.
func TestOverflowIsCountedForOthersOnly(t *testing.T) {
	t.Parallel()
	f := &filler{router: newRouter(nil, 1, 1)} // no file besides the standard ones
	msgs := []syslog.Message{message("overflow", "a"), message("other", "b"), message("overflow", "c"), message("nginx", "d")}
	b := new(batchPool).get(sizeEstimate(msgs))
	f.fill(b, msgs, syslog.At(testTime))
	require.Equal(t, 1, b.overflow)
	require.Len(t, b.parts, 2)
}

func TestFillDoesNotAllocate(t *testing.T) {
	f := &filler{router: newRouter(nil, 1000, 1000)}
	msgs := benchMessages(100, benchPrograms)
	b := new(batchPool).get(sizeEstimate(msgs))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b.data, b.parts = b.data[:0], b.parts[:0]
		f.fill(b, msgs, syslog.At(testTime))
	}))
	require.Equal(t, 1<<15, cap(b.data), "the estimate was enough")
}
