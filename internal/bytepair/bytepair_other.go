//go:build !amd64

package bytepair

const (
	width = 1
	fast  = false
)

func index(*byte, int, *Pair) int { panic("not on this machine") }
