package tail

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is written and read while a file is looked at is behind the size that the
// look has found, and no sign that content has gone.
func TestReadWhileLookedAt(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), Config{}, "app.log")
	r.append("app.log", "a\n")
	r.look()
	r.append("app.log", "b\n")
	r.step(fastLook * 100)
	once := true
	r.tailer.looked = func(*Source) {
		if once {
			once = false
			r.append("app.log", "c\n")
			require.Equal(t, 1, r.read())
		}
	}
	r.step(fastLook * 100)
	require.False(t, once)
	r.look()
	r.want("a", "b", "c")
	for _, e := range r.events {
		require.NotEqual(t, FileTruncated, e.Kind)
	}
}
