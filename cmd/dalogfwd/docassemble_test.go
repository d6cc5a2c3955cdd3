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

// Where the log server comes from: dalogfwd's own settings, LOGSERVER, then
// docassemble's configuration, in which null and None are no server.
func TestServerFromDocassemble(t *testing.T) {
	t.Parallel()
	const config = `debug: False
allow demo: True
log server: backend.internal
s3:
  enable: True
  access key id: null
mail:
  default sender: '"Admin" <no-reply@example.com>'
`
	for _, tc := range []struct {
		name, config string
		environ      []string
		args         []string
		server, from string // no server: the message
	}{
		{"file", config, nil, nil, "backend.internal", "config.yml:3"},
		{"quoted", "log server: \"10.0.0.5\"\n", nil, nil, "10.0.0.5", "config.yml:1"},
		{"variable first", config, []string{"LOGSERVER=other"}, nil, "other", "$LOGSERVER"},
		{"variable not set", config, []string{"LOGSERVER=None"}, nil, "backend.internal", "config.yml:3"},
		{"own variable first", config, []string{"LOGSERVER=other", "DALOGFWD_SERVER=mine"}, nil, "mine", "$DALOGFWD_SERVER"},
		{"flag first", config, []string{"LOGSERVER=other"}, []string{"--server", "flag"}, "flag", "--server"},
		{"null", "log server: null\n", nil, nil, "", "no log server"},
		{"None", "log server: None\n", nil, nil, "", "no log server"},
		{"empty", "log server:\n", nil, nil, "", "no log server"},
		{"silent", "debug: False\n", nil, nil, "", "no log server"},
		{"not read", config, nil, []string{"--docassemble-config=none"}, "", "no log server"},
		{"broken", "debug: [False\n", nil, nil, "", "config.yml:1: not valid YAML"},
		{"broken, but not needed", "debug: [False\n", []string{"LOGSERVER=other"}, nil, "other", "$LOGSERVER"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "config.yml")
			require.NoError(t, os.WriteFile(path, []byte(tc.config), 0o600))
			environ := append(tc.environ, "DALOGFWD_DOCASSEMBLE_CONFIG="+path, "DALOGFWD_CONFIG=none")
			if strings.Contains(strings.Join(tc.args, " "), "--docassemble-config") {
				environ = append(tc.environ, "DALOGFWD_CONFIG=none")
			}
			f, inv, err := parseFlags(tc.args, environ, io.Discard, io.Discard)
			if tc.server == "" {
				require.ErrorContains(t, err, tc.from)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.server, f.Server)
			require.True(t, strings.HasSuffix(inv.Settings[0].Origin, tc.from), inv.Settings[0].Origin)
		})
	}
}

// A configuration file is read, and its mistakes are told with their line.
func TestConfigurationFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "dalogfwd.yaml")
	write := func(s string) { require.NoError(t, os.WriteFile(path, []byte(s), 0o600)) }
	write("server: [a, b]\n")
	var stderr bytes.Buffer
	require.Equal(t, cli.ExitUsage, run(t.Context(), []string{"--config", path}, nil, io.Discard, &stderr))
	require.Equal(t, "dalogfwd: "+path+":1: server takes one value, not a list\n", stderr.String())
	write("server: a,b:1514\nfile:\n  - /var/log/app/*.log=app:debug\n  - /z.log=z\nprotocol: bsd\n")
	f, _, err := parseFlags([]string{"--config", path}, nil, io.Discard, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "a,b:1514", f.Server)
	require.Len(t, f.File, 2)
	require.Equal(t, "bsd", f.Protocol)
}
