package tail

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Once Found says so, a file that was there may be removed: it is read all the same.
func TestFound(t *testing.T) {
	t.Parallel()
	for range 20 {
		r := tempRig(t, Config{}, "*.log")
		r.append("app.log", "a\nb\n")
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- r.tailer.Run(ctx) }()
		<-r.tailer.Found()
		require.NoError(t, os.Remove(r.path("app.log")))
		cancel()
		require.NoError(t, <-ran)
		r.read()
		require.Equal(t, []string{"a", "b"}, r.lines)
	}
}
