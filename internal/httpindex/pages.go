package httpindex

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The pages of a person. Their frames are templates, what is alive in them are
// the scripts in assets/js, which ask the same URLs as everybody.
var templates = template.Must(template.New("").Funcs(template.FuncMap{"size": humanSize}).ParseFS(assets, "assets/html/*.html"))

// pagePolicy has no exception: styles and scripts are files of this server,
// and no script can turn text into markup.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// viewModules lets the browser fetch the scripts of a view all at once; their
// imports alone would tell of them one after the other.
var viewModules = modules("js/lib/", "js/view/")

func modules(folders ...string) (all []string) {
	for name := range pageAssets {
		for _, folder := range folders {
			if strings.HasPrefix(name, folder) {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// frame is what every page knows.
type frame struct {
	Root     string // relative path from the page to the list
	Assets   string // where styles and scripts are
	Hostname string
	Zone     string // the server's time zone
	Title    string
	Plain    string   // the same without JavaScript
	Modules  []string // the scripts that the page is made of, below Assets
}

func (h *Handler) frame(r *http.Request, title string) frame {
	root := "./" + strings.Repeat("../", strings.Count(r.URL.EscapedPath(), "/")-1)
	return frame{
		Root: root, Assets: root + strings.TrimPrefix(assetsPath, "/") + assetsVersion + "/",
		Hostname: h.cfg.Hostname, Zone: serverZone(), Title: title, Plain: root,
	}
}

// serverZone is the name of the time zone that dalogd runs in, as browsers
// know it; UTC where it has none that they do.
func serverZone() string {
	if name := time.Local.String(); name != "Local" && name != "" {
		return name
	}
	return localZone()
}

// showPage fills a template in and sends it.
func (h *Handler) showPage(w http.ResponseWriter, status int, name string, view any) int {
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, view); err != nil {
		h.log.Error("cannot write a page", "page", name, "err", err)
		return fail(w, http.StatusInternalServerError, "the page cannot be made: "+err.Error())
	}
	header := w.Header()
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("Cache-Control", "no-cache")
	return reply(w, status, htmlType, body.Bytes())
}

// view answers GET /-/view: the frame in which scripts show a file or several.
// What is to be seen stands in the parameters, which are the scripts' own.
func (h *Handler) view(w http.ResponseWriter, r *http.Request) int {
	query := r.URL.Query()
	title := "All files"
	switch files := query["file"]; {
	case len(files) == 1:
		title = files[0]
	case len(files) > 1:
		title = "Several files"
	}
	f := h.frame(r, title)
	f.Plain = f.Root + "-/plain?" + plainParams(query).Encode()
	f.Modules = viewModules
	return h.showPage(w, http.StatusOK, "view.html", f)
}

// errorsPage answers GET /-/errors.
func (h *Handler) errorsPage(w http.ResponseWriter, r *http.Request) int {
	return h.showPage(w, http.StatusOK, "errors.html", h.frame(r, "Errors"))
}

// plainParams are those of the plain page that show the same.
func plainParams(query url.Values) url.Values {
	plain := url.Values{}
	for from, to := range map[string]string{"file": "file", "q": "q", "level": "level", "host": "host", "since": "since", "until": "until"} {
		if v := query.Get(from); v != "" {
			plain.Set(to, v)
		}
	}
	if query.Has("regex") {
		plain.Set("regex", "1")
	}
	return plain
}
