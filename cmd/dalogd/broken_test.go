package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each broken configuration is refused by check, with messages that name the
// line and what to write instead; the golden files hold them. The start refuses
// it too, in one line.
func TestBrokenConfigurations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/broken/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 20)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			path := filepath.Join(dir, "dalogd.yaml")
			content = bytes.ReplaceAll(content, []byte("LOGDIR"), []byte(dir+"/log"))
			require.NoError(t, os.WriteFile(path, content, 0o600))
			args := []string{"--config", path, "--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0"}
			if !bytes.Contains(content, []byte("log_dir")) {
				args = append(args, "--log-dir", dir+"/log")
			}
			var stdout, stderr bytes.Buffer
			require.Equal(t, cli.ExitUsage, run(t.Context(), append([]string{"check"}, args...), nil, &stdout, &stderr))
			require.Empty(t, stdout.String())
			said := strings.ReplaceAll(stderr.String(), dir, "DIR")
			golden := strings.TrimSuffix(file, "yaml") + "txt"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(said), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), said)

			stderr.Reset()
			require.NotEqual(t, cli.ExitOK, run(t.Context(), args, nil, &stdout, &stderr))
			require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
			_, err = os.Stat(dir + "/log")
			require.True(t, os.IsNotExist(err), "nothing was begun")
		})
	}
}
