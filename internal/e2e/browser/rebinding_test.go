package browser

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// A page of a stranger whose name has come to point at dalogd is of the same
// origin as dalogd's pages, to the browser. Whatever it sends, it reads nothing;
// under a name of the private network the same works.
func TestRebinding(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(time.Hour)
	d := l.serve()
	target, err := url.Parse(d.url)
	require.NoError(t, err)
	onward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, r.In.Host
	}}
	// The stranger's server; but for its page, the name points at dalogd.
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/attack" {
			w.Header().Set("Content-Type", "text/html")
			return
		}
		onward.ServeHTTP(w, r)
	}))
	defer stranger.Close()
	c := newChrome(t, chromedp.Flag("host-resolver-rules", "MAP evil.example 127.0.0.1, MAP logserver 127.0.0.1"))
	for _, host := range []string{"evil.example", "logserver"} {
		foreign := *d
		foreign.url = strings.Replace(stranger.URL, "127.0.0.1", host, 1)
		b := c.tab(t, &foreign, wide)
		b.open("/attack")
		b.wait(`document.readyState === "complete"`)
		want := map[string]float64{"evil.example": 421, "logserver": 200}[host]
		require.Equal(t, host, eval[string](b, `location.hostname`))
		for _, attempt := range []string{
			`{}`,
			`{credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store"}`,
			`{headers: {"User-Agent": "curl/8.5.0", "Accept": "*/*", "Accept-Language": ""}, referrerPolicy: "no-referrer"}`,
			`{mode: "same-origin", redirect: "error", keepalive: true}`,
			`{method: "HEAD"}`,
		} {
			status := eval[float64](b, `fetch("/worker.log?n=1", `+attempt+`).then((r) => r.status)`)
			require.Equal(t, want, status, "%s %s", host, attempt)
		}
		status := eval[float64](b, `new Promise((done) => { const x = new XMLHttpRequest(); x.onloadend = () => done(x.status); x.open("GET", "/"); x.setRequestHeader("Accept-Language", "*"); x.send(); })`)
		require.Equal(t, want, status, host)
		opened := eval[bool](b, `new Promise((done) => { const s = new EventSource("/search?follow=1"); s.onopen = () => { s.close(); done(true); }; s.onerror = () => { s.close(); done(false); }; })`)
		require.Equal(t, want == 200, opened, host)
	}
}
