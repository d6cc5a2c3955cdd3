package e2e

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dalogd forgets a file of which nothing came for long. Its dalogfwd, which was away
// as long, goes on where it stood: no line is lost or stored twice. One that was
// there yesterday takes it that lines are lost, and sends them again.
func TestForgottenFile(t *testing.T) {
	t.Parallel()
	for _, away := range []bool{true, false} {
		dir := t.TempDir()
		at := func(name string) string { return filepath.Join(dir, name) }
		d := startDalogd(t, "")
		appendFile(t, at("app.log"), text(numbered("app", 0, 1000)))
		forward := func() *process {
			return startDalogfwd(t, d.tcp, at("state"), "--file", at("app.log")+"=app")
		}
		fwd := forward()
		waitLines(t, d.path("app.log"), 1000)
		forget := func(args ...string) string {
			args = append([]string{"sources", "forget", "--log-dir", d.dir}, args...)
			out, err := exec.Command(dalogdPath, args...).CombinedOutput()
			require.NoError(t, err, "%s", out)
			return string(out)
		}
		require.Contains(t, forget("--idle", "0s", "--force"), "0 forgotten", "it is being sent")
		fwd.stop()
		require.Contains(t, forget(), "0 forgotten", "it is not idle for long")
		// Times are in whole seconds: wait until the last batch is one old.
		waitFor(t, "the file to be forgotten", func() bool { return forget("--idle", "0s", "--force")[0] == '1' })
		if away {
			ageAgent(t, at("state/agent"), 31*24*time.Hour)
		}
		appendFile(t, at("app.log"), text(numbered("app", 1000, 10)))
		forward()
		if away {
			waitLines(t, d.path("app.log"), 1010)
			requireNumbered(t, d.path("app.log"), "app", 1010)
		} else {
			waitLines(t, d.path("app.log"), 2010)
			requireAll(t, d.path("app.log"), "app", 1010)
		}
		out, err := exec.Command(dalogdPath, "sources", "forget", "--log-dir", d.dir, "--idle", "1h").CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "--force")
	}
}

// ageAgent makes dalogfwd's last session longer ago.
func ageAgent(t *testing.T, path string, by time.Duration) {
	t.Helper()
	const met = 8 + 4 + 16 + 16 // offset in the file: docs/formats/delivery.md
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b = b[:len(b)-4]
	last := int64(binary.LittleEndian.Uint64(b[met:]))
	require.InDelta(t, time.Now().Unix(), last, 600)
	binary.LittleEndian.PutUint64(b[met:], uint64(last-int64(by/time.Second)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// With as many files as may be, a new one waits at its sender while the others go
// on, and is delivered when there is room.
func TestMaxSources(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	config := at("dalogd.yaml")
	writeFile(t, config, "max_sources: 1\n")
	d := startDalogd(t, "", "--config", config)
	appendFile(t, at("first.log"), text(numbered("first", 0, 100)))
	fwd := startDalogfwd(t, d.tcp, at("state"), "--file", at("first.log")+"=first", "--file", at("second.log")+"=second")
	waitLines(t, d.path("first.log"), 100)
	appendFile(t, at("second.log"), text(numbered("second", 0, 100)))
	fwd.waitOutput("the server does not take a file now")
	d.waitOutput("there are as many files of dalogfwd as may be")
	appendFile(t, at("first.log"), text(numbered("first", 100, 100)))
	waitLines(t, d.path("first.log"), 200)
	out, err := exec.Command(dalogdPath, "status", "--log-dir", d.dir).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "new ones wait at their senders (--max-sources")
	require.NoFileExists(t, d.path("second.log"))

	writeFile(t, config, "max_sources: 2\n")
	out, err = exec.Command(dalogdPath, "reopen", "--wait", "--log-dir", d.dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	waitLines(t, d.path("second.log"), 100)
	requireNumbered(t, d.path("second.log"), "second", 100)
	requireNumbered(t, d.path("first.log"), "first", 200)
}
