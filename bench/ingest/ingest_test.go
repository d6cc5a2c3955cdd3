package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestPayload(t *testing.T) {
	t.Parallel()
	for _, framing := range []string{"octet", "lf", "bsd"} {
		t.Run(framing, func(t *testing.T) {
			p := newPayload(1000, framing, 10)
			require.Equal(t, p, newPayload(1000, framing, 10), "not the same twice")
			require.InDelta(t, 225, len(p.stream)/1000, 25, "bytes a message")
			for i := range p.ends {
				require.Equal(t, i, number(p.message(i)))
			}
			for _, conns := range []int{1, 3, 100} {
				parts := p.split(conns)
				require.Len(t, parts, conns)
				require.Equal(t, p.stream, bytes.Join(parts, nil))
				for _, part := range parts {
					requireWhole(t, part, framing)
				}
			}
		})
	}
}

// requireWhole wants the part to hold whole messages only.
func requireWhole(t *testing.T, part []byte, framing string) {
	t.Helper()
	require.NotEmpty(t, part)
	if framing != "octet" {
		require.True(t, bytes.HasPrefix(part, []byte("<")) && bytes.HasSuffix(part, []byte("\n")))
		return
	}
	for len(part) > 0 {
		count, rest, _ := bytes.Cut(part, []byte{' '})
		n, err := strconv.Atoi(string(count))
		require.NoError(t, err)
		part = rest[n:]
	}
}

func TestEachNumber(t *testing.T) {
	t.Parallel()
	text := "a seq=000000007 b\nno mark\nseq=00000004\nx seq=000000003\nno end seq=000000009"
	want := []int{7, -1, -1, 3}
	var got []int
	require.NoError(t, eachNumber(iotest.OneByteReader(strings.NewReader(text)), func(n int) { got = append(got, n) }))
	require.Equal(t, want, got)
	require.Error(t, eachNumber(strings.NewReader(strings.Repeat("x", 2<<20)), func(int) {}))
}

func TestAccount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, name := range []string{"a.log", "b.log", "ignored.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, "x seq=%09d\nx seq=000000000\n", i), 0o644))
	}
	lines, doubled, err := account(dir, 5)
	require.NoError(t, err)
	require.Equal(t, 2, lines, "numbers 0 and 1")
	require.Equal(t, 2, doubled, "0 in a.log and in b.log again")
}

func TestCPUTime(t *testing.T) {
	t.Parallel()
	before, err := cpuTime(os.Getpid())
	require.NoError(t, err)
	newPayload(20_000, "octet", 10)
	after, err := cpuTime(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, after, before)
}
