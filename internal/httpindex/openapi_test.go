package httpindex

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"
)

func loadOpenAPI(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(context.Background()))
	return doc
}

// The description has the pages that there are, and their parameters.
func TestOpenAPIIsComplete(t *testing.T) {
	t.Parallel()
	doc := loadOpenAPI(t)
	h := New(Config{Logs: fakeLogs{}, Metrics: http.NotFoundHandler()})
	var pages []string
	require.NoError(t, chi.Walk(h.routes.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method == http.MethodGet && !strings.HasPrefix(route, "/-/") && route != "/robots.txt" && route != "/favicon.ico" {
			pages = append(pages, strings.Replace(route, "/*", "/{name}", 1))
		}
		return nil
	}))
	require.ElementsMatch(t, doc.Paths.InMatchingOrder(), pages)
	for path, names := range map[string][]string{
		"/": {"format"}, "/listlog": {"format"}, "/{name}": append([]string{"name"}, fileNames...), "/search": searchNames, "/histogram": histogramNames, "/errors": errorsNames,
		"/board": nil, zipPath: archiveNames, tarPath: archiveNames,
	} {
		var described []string
		for _, p := range doc.Paths.Find(path).Get.Parameters {
			described = append(described, p.Value.Name)
		}
		require.ElementsMatch(t, names, described, path)
	}
}

// Real answers are as described: status, media type, and JSON to the last
// member.
func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	openapi3filter.RegisterBodyDecoder("application/octet-stream", openapi3filter.FileBodyDecoder)
	for _, binary := range []string{"application/zip", "application/zstd"} {
		openapi3filter.RegisterBodyDecoder(binary, openapi3filter.FileBodyDecoder)
	}
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	doc := loadOpenAPI(t)
	f := serveRotated(t, true)
	doc.Servers = openapi3.Servers{{URL: f.base}}
	router, err := gorillamux.NewRouter(doc)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, c := range []struct {
		status int
		url    string
	}{
		{200, "/"}, {200, "/?format=json"}, {200, "/?format=html"}, {200, "/listlog"}, {400, "/?x=1"}, {400, "/?format=x"},
		{200, "/worker.log"}, {200, "/worker.log.1"}, {200, "/old.log.gz"}, {200, "/worker.log?n=30"}, {404, "/nothing.log"},
		{200, "/worker.log?format=json"}, {200, "/worker.log?format=json&grep=failed&context=2&limit=3"}, {200, "/worker.log?format=json&grep=nothing+like+it"},
		{200, "/worker.log?format=json&direction=backward&limit=5&events=1&level=error&host=web1,web2&program=celery"},
		{200, "/worker.log?grep=failed&format=text"}, {400, "/worker.log?grep=("}, {400, "/worker.log?format=json&since=x"},
		{410, "/worker.log?from=0&format=json"}, {410, "/worker.log?from=0"}, {416, "/worker.log?from=999999999&format=json"},
		{200, "/search"}, {200, "/search?format=json&grep=failed&limit=2"}, {200, "/search?format=json&file=uwsgi.log&file=worker.log&n=7"}, {404, "/search?file=x.log&format=json"}, {400, "/search?cursor=x"},
		{200, "/search?count=1&format=json"}, {200, "/worker.log?count=1&format=json"}, {200, "/worker.log?count=1"},
		{200, "/histogram"}, {200, "/histogram?buckets=5&level=error&file=worker.log"}, {400, "/histogram?buckets=x"},
		{200, "/errors"}, {200, "/errors?since=2026-11-23"}, {400, "/errors?level=x"},
		{200, "/board"}, {400, "/board?x=1"},
		{200, zipPath}, {200, tarPath + "?grep=failed"}, {400, zipPath + "?n=3"}, {404, tarPath + "?file=nothing.log"},
		{200, "/healthz"}, {200, "/readyz"}, {200, "/listlog/health_check"}, {200, "/listlog/health_check?ready=1"}, {200, "/openapi.yaml"},
	} {
		for _, method := range []string{http.MethodGet} {
			req, err := http.NewRequest(method, f.base+c.url, nil)
			require.NoError(t, err)
			req.Header.Set("Accept-Encoding", "identity")
			resp, err := http.DefaultTransport.RoundTrip(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, c.status, resp.StatusCode, "%s: %s", c.url, body)
			route, parameters, err := router.FindRoute(req)
			require.NoError(t, err)
			seen[route.Path] = true
			require.NoError(t, check(req, route, parameters, resp, body), "%s: %.2000s", c.url, body)
		}
	}
	for path := range doc.Paths.Map() {
		require.True(t, seen[path] || path == "/metrics", "%s is not looked at", path)
	}
}

func check(req *http.Request, route *routers.Route, parameters map[string]string, resp *http.Response, body []byte) error {
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: parameters, Route: route, Options: options}
	if resp.StatusCode == http.StatusOK {
		if err := openapi3filter.ValidateRequest(req.Context(), in); err != nil {
			return fmt.Errorf("the request is not as described: %w", err)
		}
	}
	return openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Body: io.NopCloser(bytes.NewReader(body)), Options: options,
	})
}
