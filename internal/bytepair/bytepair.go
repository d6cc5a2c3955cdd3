// Package bytepair finds two bytes at a fixed distance in text: the two rarest
// ones of a text that is searched. On amd64 with AVX2 that runs at the speed of
// memory, however frequent each of them is by itself.
package bytepair

import "bytes"

// A Pair is what is searched: byte A, and byte B Gap bytes behind it. Bits of
// FoldA and FoldB are set in the text before it is compared: 0x20 takes both
// cases of a small letter, 0 the byte as it is.
type Pair struct {
	A, B         byte
	FoldA, FoldB byte
	Gap          int // not negative
}

// Index is the first place of p.A in text behind which p.B follows, -1 where
// there is none.
func (p *Pair) Index(text []byte) int {
	n := len(text) - p.Gap // places of A
	if n >= width && fast {
		i := index(&text[0], n, p)
		if i < 0 && n%width > 0 {
			// The rest, with some of what was searched already.
			if i = index(&text[n-width], width, p); i >= 0 {
				i += n - width
			}
		}
		return i
	}
	return p.slow(text)
}

// slow is Index in plain Go.
func (p *Pair) slow(text []byte) int {
	n := len(text) - p.Gap
	for i := 0; i < n; i++ {
		if p.FoldA == 0 {
			next := bytes.IndexByte(text[i:n], p.A)
			if next < 0 {
				return -1
			}
			i += next
		}
		if text[i]|p.FoldA == p.A && text[i+p.Gap]|p.FoldB == p.B {
			return i
		}
	}
	return -1
}
