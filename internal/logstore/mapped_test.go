package logstore

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// bigText is a text whose blocks are mapped, and the path of its file.
func bigText(t *testing.T, content []byte) (*Text, string) {
	dir := t.TempDir()
	path := filepath.Join(dir, "worker.log")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	s, err := Open(Config{Dir: dir, segmentSize: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	text, err := s.OpenText("worker.log")
	require.NoError(t, err)
	t.Cleanup(func() { text.Close() })
	return text, path
}

func offsets(t *testing.T, text *Text, q Query) (all []int64, err error) {
	_, err = text.Scan(context.Background(), q, func(f *Found) error {
		require.Equal(t, "hit", string(f.Raw))
		all = append(all, f.Offset)
		return nil
	})
	return all, err
}

// Hits are found at each place around the borders of blocks that are mapped,
// beside lines that are longer than what is mapped behind a block.
func TestMappedBlocks(t *testing.T) {
	t.Parallel()
	for _, filler := range []int{1, 7, 100, mapRoom - 1, mapRoom + 1000, 3 * mapBlock} {
		line := append(bytes.Repeat([]byte{'x'}, filler-1), '\n')
		for _, shift := range []int{0, 1, 4, 63} {
			content := append(bytes.Repeat([]byte{'y'}, shift), '\n')
			var want []int64
			for len(content) < 3*mapBlock {
				content = append(content, line...)
				for border := mapBlock; border < 3*mapBlock; border += mapBlock {
					if d := len(content) - border; d > -5-filler && d < 5+filler && len(want) < 1000 {
						want = append(want, int64(len(content)))
						content = append(content, "hit\n"...)
					}
				}
			}
			want = append(want, int64(len(content)))
			content = append(content, "hit\n"...)
			text, _ := bigText(t, content)
			for _, q := range []Query{{}, {Backward: true, Limit: 1 << 20}} {
				q.Grep = grep(t, "hit")
				got, err := offsets(t, text, q)
				require.NoError(t, err)
				require.Equal(t, want, got, "%d %d", filler, shift)
			}
		}
	}
}

// What is cut off by somebody else while it is mapped is an error, as when it
// is read.
func TestMappedFileIsCut(t *testing.T) {
	t.Parallel()
	var content []byte
	for i := range 200_000 {
		content = fmt.Appendf(content, "line %d of a log file\n", i)
	}
	content = append(content, "hit\n"...)
	text, path := bigText(t, content)
	got, err := offsets(t, text, Query{Grep: grep(t, "hit")})
	require.NoError(t, err)
	require.Len(t, got, 1)

	require.NoError(t, os.Truncate(path, mapBlock+5000))
	for range 5 {
		_, err = offsets(t, text, Query{Grep: grep(t, "hit")})
		require.ErrorContains(t, err, "unexpected EOF")
	}
}
