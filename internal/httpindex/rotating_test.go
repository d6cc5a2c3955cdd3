package httpindex

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/logstore"
)

// What the Logs page asks for is answered while 1,000 lines a second are added
// and the file is closed at each 100 KB: with exact lengths, whole lines, and no
// fault of the server. So are queries.
func TestReadingWhileRotating(t *testing.T) {
	t.Parallel()
	store, _ := runStore(t, logstore.Config{Dir: t.TempDir(), RotateSize: 100_000})
	base := serve(t, Config{Logs: store})
	s := newSender(store, "10.0.0.1", "web1")
	text := strings.Repeat("x", 150)
	require.NoError(t, s.submit("docassemble", numbered(text+" %d", 2000)...))
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for n := 2000; ; n += 20 {
			select {
			case <-stop:
				stopped <- nil
				return
			case <-every.C:
			}
			texts := make([]string, 20)
			for i := range texts {
				texts[i] = text + " " + strconv.Itoa(n+i)
			}
			if err := s.submit("docassemble", texts...); err != nil {
				stopped <- err
				return
			}
		}
	}()
	asked := 0
	for store.Stats().Rotated < 6 {
		for _, path := range []string{
			"/docassemble.log", "/docassemble.log?n=30", "/docassemble.log?n=1500", "/docassemble.log.1", "/docassemble.log?grep=7&n=30", "/docassemble.log?from=0&limit=1500",
			"/search?n=40", "/docassemble.log?count=1",
		} {
			resp, err := http.Get(base + path)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			require.NoError(t, err, path)
			if resp.StatusCode == http.StatusNotFound && path == "/docassemble.log.1" {
				continue // nothing is closed yet
			}
			require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %.200s", path, body)
			if resp.ContentLength >= 0 {
				require.EqualValues(t, resp.ContentLength, len(body), path)
			}
			if len(body) > 0 {
				require.Equal(t, byte('\n'), body[len(body)-1], "%s ends inside a line", path)
			}
			asked++
			if path == "/docassemble.log?count=1" {
				continue
			}
			// The lines are whole, and none is missing between two of them.
			last := -1
			for line := range strings.Lines(string(body)) {
				_, number, ok := strings.Cut(strings.TrimSuffix(line, "\n"), text+" ")
				require.True(t, ok && strings.HasPrefix(line, "20"), "%s: %q", path, line)
				n, err := strconv.Atoi(number)
				require.NoError(t, err)
				if last >= 0 && !strings.Contains(path, "grep") {
					require.Equal(t, last+1, n, path)
				}
				last = n
			}
		}
	}
	close(stop)
	require.NoError(t, <-stopped)
	// Every line is there once.
	_, all := get(t, base+"/docassemble.log?format=text")
	n := 0
	for line := range strings.Lines(all) {
		require.True(t, strings.HasSuffix(line, text+" "+strconv.Itoa(n)+"\n"), "line %d: %q", n, line)
		n++
	}
	t.Logf("%d answers over %d rotations, %d lines", asked, store.Stats().Rotated, n)
}
