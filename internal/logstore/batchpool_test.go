package logstore

import (
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBatchPoolSizes(t *testing.T) {
	t.Parallel()
	p := batchPool{limit: 64 << 20}
	for _, size := range []int{0, 1, 511, 512, 513, 1 << 20, 4 << 20, 4<<20 + 1} {
		b := p.get(size)
		require.GreaterOrEqual(t, cap(b.data), size)
		require.LessOrEqual(t, cap(b.data), max(2*size, 512))
		b.data, b.messages = append(b.data, 'x'), 1
		b.parts = append(b.parts, part{end: 1})
		p.put(b)
		again := p.get(size)
		require.Empty(t, again.data)
		require.Empty(t, again.parts)
		require.Zero(t, again.messages)
		require.GreaterOrEqual(t, cap(again.data), size)
		if size <= 4<<20 {
			require.Same(t, b, again)
		}
	}
}

// Whatever is taken and given back in whatever order, what the pool keeps fits
// into what those that are out leave of the limit.
func TestBatchPoolStaysWithinLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := batchPool{limit: 1 << 20}
		var out []*batch
		lent := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 7).Draw(t, "step") {
			case 0:
				p.shrink()
			case 1, 2, 3:
				if len(out) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
				b := out[i]
				out = append(out[:i], out[i+1:]...)
				lent -= b.lent
				if rapid.Bool().Draw(t, "grown") {
					b.data = append(b.data[:cap(b.data)], 'x')
				}
				p.put(b)
			default:
				b := p.get(rapid.IntRange(0, 600<<10).Draw(t, "size"))
				require.False(t, slices.Contains(out, b), "lent twice")
				out, lent = append(out, b), lent+b.lent
			}
			idle := 0
			for _, free := range p.free {
				for _, b := range free {
					idle += 1 << (bits.Len(uint(cap(b.data))) - 1)
				}
			}
			require.Equal(t, idle, p.idle)
			require.Equal(t, lent, p.out)
			if lent <= p.limit {
				require.LessOrEqual(t, lent+idle, p.limit)
			} else {
				require.Zero(t, idle)
			}
		}
	})
}

func TestBatchPoolShrinks(t *testing.T) {
	t.Parallel()
	p := batchPool{limit: 1 << 20}
	a, b := p.get(4096), p.get(4096)
	p.put(a)
	p.put(b)
	p.shrink()
	require.Equal(t, 8192, p.idle, "both were out since the last time")
	p.put(p.get(4096))
	p.shrink()
	require.Equal(t, 4096, p.idle, "one was enough")
	p.shrink()
	require.Zero(t, p.idle)
}
