package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The list is a question about names, so that its time does not depend on what
// is in the files: under 100 ms with 5 GB in the folder.
func TestListIsQuick(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const files, size = 500, 10 << 20
	for i := range files {
		path := filepath.Join(dir, fmt.Sprintf("program-%03d.log", i))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Truncate(path, size)) // sparse: nobody reads it
	}
	d := startDalogd(t, dir)
	limit := 100 * time.Millisecond
	if withRaceDetector { // which slows dalogd down
		limit *= 10
	}
	for _, accept := range []string{"*/*", "text/html", "application/json"} {
		t.Run(accept, func(t *testing.T) {
			times := make([]time.Duration, 21)
			for i := range times {
				began := time.Now()
				req, err := http.NewRequest(http.MethodGet, d.http[0]+"/", nil)
				require.NoError(t, err)
				req.Header.Set("Accept", accept)
				resp, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				times[i] = time.Since(began)
				require.Equal(t, http.StatusOK, resp.StatusCode)
				for i := range files {
					if name := fmt.Sprintf("program-%03d.log", i); !bytes.Contains(body, []byte(name)) {
						t.Fatalf("%s is not in the list", name)
					}
				}
			}
			slices.Sort(times)
			t.Logf("median %v, slowest %v", times[len(times)/2], times[len(times)-1])
			require.Less(t, times[len(times)/2], limit, "median of %d", len(times))
		})
	}
}
