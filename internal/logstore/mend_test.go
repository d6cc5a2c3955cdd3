package logstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A start that is killed while it writes the mark is followed by one that finishes it.
func TestTruncatedEnd(t *testing.T) {
	t.Parallel()
	const line = "half a line"
	whole := line + truncatedMark + "\n"
	for n := range len(truncatedMark) + 1 {
		there := line + truncatedMark[:n]
		for _, tail := range []string{there, there[len(there)-min(len(there), len(truncatedMark)):]} {
			require.Equal(t, whole, there+string(truncatedEnd([]byte(tail))))
		}
	}
	require.Equal(t, truncatedMark+"\n", string(truncatedEnd(nil)))
}
