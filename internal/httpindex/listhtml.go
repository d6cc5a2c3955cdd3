package httpindex

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

const shownLines = 200 // what a click on "last lines" shows

// listView is what the template shows.
type listView struct {
	frame
	Lines   int
	Error   string // why there is no list
	Rows    []listRow
	Count   string
	Total   string
	Base    string // "http://host:port/" as the client wrote it, for the examples
	Example string // name of a file, as it stands in a URL
}

// listRow is a file with its closed parts.
type listRow struct {
	Name     string
	Path     string // as it stands in a URL
	Text     bool   // has lines that a browser can show
	Bytes    int64
	End      int64  // offset of its end
	Size     string // for people
	Age      string
	Modified string // for people
	Stamp    string // RFC 3339
	Parts    []listRow
}

func (h *Handler) listHTML(w http.ResponseWriter, r *http.Request, status int, files []logstore.FileInfo, failure string) int {
	title := "Log files"
	if h.cfg.Hostname != "" {
		title += " on " + h.cfg.Hostname
	}
	view := listView{
		frame: h.frame(r, title), Lines: shownLines, Error: failure,
		Base: baseURL(r), Example: "docassemble.log",
	}
	view.Rows = listRows(files, time.Now())
	var total int64
	for _, row := range view.Rows {
		total += row.Bytes
	}
	if len(view.Rows) > 0 {
		view.Example = view.Rows[0].Path
	}
	view.Count, view.Total = strconv.Itoa(len(view.Rows)), humanSize(total)
	return h.showPage(w, status, "home.html", view)
}

// listRows puts the closed parts of files beneath them.
func listRows(files []logstore.FileInfo, now time.Time) []listRow {
	rows := make([]listRow, 0, len(files))
	at := make(map[string]int, len(files))
	for _, f := range files {
		at[f.Name] = -1
	}
	var parts []logstore.FileInfo
	for _, f := range files {
		if _, isPart := at[partOf(f.Name)]; isPart {
			parts = append(parts, f)
			continue
		}
		at[f.Name] = len(rows)
		rows = append(rows, newListRow(f, now))
	}
	// The newest first: their numbers grow with their age.
	slices.SortStableFunc(parts, func(a, b logstore.FileInfo) int { return int(partNumber(a.Name) - partNumber(b.Name)) })
	for _, f := range parts {
		i := at[partOf(f.Name)]
		if i < 0 { // a part of a part: somebody's own name
			rows = append(rows, newListRow(f, now))
			continue
		}
		rows[i].Parts = append(rows[i].Parts, newListRow(f, now))
		rows[i].Bytes += f.Size
		rows[i].Size = humanSize(rows[i].Bytes)
	}
	return rows
}

// partOf is the file whose part is called name, "" if it has no such name.
func partOf(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 || partNumber(name) == 0 {
		return ""
	}
	return name[:i]
}

// partNumber is the number behind the last dot; 0 if there is none.
func partNumber(name string) int64 {
	n, err := strconv.ParseUint(name[strings.LastIndexByte(name, '.')+1:], 10, 31)
	if err != nil {
		return 0
	}
	return int64(n)
}

func newListRow(f logstore.FileInfo, now time.Time) listRow {
	return listRow{
		Name: f.Name, Path: url.PathEscape(f.Name), Text: typeOf(f.Name) == textType,
		Bytes: f.Size, End: f.Start + f.Size, Size: humanSize(f.Size),
		Age:      humanAge(now.Sub(f.ModTime)),
		Modified: f.ModTime.Local().Format("2006-01-02 15:04:05 -0700"),
		Stamp:    f.ModTime.UTC().Format(time.RFC3339),
	}
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
