package httpindex

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// newRouter is the table of contents of the HTTP surface. Every page is read
// only, so GET and HEAD are all there is.
func (h *Handler) newRouter() http.Handler {
	r := chi.NewRouter()
	r.Use(secure, lastWithBody)
	r.NotFound(h.page("none", notFound))
	r.MethodNotAllowed(h.page("none", notAllowed))

	// Probes of orchestrators and monitoring, which cannot log in.
	health := h.page("health", h.healthCheck)
	read(r, "/listlog/health_check", health)
	read(r, "/healthz", h.page("health", h.healthz))
	read(r, "/readyz", h.page("health", h.readyz))

	r.Group(func(r chi.Router) {
		if h.cfg.Guard != nil {
			r.Use(h.cfg.Guard.Handler)
		}
		list := h.page("list", coded(h.list))
		file := h.page("file", looking(h.file))

		// docassemble's Logs page, curl, browsers.
		read(r, "/", list)
		read(r, "/listlog", list)
		read(r, "/*", listOrFile(list, file))

		// Lines of several files.
		read(r, "/search", h.page("search", looking(coded(h.search))))
		read(r, "/histogram", h.page("histogram", looking(coded(h.histogram))))
		read(r, "/errors", h.page("errors", looking(coded(h.errors))))
		read(r, "/board", h.page("board", coded(h.board)))
		archive := h.page("archive", looking(h.archive))
		read(r, zipPath, archive)
		read(r, tarPath, archive)

		read(r, "/openapi.yaml", h.page("openapi", coded(h.openapi)))

		// The pages of a person.
		read(r, "/-/view", h.page("page", coded(h.view)))
		read(r, "/-/plain", h.page("page", looking(coded(h.plain))))
		read(r, "/-/errors", h.page("page", coded(h.errorsPage)))

		if h.cfg.Metrics != nil {
			read(r, "/metrics", h.forAllRights(h.cfg.Metrics))
		}

		// What browsers and crawlers fetch besides.
		read(r, assetsPath+"*", h.page("asset", coded(h.pageAsset)))
		read(r, "/favicon.ico", h.page("asset", coded(serveAsset(icon))))
		read(r, "/robots.txt", h.page("asset", serveAsset(robots)))
	})
	return r
}

func read(r chi.Router, pattern string, page http.Handler) {
	r.Method(http.MethodGet, pattern, page)
	r.Method(http.MethodHead, pattern, page)
}

// reserved are the names at the top that are pages and never files.
var reserved = map[string]bool{
	"archive.zip": true, "archive.tar.zst": true, "openapi.yaml": true,
	"search": true, "histogram": true, "errors": true, "board": true, "listlog": true, "healthz": true, "readyz": true, "metrics": true, "robots.txt": true, "favicon.ico": true,
}

// listOrFile sends paths that end in a slash to the list, as the log servers
// of docassemble always did.
func listOrFile(list, file http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			list.ServeHTTP(w, r)
			return
		}
		file.ServeHTTP(w, r)
	}
}

// page is one page of the surface: it answers and returns the status it sent.
type page func(w http.ResponseWriter, r *http.Request) int

// page makes a handler of p that counts by route. It hands on w as it is:
// sendfile works only on the server's own writer.
func (h *Handler) page(route string, p page) http.HandlerFunc {
	counters := h.metrics.route(route)
	return func(w http.ResponseWriter, r *http.Request) {
		status := p(w, r)
		counters.count(status)
		if ctx := r.Context(); h.log.Enabled(ctx, slog.LevelDebug) {
			h.log.DebugContext(ctx, "http request", "method", r.Method, "url", r.URL.String(), "status", status, "peer", r.RemoteAddr)
		}
	}
}

// forAllRights shows next only to those who may read every file: it tells
// about all of them.
func (h *Handler) forAllRights(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.reader(r).MayAll() {
			fail(w, http.StatusForbidden, "this page is for those who may read every file")
			return
		}
		next.ServeHTTP(w, r)
	}
}

// secure sets the headers that every answer carries. The pages have no
// scripts and are no parts of other pages; list sets its own policy.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// lastWithBody makes a request with a body the last of its connection. No page
// reads one; where it ends is a matter on which proxies and servers may
// differ, so nothing behind it is taken for a request (RFC 9112 section
// 11.2), and it is not waited for long.
func lastWithBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
			// The error says that w has no connection beneath it, as in tests.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		next.ServeHTTP(w, r)
	})
}
