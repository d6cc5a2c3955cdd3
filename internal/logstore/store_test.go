package logstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSubmitStoresLines(t *testing.T) {
	t.Parallel()
	s, stop := runStore(t, Config{})
	submit(t, s, lines(5, "celery", "nginx")...)
	submit(t, s, message("celery", "last"))
	require.Equal(t, testHeader+"line 0\n"+testHeader+"line 2\n"+testHeader+"line 4\n"+testHeader+"last\n",
		content(t, s, "worker.log"))
	stop()
	require.ErrorIs(t, s.Submit(t.Context(), testTime, lines(1, "celery"), nil), ErrClosed)
}
