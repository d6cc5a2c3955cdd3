package e2e

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fileLines are the lines of a file, without their ends. A file that is not
// there has none; one that does not end with a line end has lost a piece.
func fileLines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	if len(b) == 0 {
		return nil
	}
	require.True(t, bytes.HasSuffix(b, []byte("\n")), "%s does not end with a line end", path)
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// waitLines waits until the file has n lines, and returns them.
func waitLines(t *testing.T, path string, n int) []string {
	t.Helper()
	have := 0
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if have = countLines(t, path); have >= n {
			return fileLines(t, path)
		}
	}
	t.Fatalf("%s has %d lines after %v, not %d", path, have, patience, n)
	return nil
}

func countLines(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(t, err)
	return bytes.Count(b, []byte("\n"))
}

// requireStored waits for the lines in a file of dalogd's and compares them
// with what was sent. A stored line is a time, then what want has; the time has
// to lie between since and the present.
func requireStored(t *testing.T, path string, since time.Time, want []string) {
	t.Helper()
	got := waitLines(t, path, len(want))
	rest := make([]string, len(got))
	for i, line := range got {
		stamp, after, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		require.NoError(t, err, "line %d of %s: %q", i+1, path, line)
		// Senders cut the time to whole seconds, and may round it.
		require.WithinRange(t, at, since.Add(-time.Second), time.Now().Add(time.Second), "line %d of %s: %q", i+1, path, line)
		rest[i] = after
	}
	require.Equal(t, want, rest, "%s", path)
}

// numbered are lines that can be told apart and counted: what, then a number
// from first on.
func numbered(what string, first, n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("%s seq=%07d", what, first+i)
	}
	return lines
}

// requireNumbered wants each number from 0 to n-1 exactly once and in order in
// the lines of the file that hold the text what.
func requireNumbered(t *testing.T, path, what string, n int) {
	t.Helper()
	next := 0
	for i, line := range fileLines(t, path) {
		_, number, found := strings.Cut(line, what+" seq=")
		if !found {
			continue
		}
		require.Equal(t, fmt.Sprintf("%07d", next), number, "line %d of %s: %s", i+1, path, line)
		next++
	}
	require.Equal(t, n, next, "lines of %s in %s", what, path)
}

func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// requireAll wants each number from 0 to n-1 at least once in the file.
func requireAll(t *testing.T, path, what string, n int) {
	t.Helper()
	seen := make([]bool, n)
	for i, line := range fileLines(t, path) {
		_, number, found := strings.Cut(line, what+" seq=")
		require.True(t, found, "line %d of %s: %s", i+1, path, line)
		at, err := strconv.Atoi(number)
		require.NoError(t, err, "line %d of %s: %s", i+1, path, line)
		require.Less(t, at, n)
		seen[at] = true
	}
	require.NotContains(t, seen, false, "lines missing in %s", path)
}

// lastLineHas reports whether the last whole line of b ends with text.
func lastLineHas(b []byte, text string) bool {
	return bytes.HasSuffix(b, []byte(text+"\n"))
}
