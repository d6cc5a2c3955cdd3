package syslogsrv

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// newShare makes a share that tells through woken when it is chosen.
func newShare(of *partials, owner string) (s *share, woken *int) {
	woken = new(int)
	return &share{of: of, owner: netip.MustParseAddr(owner), wake: func() { *woken++ }}, woken
}

// The victim is the oldest share of the peer that holds most, not whoever
// happens to be oldest.
func TestVictimOfTheBudget(t *testing.T) {
	t.Parallel()
	of := newPartials(1000)
	honest, honestWoken := newShare(of, "10.0.0.1")
	first, firstWoken := newShare(of, "10.0.0.2")
	second, secondWoken := newShare(of, "10.0.0.2")
	honest.set(400)
	first.set(300)
	require.True(t, first.settle())
	second.set(300)
	require.Equal(t, 1000, of.inUse())
	require.True(t, second.settle(), "within the limit")

	synctest.Test(t, func(t *testing.T) {
		of.changed = sync.Cond{L: &of.mu} // belongs to the bubble
		done := make(chan bool, 1)
		honest.set(500)
		go func() { done <- honest.settle() }()
		synctest.Wait()
		require.Equal(t, []int{0, 1, 0}, []int{*honestWoken, *firstWoken, *secondWoken})
		require.Empty(t, done, "waits for the victim")
		require.False(t, first.settle())
		first.set(0)
		require.True(t, <-done)
	})
	require.Equal(t, 800, of.inUse())

	honest.set(1500)
	require.False(t, honest.settle(), "holds most itself")
	honest.set(0)
	second.set(0)
	require.Zero(t, of.inUse())
	require.True(t, honest.settle(), "holds nothing")
}

func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	b := newBatches(2)
	x, y := b.take(t.Context()), b.take(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Nil(t, b.take(ctx), "both are out")
	b.give(x)
	require.NotNil(t, b.take(t.Context()))
	b.give(y)
}

func BenchmarkBatches(b *testing.B) {
	pool := newBatches(8)
	b.ReportAllocs()
	for b.Loop() {
		pool.give(pool.take(b.Context()))
	}
}
