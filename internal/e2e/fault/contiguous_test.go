package fault

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireContiguous wants the name of each part to tell the offset at which
// it begins: where the part before it ends.
func requireContiguous(t *testing.T, dir string) {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(dir, "*.d"))
	require.NoError(t, err)
	for _, folder := range folders {
		names, err := generations(dir, strings.TrimSuffix(filepath.Base(folder), ".log.d"))
		require.NoError(t, err)
		end := int64(-1)
		for _, name := range names {
			if filepath.Dir(name) != folder {
				continue
			}
			digits, _, _ := strings.Cut(filepath.Base(name), ".")
			offset, err := strconv.ParseInt(digits, 10, 64)
			require.NoError(t, err, name)
			data, err := contents(name)
			require.NoError(t, err, name)
			if end >= 0 {
				require.Equal(t, end, offset, "%s begins elsewhere than the part before it ends", name)
			}
			end = offset + int64(len(data))
		}
	}
}
