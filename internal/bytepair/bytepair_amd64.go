package bytepair

import "golang.org/x/sys/cpu"

// width is how many places are looked at together.
const width = 32

var fast = cpu.X86.HasAVX2

// index is Index for the first n places rounded down to a multiple of width.
//
//go:noescape
func index(text *byte, n int, p *Pair) int
