package main

import (
	"bufio"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
)

// dalogd does not end with whoever reads what it says.
func TestNobodyReadsStderr(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	cmd := command("--log-dir", t.TempDir()+"/log", "--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0")
	cmd.Stderr = writer
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	require.NoError(t, writer.Close())
	for lines := bufio.NewScanner(reader); !strings.Contains(lines.Text(), "msg=ready"); {
		require.True(t, lines.Scan(), "dalogd is ready")
	}
	require.NoError(t, reader.Close())
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM)) // which it tells
	require.NoError(t, cmd.Wait())
}

// A supervisor that signals the process and its group means one stop.
func TestSignalSentTwice(t *testing.T) {
	t.Parallel()
	d := startDaemon(t)
	d.signal(syscall.SIGTERM)
	d.signal(syscall.SIGINT)
	d.wantExit(cli.ExitOK)
}
