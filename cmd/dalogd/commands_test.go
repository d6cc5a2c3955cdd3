package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
)

// call runs dalogd with a command that ends by itself.
func call(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, nil, &out, &err)
	return code, out.String(), err.String()
}

func TestReopenWaits(t *testing.T) {
	t.Parallel()
	d := startDaemon(t)
	c := dial(t, "tcp", d.addr["tcp"])
	_, err := c.Write([]byte("<13>p: one\n"))
	require.NoError(t, err)
	path := filepath.Join(d.dir, "p.log")
	eventually(t, func() bool { info, err := os.Stat(path); return err == nil && info.Size() > 0 }, "the line is there")
	require.NoError(t, os.Rename(path, path+".1"))
	eventually(t, func() bool {
		code, _, _ := call("reopen", "--wait", "--log-dir", d.dir)
		return code == cli.ExitOK
	}, "reopened")
	_, err = c.Write([]byte("<13>p: two\n"))
	require.NoError(t, err)
	eventually(t, func() bool {
		b, err := os.ReadFile(path)
		return err == nil && strings.HasSuffix(string(b), " p: two\n")
	}, "the next line is in the new file")
	old, err := os.ReadFile(path + ".1")
	require.NoError(t, err)
	require.Equal(t, 1, bytes.Count(old, []byte("\n")))
}

func TestReopenWithoutDaemon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, _, stderr := call("reopen", "--state-dir", dir)
	require.Equal(t, cli.ExitInternal, code)
	require.Contains(t, stderr, "no dalogd answers in "+dir)
}

func TestInspect(t *testing.T) {
	t.Parallel()
	d := startDaemon(t)
	c := dial(t, "tcp", d.addr["tcp"])
	_, err := c.Write([]byte("<13>p: one\n"))
	require.NoError(t, err)
	eventually(t, func() bool { return d.metric("dalogd_stored_messages_total") == 1 }, "it is stored")
	code, out, _ := call("inspect", "wal", "--log-dir", d.dir)
	require.Equal(t, cli.ExitOK, code)
	require.Regexp(t, `^00000000000000000001\.wal: \d+ bytes, store [0-9a-f]{32}, records from 1, durable through 0\n`, out)
	require.Regexp(t, `record 1, durable through 0: FILE \d+ is "p\.log"\n`, out)
	require.Regexp(t, `record 2, durable through 0: BATCH file \d+ 0 to \d+;\n`, out)
	code, out, _ = call("inspect", "checkpoint", filepath.Join(d.dir, ".dalogd"))
	require.Equal(t, cli.ExitOK, code)
	require.Regexp(t, `^state\.ckpt: store [0-9a-f]{32}, all records through 0, \d+ files, 0 sources`, out)
	require.Regexp(t, `file \d+ "docassemble\.log": own 0 at byte 0, base 0`, out)

	code, _, stderr := call("inspect", "checkpoint", t.TempDir())
	require.Equal(t, cli.ExitFolder, code)
	require.Contains(t, stderr, "Name the state folder")
	code, _, _ = call("inspect", "nonsense")
	require.Equal(t, cli.ExitUsage, code)
}
