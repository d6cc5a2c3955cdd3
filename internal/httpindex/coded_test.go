package httpindex

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/logstore"
)

// plainOf undoes a content coding.
func plainOf(t testing.TB, coding, body string) string {
	t.Helper()
	var in io.Reader = strings.NewReader(body)
	var err error
	switch coding {
	case "gzip":
		in, err = gzip.NewReader(in)
	case "zstd":
		in, err = zstd.NewReader(in)
	}
	require.NoError(t, err)
	plain, err := io.ReadAll(in)
	require.NoError(t, err)
	return string(plain)
}

// Answers are compressed for those who ask, and what they say is the same.
func TestCoding(t *testing.T) {
	t.Parallel()
	var many fakeLogs
	for i := range 200 {
		many.files = append(many.files, logstore.FileInfo{Name: fmt.Sprintf("program%03d.log", i), Size: 7})
	}
	base := serve(t, Config{Logs: many})
	for _, path := range []string{"/", "/?format=json", "/?format=html", assetsPath + assetsVersion + "/css/base.css"} {
		_, want := get(t, base+path)
		require.Greater(t, len(want), minCoded)
		for _, c := range []struct{ accept, coding string }{
			{"gzip, deflate", "gzip"},
			{"gzip, deflate, br, zstd", "zstd"},
			{"zstd;q=0.5, gzip", "gzip"},
			{"ZSTD", "zstd"},
			{"gzip;q=0", ""},
			{"identity", ""},
			{"br", ""},
			{"", ""},
		} {
			resp, body := get(t, base+path, "Accept-Encoding", c.accept)
			require.Equal(t, 200, resp.StatusCode)
			require.Equal(t, c.coding, resp.Header.Get("Content-Encoding"), c.accept)
			require.Contains(t, strings.Join(resp.Header.Values("Vary"), ","), "Accept-Encoding")
			plain := plainOf(t, c.coding, body)
			if path != "/?format=html" { // which shows ages
				require.Equal(t, want, plain)
			}
			if c.coding != "" {
				require.Less(t, len(body), len(plain))
			}
		}
		resp, _ := get(t, base+path, "Accept-Encoding", "gzip", "Range", "bytes=0-9")
		require.Empty(t, resp.Header.Get("Content-Encoding"))
		resp, _ = do(t, "HEAD", base+path, "Accept-Encoding", "gzip")
		require.Empty(t, resp.Header.Get("Content-Encoding"))
	}
}

// A log file as it is is never compressed: it has the length and the ranges
// that it says, and goes by sendfile.
func TestFilesAreNotCoded(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("a line like all others\n", 1000)
	base, _ := serveFiles(t, map[string]string{"web.log": content})
	for _, path := range []string{"/web.log", "/web.log?download=1", "/web.log?n=500"} {
		for _, accept := range []string{"gzip", "zstd", "gzip, deflate, br, zstd", "*"} {
			resp, body := get(t, base+path, "Accept-Encoding", accept)
			require.Empty(t, resp.Header.Get("Content-Encoding"))
			require.Equal(t, fmt.Sprint(len(body)), resp.Header.Get("Content-Length"))
			require.True(t, strings.HasSuffix(content, body))
			resp, body = get(t, base+path, "Accept-Encoding", accept, "Range", "bytes=2-5")
			require.Equal(t, 206, resp.StatusCode)
			require.Equal(t, "line", body)
		}
	}
}

// Small answers stay as they are, and so do errors.
func TestSmallAnswersAreNotCoded(t *testing.T) {
	t.Parallel()
	base, _ := serveFiles(t, map[string]string{"web.log": "x\n"})
	for _, path := range []string{"/", "/nothing.log", "/?x=" + strings.Repeat("y", 3000)} {
		resp, _ := get(t, base+path, "Accept-Encoding", "gzip")
		require.Empty(t, resp.Header.Get("Content-Encoding"), path)
	}
}

// What is flushed arrives, though it is compressed.
func TestCodedStream(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	h := coded(func(w http.ResponseWriter, r *http.Request) int {
		w.Header().Set("Content-Type", textType)
		io.WriteString(w, "first\n")
		require.NoError(t, http.NewResponseController(w).Flush())
		<-more
		io.WriteString(w, "second\n")
		return 200
	})
	addr := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r) }))
	for _, coding := range []string{"gzip", "zstd"} {
		req, err := http.NewRequest("GET", "http://"+addr, nil)
		require.NoError(t, err)
		req.Header.Set("Accept-Encoding", coding)
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, coding, resp.Header.Get("Content-Encoding"))
		var got bytes.Buffer
		buf := make([]byte, 1000)
		n, err := resp.Body.Read(buf) // hangs unless it was flushed
		require.NoError(t, err)
		got.Write(buf[:n])
		more <- struct{}{}
		_, err = io.Copy(&got, resp.Body)
		require.NoError(t, err)
		require.Equal(t, "first\nsecond\n", plainOf(t, coding, got.String()))
	}
}
