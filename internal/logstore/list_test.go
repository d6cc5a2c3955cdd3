package logstore

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A list that is given again has the names of this moment, and no old sizes.
func TestListIsFresh(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(Config{Dir: dir})
	require.NoError(t, err)
	defer s.Close()
	size := func(name string) int64 {
		list, err := s.List()
		require.NoError(t, err)
		for _, f := range list {
			if f.Name == name {
				return f.Size
			}
		}
		return -1
	}
	path := filepath.Join(dir, "web.log")
	for i := range 100 {
		if i%10 == 0 {
			time.Sleep(2 * listFresh) // so that the list is given again
		}
		for range 3 {
			require.EqualValues(t, -1, size("web.log"))
		}
		require.NoError(t, os.WriteFile(path, []byte("x\n"), 0o600))
		require.EqualValues(t, 2, size("web.log"), "a new file is seen at once")
		require.NoError(t, os.Rename(path, path+".x"))
		require.EqualValues(t, -1, size("web.log"))
		require.EqualValues(t, 2, size("web.log.x"))
		require.NoError(t, os.Remove(path+".x"))
	}
	require.NoError(t, os.WriteFile(path, []byte("x\n"), 0o600))
	time.Sleep(2 * listFresh)
	for want := int64(2); want < 20; want += 2 {
		require.Eventually(t, func() bool { return size("web.log") == want }, 10*time.Second, time.Millisecond)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		require.NoError(t, err)
		_, err = f.WriteString("y\n")
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}
