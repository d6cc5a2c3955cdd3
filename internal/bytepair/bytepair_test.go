package bytepair

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// naive looks at each place.
func naive(p *Pair, text []byte) int {
	for i := range max(len(text)-p.Gap, 0) {
		if text[i]|p.FoldA == p.A && text[i+p.Gap]|p.FoldB == p.B {
			return i
		}
	}
	return -1
}

func TestLayout(t *testing.T) { // as the assembly has it
	var p Pair
	require.EqualValues(t, []uintptr{0, 1, 2, 3, 8},
		[]uintptr{unsafe.Offsetof(p.A), unsafe.Offsetof(p.B), unsafe.Offsetof(p.FoldA), unsafe.Offsetof(p.FoldB), unsafe.Offsetof(p.Gap)})
}

func TestIndex(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		// Few different bytes in texts around the width of what is looked at.
		room := make([]byte, 300)
		for i := range room {
			room[i] = "aAbBxX\n\x80"[random.IntN(8)]
		}
		start := random.IntN(70)
		text := room[start : start+random.IntN(200)]
		p := &Pair{A: "abx"[random.IntN(3)], B: "abx\n"[random.IntN(4)], Gap: random.IntN(100)}
		if random.IntN(2) == 0 {
			p.FoldA = 0x20
		}
		if random.IntN(2) == 0 && p.B != '\n' {
			p.FoldB = 0x20
		}
		if random.IntN(4) == 0 { // no match but perhaps just behind the end
			for i := range text {
				text[i] = '.'
			}
		}
		want := naive(p, text)
		require.Equal(t, want, p.Index(text), "%q in %q", p, text)
		require.Equal(t, want, p.slow(text), "%q in %q", p, text)
	}
}

// TestIndexEnds puts the only match at each place of texts of all lengths.
func TestIndexEnds(t *testing.T) {
	t.Parallel()
	p := &Pair{A: 'a', B: 'b', Gap: 3}
	for length := range 200 {
		text := bytes.Repeat([]byte{'-'}, length+10)[:length]
		copy(text[length:length+10], "a--ba--bab")
		require.Equal(t, -1, p.Index(text))
		for at := range length - p.Gap {
			text[at], text[at+3] = 'a', 'b'
			require.Equal(t, at, p.Index(text))
			text[at], text[at+3] = '-', '-'
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte("the quick brown fox jumps over the lazy dog, twice or more"), byte('q'), byte('k'), byte(0), byte(0), uint8(4))
	f.Add([]byte(""), byte('q'), byte('k'), byte(0x20), byte(0), uint8(0))
	f.Fuzz(func(t *testing.T, text []byte, a, b, foldA, foldB byte, gap uint8) {
		p := &Pair{a, b, foldA, foldB, int(gap)}
		require.Equal(t, naive(p, text), p.Index(text))
		require.Equal(t, naive(p, text), p.slow(text))
	})
}

func BenchmarkIndex(b *testing.B) {
	text := bytes.Repeat([]byte("2026-11-23T08:27:00 web1 docassemble: i=docassemble.demo:data/questions/q11.yml question 11 in 5 ms\n"), 5000)
	p := &Pair{A: 'q', B: '7', Gap: 9}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if p.Index(text) >= 0 {
			b.Fatal()
		}
	}
}
