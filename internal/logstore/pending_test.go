package logstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What the applier has taken over is not held on to: it may be let go long before
// the file gets as many lines again.
func TestTakeHoldsNoBatches(t *testing.T) {
	t.Parallel()
	p := pending{wake: make(chan struct{}, 1)}
	f, b := new(logFile), new(batch)
	p.add(f, []piece{{data: []byte("x"), of: b}}, 1)
	require.Equal(t, []*logFile{f}, p.take(nil, 0))
	require.Same(t, b, f.work[0].of)
	require.Nil(t, f.pend[:1][0].of)
	require.Zero(t, p.size())
}
