package httpindex

import (
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// minCoded is the size of an answer below which compressing it saves nothing.
const minCoded = 1024

// compress gives answers of text in the coding that the client likes best,
// zstd or gzip.
var compress = func() func(http.Handler) http.HandlerFunc {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.MinSize(minCoded), gzhttp.CompressionLevel(1), gzhttp.SetContentType(false), gzhttp.SuffixETag("-"),
		gzhttp.ContentTypes([]string{textType, htmlType, jsonType, "text/css", "text/javascript", "image/svg+xml", "application/yaml"}),
	)
	if err != nil {
		panic(err) // the options are wrong
	}
	return wrap
}()

// coded makes a page of p that is compressed for clients that ask for it. Not
// for log files as they are: those go by sendfile, in ranges too, and as long as
// they say.
func coded(p page) page {
	return func(w http.ResponseWriter, r *http.Request) (status int) {
		if !wantsCoding(r) {
			w.Header().Add("Vary", "Accept-Encoding")
			return p(w, r)
		}
		compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { status = p(w, r) })).ServeHTTP(w, r)
		return status
	}
}

// wantsCoding tells whether an answer may be compressed. What is followed comes
// line by line, and should not wait for more.
func wantsCoding(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header["Accept-Encoding"], ","))
	return (strings.Contains(accept, "gzip") || strings.Contains(accept, "zstd")) && r.Header["Range"] == nil && !r.URL.Query().Has("follow")
}
