package httpindex

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Browsers and Go know the zones by the same names.
func TestServerZone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{serverZone(), localZone()} {
		_, err := time.LoadLocation(name)
		require.NoError(t, err, name)
		require.NotEmpty(t, name)
	}
}
