package httpindex

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A closed part is served as the text that it was, before and after it is
// compressed.
func TestClosedParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var text strings.Builder
	for i := 0; text.Len() < 700_000; i++ {
		fmt.Fprintf(&text, "line %d %s\n", i, strings.Repeat("é", i%50))
	}
	want := text.String()
	part := filepath.Join(dir, "worker.log.d", "00000000000000005000.log")
	require.NoError(t, os.Mkdir(filepath.Dir(part), 0o755))
	require.NoError(t, os.WriteFile(part, []byte(want), 0o600))
	store, _ := openStore(t, dir)
	base := serve(t, Config{Logs: store})

	require.Eventually(t, func() bool {
		_, err := os.Stat(part)
		return errors.Is(err, fs.ErrNotExist)
	}, eventually, tick, "the part is compressed")
	_, err := os.Stat(part + ".zst")
	require.NoError(t, err)

	url := base + "/worker.log.1"
	resp, body := get(t, url)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, textType, resp.Header.Get("Content-Type"))
	require.EqualValues(t, len(want), resp.ContentLength)
	require.Equal(t, "bytes", resp.Header.Get("Accept-Ranges"))
	require.Empty(t, resp.Header.Get("Content-Encoding"))
	require.True(t, want == body)
	etag := resp.Header.Get("ETag")
	require.Regexp(t, `^"[^"]+"$`, etag)

	head, none := do(t, http.MethodHead, url)
	require.Empty(t, none)
	require.EqualValues(t, len(want), head.ContentLength)
	require.Equal(t, etag, head.Header.Get("ETag"))

	fresh, _ := get(t, url, "If-None-Match", etag)
	require.Equal(t, http.StatusNotModified, fresh.StatusCode)

	for _, c := range []struct {
		spec       string
		start, end int
	}{
		{"bytes=0-0", 0, 1},
		{"bytes=262140-262150", 262140, 262151},
		{"bytes=100-600000", 100, 600001},
		{"bytes=-10", len(want) - 10, len(want)},
		{"bytes=699000-", 699000, len(want)},
	} {
		resp, body := get(t, url, "Range", c.spec, "If-Range", etag)
		require.Equal(t, http.StatusPartialContent, resp.StatusCode, c.spec)
		require.Equal(t, fmt.Sprintf("bytes %d-%d/%d", c.start, c.end-1, len(want)), resp.Header.Get("Content-Range"))
		require.True(t, want[c.start:c.end] == body, c.spec)
	}
	resp, _ = get(t, url, "Range", fmt.Sprintf("bytes=%d-", len(want)))
	require.Equal(t, http.StatusRequestedRangeNotSatisfiable, resp.StatusCode)

	lines := strings.SplitAfter(want, "\n")
	last := strings.Join(lines[len(lines)-1-30:], "")
	resp, body = get(t, url+"?n=30")
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, last, body)
	resp, body = get(t, url+"?n=30", "Range", "bytes=5-9")
	require.Equal(t, http.StatusPartialContent, resp.StatusCode)
	require.Equal(t, last[5:10], body)

	_, list := get(t, base+"/")
	require.Contains(t, list, "\nworker.log\nworker.log.1\n")
	require.NotContains(t, list, ".zst")
	_, json := get(t, base+"/?format=json")
	require.Contains(t, json, fmt.Sprintf(`"name":"worker.log.1","size":%d,"start":5000,`, len(want)))

	for _, path := range []string{"/worker.log.2", "/worker.log.0", "/worker.log.01", "/worker.log.d", "/worker.log.d/00000000000000005000.log.zst"} {
		resp, _ := get(t, base+path)
		require.Equal(t, http.StatusNotFound, resp.StatusCode, path)
	}
}

// What cannot be read to the end is not passed off as the whole.
func TestDamagedPart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	part := filepath.Join(dir, "worker.log.d", "00000000000000000000.log")
	require.NoError(t, os.Mkdir(filepath.Dir(part), 0o755))
	require.NoError(t, os.WriteFile(part, []byte(strings.Repeat("a line\n", 200_000)), 0o600))
	store, _ := openStore(t, dir)
	h := New(Config{Logs: store})
	base := "http://" + startServer(t, h)
	require.Eventually(t, func() bool {
		_, err := os.Stat(part)
		return errors.Is(err, fs.ErrNotExist)
	}, eventually, tick)

	b, err := os.ReadFile(part + ".zst")
	require.NoError(t, err)
	b[len(b)/2] ^= 0x40
	require.NoError(t, os.WriteFile(part+".zst", b, 0o600))
	resp, err := http.Get(base + "/worker.log.1")
	if err == nil {
		_, err = readAll(resp)
	}
	require.Error(t, err)
	require.Eventually(t, func() bool { return counter(t, h, "dalogd_http_incomplete_total") == 1 }, eventually, tick)
}

func readAll(resp *http.Response) (int64, error) {
	defer resp.Body.Close()
	return io.Copy(io.Discard, resp.Body)
}
