package httpindex

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFileLastLines(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for i := range 500 {
		fmt.Fprintf(&all, "line %d\n", i)
	}
	base, _ := serveFiles(t, map[string]string{
		"web.log": all.String(), "empty.log": "", "one.log": "only\n", "half.log": "a\nb\nhal", "long.log": "x\n" + strings.Repeat("y", 200_000) + "\nz\n",
		"old.log.gz": "\x1f\x8b",
	})
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/web.log?n=1", 200, "line 499\n"},
		{"/web.log?n=3", 200, "line 497\nline 498\nline 499\n"},
		{"/web.log?n=500", 200, all.String()},
		{"/web.log?n=501", 200, all.String()},
		{"/web.log?n=1000000", 200, all.String()},
		{"/web.log?n=1&download=1", 200, "line 499\n"},
		{"/empty.log?n=30", 200, ""},
		{"/one.log?n=30", 200, "only\n"},
		{"/half.log?n=1", 200, "b\n"},
		{"/long.log?n=2", 200, strings.Repeat("y", 200_000) + "\nz\n"},
		{"/web.log?n=0", 400, `n="0": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=-5", 400, `n="-5": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=1000001", 400, `n="1000001": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=99999999999999999999", 400, `n="99999999999999999999": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=", 400, `n="": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=3x", 400, `n="3x": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=1e3", 400, `n="1e3": give a number of lines from 1 to 1000000` + "\n"},
		{"/web.log?n=3&n=4", 400, "parameter n is given 2 times\n"},
		{"/web.log?grpe=x", 400, `unknown parameter "grpe"; known here: ` + strings.Join(fileNames, ", ") + "\n"},
		{"/web.log?N=3", 400, `unknown parameter "N"; known here: ` + strings.Join(fileNames, ", ") + "\n"},
		{"/web.log?download=maybe", 400, `download="maybe": give 1 or 0` + "\n"},
		{"/web.log?", 200, all.String()},
		{"/old.log.gz?n=3", 400, `"old.log.gz": it is not text and has no lines: get it whole` + "\n"},
		{"/nope.log?n=3", 404, `no such file: "/nope.log" - GET / lists the files` + "\n"},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, base+c.path)
			require.Equal(t, c.status, resp.StatusCode)
			require.Equal(t, c.want, body)
			require.EqualValues(t, len(c.want), resp.ContentLength)
			head, none := do(t, http.MethodHead, base+c.path)
			require.Empty(t, none)
			require.Equal(t, c.status, head.StatusCode)
			require.Equal(t, resp.Header.Get("Content-Length"), head.Header.Get("Content-Length"))
		})
	}

	whole, _ := get(t, base+"/web.log")
	three, _ := get(t, base+"/web.log?n=3")
	two, _ := get(t, base+"/web.log?n=2")
	tags := map[string]bool{whole.Header.Get("ETag"): true, three.Header.Get("ETag"): true, two.Header.Get("ETag"): true}
	require.Len(t, tags, 3, "different answers share an ETag: %v", tags)

	resp, body := get(t, base+"/web.log?n=3", "If-None-Match", three.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, resp.StatusCode)
	require.Empty(t, body)
	resp, body = get(t, base+"/web.log?n=3", "Range", "bytes=5-7")
	require.Equal(t, http.StatusPartialContent, resp.StatusCode)
	require.Equal(t, "497", body)
	require.Equal(t, "bytes 5-7/27", resp.Header.Get("Content-Range"))
}
