package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
)

// With few descriptors more peers than there is room for take nothing from the
// log files, nor one peer everything from another.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	cmd := command()
	cmd.Args = []string{"/bin/sh", "-c", `ulimit -n 64; exec "$0" "$@"`, cmd.Path}
	cmd.Path = "/bin/sh"
	d := startIn(t, cmd)
	require.Contains(t, d.err.String(), "the limit of open files allows fewer connections")
	h := &hostile{t: t, d: d, ctx: t.Context()}
	for range 100 {
		h.dialFrom(9) // one peer, idle
	}
	c := dial(t, "tcp", d.addr["tcp"])
	var sent strings.Builder
	for i := range 40 {
		fmt.Fprintf(&sent, "<13>program%02d: hello\n", i)
	}
	_, err := c.Write([]byte(sent.String()))
	require.NoError(t, err)
	eventually(t, func() bool { return len(d.lines("program39.log")) == 1 }, "the last program has its file")
	for i := range 40 {
		require.Len(t, d.lines(fmt.Sprintf("program%02d.log", i)), 1)
	}
	d.signal(15)
	d.wantExit(cli.ExitOK)
}
