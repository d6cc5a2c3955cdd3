package httpindex

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/logstore"
)

// FuzzQuery gives files, /search, /histogram, /errors and followers any query. Whatever it is,
// the answer is one, and not a fault of the server.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{
		"grep=failed&since=-2h&context=3", "n=5&grep=(", "from=0&to=9&direction=backward&limit=1", "level=error&host=web1,web2&format=json",
		"since=yesterday+17:00&until=2026-11-23T08:00:00Z&zone=America/New_York", "follow=1&limit=1&n=1&format=events", "count=1&exclude=a&invert=1&events=1",
		"file=a.log&file=b.log&cursor=a.log%3D3&buckets=7", "cut=1024&format=json&match=literal&case=ignore&grep=%C3%9C", "since=-1e9w&until=-0.0000001d", "grep=%ff%00", "zone=Local", "%zz", "n=1;n=2",
	} {
		f.Add(query)
	}
	dir := f.TempDir()
	text := line(1, "web1", "celery", "failed") + "no header\n" + line(3, "web2", "celery", "Traceback (most recent call last):") + line(3, "web2", "celery", "  File x")
	require.NoError(f, os.WriteFile(filepath.Join(dir, "worker.log"), []byte(text), 0o600))
	store, err := logstore.Open(logstore.Config{Dir: dir, Logger: discard})
	require.NoError(f, err)
	f.Cleanup(func() { store.Close() })
	h := New(Config{Logs: store, Limits: Limits{Time: time.Second}})
	f.Fuzz(func(t *testing.T, query string) {
		h.Stop() // followers end at once
		for _, path := range []string{"/worker.log", "/search", "/histogram", "/errors"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.URL = &url.URL{Path: path, RawQuery: query}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			require.Less(t, rec.Code, 500, "%s?%s: %s", path, query, rec.Body)
		}
	})
}
