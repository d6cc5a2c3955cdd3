package httpindex

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

//go:embed assets
var assets embed.FS

var listTemplate = template.Must(template.ParseFS(assets, "assets/list.html"))

const (
	listPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	shownLines = 200 // what a click on a name shows
)

// listView is what the template shows.
type listView struct {
	Hostname string
	Root     string // relative path from the page to the list
	Style    string
	Lines    int
	Error    string // why there is no list
	Rows     []listRow
	Total    string
	Base     string // "http://host:port/" as the client wrote it, for the examples
	Example  string // name of a file, as it stands in a URL
}

type listRow struct {
	Name     string
	Path     string // as it stands in a URL
	Text     bool   // has lines that a browser can show
	Size     string // for people
	Bytes    int64
	Age      string
	Modified string // for people
	Stamp    string // RFC 3339
}

func (h *Handler) listHTML(w http.ResponseWriter, r *http.Request, status int, files []logstore.FileInfo, failure string) int {
	view := listView{
		Hostname: h.cfg.Hostname,
		Root:     "./" + strings.Repeat("../", strings.Count(r.URL.EscapedPath(), "/")-1),
		Style:    strings.TrimPrefix(stylePath, "/") + "?v=" + style.version,
		Lines:    shownLines,
		Error:    failure,
		Base:     baseURL(r),
		Example:  "docassemble.log",
	}
	now := time.Now()
	var total int64
	for i, f := range files {
		total += f.Size
		path := url.PathEscape(f.Name)
		if i == 0 {
			view.Example = path
		}
		view.Rows = append(view.Rows, listRow{
			Name: f.Name, Path: path, Text: typeOf(f.Name) == textType,
			Size: humanSize(f.Size), Bytes: f.Size,
			Age:      humanAge(now.Sub(f.ModTime)),
			Modified: f.ModTime.Local().Format("2006-01-02 15:04:05 -0700"),
			Stamp:    f.ModTime.UTC().Format(time.RFC3339),
		})
	}
	view.Total = humanSize(total)

	var body bytes.Buffer
	if err := listTemplate.Execute(&body, view); err != nil {
		h.log.Error("cannot write the HTML list", "err", err)
		return fail(w, http.StatusInternalServerError, "the page cannot be made: "+err.Error())
	}
	w.Header().Set("Content-Security-Policy", listPolicy)
	return reply(w, status, htmlType, body.Bytes())
}

// hostPattern is what a Host header may hold to be shown in a line that is
// meant to be pasted into a shell.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9._-]+(:[0-9]+)?$|^\[[0-9A-Fa-f:.]+\](:[0-9]+)?$`)

// baseURL is the address by which the client reached the list.
func baseURL(r *http.Request) string {
	host := r.Host
	if !hostPattern.MatchString(host) {
		host = "LOGSERVER:8080"
	}
	if r.TLS != nil {
		return "https://" + host + "/"
	}
	return "http://" + host + "/"
}

// humanSize writes a number of bytes with three digits or so.
func humanSize(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		value /= 1024
		if value < 9.95 {
			return fmt.Sprintf("%.1f %s", value, unit)
		}
		if value < 1023.5 {
			return fmt.Sprintf("%.0f %s", value, unit)
		}
	}
	return fmt.Sprintf("%.0f PiB", value/1024)
}

// humanAge writes how long ago something was, in its largest unit.
func humanAge(age time.Duration) string {
	switch {
	case age < -time.Minute:
		return "clock ahead"
	case age < time.Second:
		return "now"
	case age < time.Minute:
		return fmt.Sprintf("%d s ago", age/time.Second)
	case age < time.Hour:
		return fmt.Sprintf("%d min ago", age/time.Minute)
	case age < 48*time.Hour:
		return fmt.Sprintf("%d h ago", age/time.Hour)
	default:
		return fmt.Sprintf("%d days ago", age/(24*time.Hour))
	}
}
