package httpindex

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var plainRow = regexp.MustCompile(`<li class="l-(\w+)">(.*)</li>`)

func TestPlain(t *testing.T) {
	t.Parallel()
	var web strings.Builder
	for i := range 500 {
		level := "INFO"
		if i%100 == 0 {
			level = "ERROR"
		}
		fmt.Fprintf(&web, "2026-11-23T08:%02d:%02d-05:00 web%d web: %s number %d\n", i/60, i%60, i%2+1, level, i)
	}
	hostile := "2026-11-23T09:00:00-05:00 web1 evil: <script>alert(1)</script>\u202egnp.exe\u202c\n"
	base, _ := serveFiles(t, map[string]string{"web.log": web.String(), "evil.log": hostile, "empty.log": ""})
	rows := func(query string) []string {
		resp, body := get(t, base+"/-/plain?"+query)
		require.Equal(t, 200, resp.StatusCode, body)
		require.Equal(t, pagePolicy, resp.Header.Get("Content-Security-Policy"))
		var found []string
		for _, m := range plainRow.FindAllStringSubmatch(body, -1) {
			found = append(found, html.UnescapeString(m[2]))
		}
		return found
	}
	last := rows("file=web.log")
	require.Len(t, last, plainLines)
	require.Contains(t, last[plainLines-1], "number 499")
	require.Len(t, rows("file=web.log&level=error"), 5)
	require.Len(t, rows("file=web.log&q=NUMBER+49"), 11) // 49, 490 to 499
	require.Len(t, rows("file=web.log&q=number+4..%24&regex=1&n=50"), 50)
	require.Len(t, rows("file=web.log&host=web2&n=1000"), 250)
	require.Len(t, rows("file=web.log&since=2026-11-23T08:08:00-05:00"), 20)
	require.Empty(t, rows("file=web.log&q=nothing+like+it"))
	require.Empty(t, rows("file=empty.log"))

	// All files, by time; what is hostile is text.
	all := rows("")
	require.Contains(t, all[len(all)-1], "<b>evil.log</b>")
	_, body := get(t, base+"/-/plain?file=evil.log")
	require.Contains(t, body, "&lt;script&gt;alert(1)&lt;/script&gt;&lt;U&#43;202E&gt;gnp.exe&lt;U&#43;202C&gt;")
	require.NotContains(t, body, "<script")

	// Older lines, page by page, are all lines.
	older := regexp.MustCompile(`<a href="([^"]*)" rel="prev">Older</a>`)
	var everything []string
	for page := base + "/-/plain?file=web.log&n=50"; page != ""; {
		_, body := get(t, page)
		var lines []string
		for _, m := range plainRow.FindAllStringSubmatch(body, -1) {
			lines = append(lines, html.UnescapeString(m[2]))
		}
		everything = append(lines, everything...)
		m := older.FindStringSubmatch(body)
		page = ""
		if m != nil {
			ref, err := url.Parse(html.UnescapeString(m[1]))
			require.NoError(t, err)
			at, err := url.Parse(base + "/-/plain")
			require.NoError(t, err)
			page = at.ResolveReference(ref).String()
		}
	}
	require.Equal(t, strings.Split(strings.TrimSuffix(web.String(), "\n"), "\n"), everything)

	for query, status := range map[string]int{"file=nope.log": 404, "file=web.log&q=(&regex=1": 400, "file=web.log&level=loud": 400, "nonsense=1": 400, "since=never": 400} {
		resp, body := get(t, base+"/-/plain?"+query)
		require.Equal(t, status, resp.StatusCode, query)
		require.Contains(t, body, `role="alert"`)
	}
}

// The page with scripts leads to the one without.
func TestViewWithoutScripts(t *testing.T) {
	t.Parallel()
	base, _ := serveFiles(t, map[string]string{"web.log": "x\n"})
	_, body := get(t, base+"/-/view?file=web.log&q=a+b&level=error&mark=1")
	require.Contains(t, body, `<noscript><meta http-equiv="refresh" content="0; url=./../-/plain?file=web.log&amp;level=error&amp;q=a&#43;b"></noscript>`)
}
