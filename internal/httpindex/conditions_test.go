package httpindex

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFileRanges(t *testing.T) {
	t.Parallel()
	const text = "0123456789\nabcdefghij\n"
	base, _ := serveFiles(t, map[string]string{"web.log": text, "empty.log": ""})
	url := base + "/web.log"
	for _, c := range []struct {
		ranges string
		status int
		want   string
	}{
		{"bytes=0-1", 206, "01"},
		{"bytes=11-", 206, "abcdefghij\n"},
		{"bytes=-3", 206, "ij\n"},
		{"bytes=-100", 206, text},
		{"bytes=0-", 206, text},
		{"bytes=21-21", 206, "\n"},
		{"bytes=20-99999999999", 206, "j\n"},
		{"bytes=22-", 416, "invalid range: failed to overlap\n"},
		{"bytes=5-4", 416, "invalid range\n"},
		{"bytes=a-b", 416, "invalid range\n"},
		{"bytes=-9223372036854775807", 206, text},
		{"bytes=-9223372036854775808", 416, "invalid range\n"},
		{"bytes=9223372036854775807-", 416, "invalid range: failed to overlap\n"},
		{"bytes=99999999999999999999-", 416, "invalid range\n"},
		{"bytes=-0", 416, "invalid range: failed to overlap\n"},
		{"bytes=-000", 416, "invalid range: failed to overlap\n"},
		{"bytes=-0,0-1", 206, "01"},
		{"Bytes=0-1", 206, "01"},
		{"lines=0-1", 200, text},
		{"nonsense", 200, text},
		{"bytes=0-20,0-20,0-20", 200, text},
	} {
		t.Run(c.ranges, func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, url, "Range", c.ranges)
			require.Equal(t, c.status, resp.StatusCode)
			require.Equal(t, c.want, body)
			require.EqualValues(t, len(body), resp.ContentLength)
			if c.status == 206 {
				require.Regexp(t, `^bytes \d+-\d+/22$`, resp.Header.Get("Content-Range"))
			}
		})
	}

	t.Run("several", func(t *testing.T) {
		t.Parallel()
		resp, body := get(t, url, "Range", "bytes=0-1,11-12,-2")
		require.Equal(t, http.StatusPartialContent, resp.StatusCode)
		media, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, "multipart/byteranges", media)
		parts := multipart.NewReader(strings.NewReader(body), params["boundary"])
		for _, want := range []string{"01", "ab", "j\n"} {
			part, err := parts.NextPart()
			require.NoError(t, err)
			require.Equal(t, textType, part.Header.Get("Content-Type"))
			got, err := io.ReadAll(part)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}
		_, err = parts.NextPart()
		require.ErrorIs(t, err, io.EOF)
	})

	resp, _ := get(t, base+"/empty.log", "Range", "bytes=0-1")
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestFileConditions(t *testing.T) {
	t.Parallel()
	base, dir := serveFiles(t, map[string]string{"web.log": "one\n", "fresh.log": "one\n"})
	url := base + "/web.log"
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "web.log"), old, old))
	date := func(at time.Time) string { return at.UTC().Format(http.TimeFormat) }

	resp, _ := get(t, url)
	etag := resp.Header.Get("ETag")
	require.Equal(t, date(old), resp.Header.Get("Last-Modified"))
	for _, c := range []struct {
		name   string
		header []string
		status int
	}{
		{"same ETag", []string{"If-None-Match", etag}, 304},
		{"weak form of it", []string{"If-None-Match", "W/" + etag}, 304},
		{"any", []string{"If-None-Match", "*"}, 304},
		{"other ETag", []string{"If-None-Match", `"x"`}, 200},
		{"not changed since", []string{"If-Modified-Since", date(old)}, 304},
		{"changed since", []string{"If-Modified-Since", date(old.Add(-time.Second))}, 200},
		{"a date that is none", []string{"If-Modified-Since", "yesterday"}, 200},
		{"ETag goes before the date", []string{"If-None-Match", `"x"`, "If-Modified-Since", date(old)}, 200},
		{"If-Match", []string{"If-Match", etag}, 200},
		{"If-Match another", []string{"If-Match", `"x"`}, 412},
		{"If-Unmodified-Since", []string{"If-Unmodified-Since", date(old.Add(-time.Minute))}, 412},
		{"range if the same", []string{"Range", "bytes=0-1", "If-Range", etag}, 206},
		{"range if another", []string{"Range", "bytes=0-1", "If-Range", `"x"`}, 200},
		{"range if of that date", []string{"Range", "bytes=0-1", "If-Range", date(old)}, 206},
		{"range if of another date", []string{"Range", "bytes=0-1", "If-Range", date(old.Add(time.Second))}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, _ := get(t, url, c.header...)
			require.Equal(t, c.status, resp.StatusCode)
		})
	}

	require.NoError(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("one\ntwo\n"), 0o600))
	require.Eventually(t, func() bool {
		resp, body := get(t, url, "If-None-Match", etag)
		return resp.StatusCode == 200 && body == "one\ntwo\n"
	}, eventually, tick)
}

func TestStampModified(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 8, 27, 10, 0, time.UTC)
	half := at.Add(500 * time.Millisecond)
	for _, c := range []struct {
		name          string
		modified, now time.Time
		compare       time.Time
		shown         string
	}{
		{"whole second", at, at.Add(time.Minute), at, ""},
		{"rounded up", half, at.Add(time.Minute), at.Add(time.Second), ""},
		{"rounded up to now", half, at.Add(time.Second), at.Add(time.Second), ""},
		{"within this second", half, half.Add(time.Millisecond), time.Time{}, "Mon, 23 Nov 2026 08:27:10 GMT"},
		{"from the future", at.Add(time.Hour), at, time.Time{}, "Mon, 23 Nov 2026 08:27:10 GMT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			got := stampModified(header, c.modified, c.now)
			require.Equal(t, c.compare, got)
			require.Equal(t, c.shown, header.Get("Last-Modified"))
		})
	}
}
