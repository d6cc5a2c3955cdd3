package logstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestBudgetLetsInByTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget{limit: 10}
		require.NoError(t, b.acquire(t.Context(), 100), "more than the limit")
		var in []int
		ctx, cancel := context.WithCancelCause(t.Context())
		for i, n := range []int64{3, 50, 4, 5} {
			c := t.Context()
			if i == 1 {
				c = ctx
			}
			go func() {
				if err := b.acquire(c, n); err != nil {
					i = -i
				}
				in = append(in, i)
			}()
			synctest.Wait()
		}
		require.Empty(t, in)
		used, full := b.inUse()
		require.EqualValues(t, 100, used)
		require.True(t, full)

		cancel(errors.New("no more"))
		synctest.Wait()
		require.Equal(t, []int{-1}, in, "gives up without taking its turn")

		b.adjust(-91) // 9 in use: room for one, which makes it 12
		synctest.Wait()
		require.Equal(t, []int{-1, 0}, in)
		b.adjust(-3) // 9: the next, 13
		synctest.Wait()
		require.Equal(t, []int{-1, 0, 2}, in)
		b.adjust(-13)
		synctest.Wait()
		require.Equal(t, []int{-1, 0, 2, 3}, in)
		used, full = b.inUse()
		require.EqualValues(t, 5, used)
		require.False(t, full)
	})
}

func TestBudgetGivesTheReason(t *testing.T) {
	t.Parallel()
	b := budget{limit: 1, used: 1}
	why := errors.New("going down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	require.ErrorIs(t, b.acquire(ctx, 1), why)
	b.adjust(-1)
	used, full := b.inUse()
	require.Zero(t, used)
	require.False(t, full)
}
