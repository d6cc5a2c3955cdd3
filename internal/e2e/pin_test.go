package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// With --pin, what is deleted while dalogfwd is killed is read to its end.
func TestDeletedWhileAway(t *testing.T) {
	t.Parallel()
	d := startDalogd(t, "")
	dir := t.TempDir()
	w := &matrixWriter{t: t, what: "pinned", path: filepath.Join(dir, "app.log")}
	args := []string{"--pin", "--file", w.path + "=pinned"}
	w.write(100)
	fwd := startDalogfwd(t, d.tcp, filepath.Join(dir, "state"), args...)
	waitLines(t, d.path("pinned.log"), w.n)
	for range 3 {
		fwd.kill()
		w.write(100)
		w.reopen()
		require.NoError(t, os.Remove(w.path))
		w.write(100)
		fwd = startDalogfwd(t, d.tcp, filepath.Join(dir, "state"), args...)
		waitLines(t, d.path("pinned.log"), w.n)
	}
	requireNumbered(t, d.path("pinned.log"), "pinned", w.n)
	fwd.stop()
	require.NotContains(t, string(fwd.output.bytes()), "lost_bytes")
}
