package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
)

// What import prints is a configuration that dalogfwd takes.
func TestImport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf := filepath.Join(dir, "syslog-ng.conf")
	text := `source s { file("/a.log" program-override("a") default-priority(debug)); file("/b c.log" program-override("b") default-priority(crit)); };
destination d { syslog("10.0.0.5" transport("tcp")); };
log { source(s); destination(d); };
`
	require.NoError(t, os.WriteFile(conf, []byte(text), 0o600))
	var stdout, stderr bytes.Buffer
	require.Equal(t, cli.ExitOK, run(t.Context(), []string{"import", conf}, nil, &stdout, &stderr), stderr.String())
	path := filepath.Join(dir, "dalogfwd.yaml")
	require.NoError(t, os.WriteFile(path, stdout.Bytes(), 0o600))
	f, _, err := parseFlags([]string{"--config", path}, nil, io.Discard, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "10.0.0.5", f.Server)
	require.Len(t, f.File, 2)
	require.Equal(t, "/b c.log", f.File[1].Pattern)
	require.EqualValues(t, 2, f.File[1].Severity)

	require.NoError(t, os.WriteFile(conf, []byte(text+"filter f { level(err); };\n"), 0o600))
	stdout.Reset()
	require.Equal(t, 1, run(t.Context(), []string{"import", conf}, nil, &stdout, &stderr))
	require.True(t, strings.HasSuffix(stdout.String(), "# Not taken over:\n# line 4: filter f\n"), stdout.String())
	require.Contains(t, stderr.String(), "1 things were not taken over")
	require.Equal(t, cli.ExitUsage, run(t.Context(), []string{"import", "/no/such/file"}, nil, &stdout, &stderr))
}
