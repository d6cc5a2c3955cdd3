package httpindex

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dalog-project/dalog/internal/logstore"
)

// plainNames are the fields of the form on the plain page, and where it goes on.
var plainNames = []string{"file", "q", "regex", "level", "host", "since", "until", "n", "before"}

const (
	plainLines  = 200
	plainCut    = 8 << 10 // bytes of a line that are shown
	plainSearch = 10 * time.Second
)

// plainView is the page without scripts: the last lines that a form asks for.
type plainView struct {
	frame
	File     string // "" = all files
	Merged   bool
	Values   url.Values
	Level    string
	Levels   []string
	N        int
	Counts   []int
	Filtered bool
	Error    string
	Note     string // which limit was reached
	Lines    []plainLine
	App      string // the same with scripts
	Text     string // the same as text
	Older    string // the lines before; "" = there are none
}

type plainLine struct{ File, Level, Raw string }

// plain answers GET /-/plain.
func (h *Handler) plain(w http.ResponseWriter, r *http.Request) int {
	values, err := parseQuery(r, plainNames...)
	if values == nil {
		values = url.Values{}
	}
	v := plainView{
		frame: h.frame(r, "All files"), File: values.Get("file"), Values: values, Level: values.Get("level"),
		Levels: logstore.LevelNames[1:], Counts: []int{50, plainLines, 1000}, N: plainLines,
	}
	if v.File != "" {
		v.Title = inert(v.File)
	}
	v.Merged = v.File == ""
	if n, err := strconv.Atoi(values.Get("n")); err == nil && slices.Contains(v.Counts, n) {
		v.N = n
	}
	status := http.StatusOK
	if err == nil {
		status, err = h.findPlain(r, &v)
	} else {
		status = http.StatusBadRequest
	}
	if err != nil {
		v.Error = inert(err.Error())
	}
	app := plainParams(values)
	v.App = v.Root + "-/view?" + app.Encode()
	return h.showPage(w, status, "plain.html", v)
}

// findPlain looks for the lines.
func (h *Handler) findPlain(r *http.Request, v *plainView) (int, error) {
	now := time.Now()
	ask := url.Values{}
	for _, name := range []string{"level", "host", "since", "until"} {
		if given := strings.TrimSpace(v.Values.Get(name)); given != "" {
			ask.Set(name, given)
		}
	}
	if q := v.Values.Get("q"); q != "" {
		ask.Set("grep", q)
		if v.Values.Get("regex") == "" {
			ask.Set("match", "literal")
		}
		ask.Set("case", "ignore")
	}
	v.Filtered = len(ask) > 0
	q, err := parseFilters(ask, now)
	if err != nil {
		return http.StatusBadRequest, err
	}
	q.Backward, q.Limit = true, v.N
	done, err := h.admit(r.Context())
	if err != nil {
		return http.StatusTooManyRequests, fmt.Errorf("%w are under way: try again in a moment", err)
	}
	defer done()
	var names []string
	if v.File != "" {
		names = []string{v.File}
	}
	texts, err := h.openTexts(r, names)
	if err != nil {
		return http.StatusNotFound, err
	}
	defer closeTexts(texts)
	h.bound(&q, now)
	q.Deadline = now.Add(plainSearch)

	var at cursor
	if before := v.Values.Get("before"); before != "" {
		if at, err = parseCursor(before); err != nil {
			return http.StatusBadRequest, err
		}
	}
	var sources []*source
	for _, t := range texts {
		from := int64(-1)
		if offset, ok := at[t.Name]; ok {
			from = min(offset, t.End())
		}
		sources = append(sources, newSource(t, q, from))
	}
	res, err := collectPlain(r.Context(), sources, &q, v)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	if res.Limited == logstore.LimitScan || res.Limited == logstore.LimitTime {
		v.Note = "Not everything was searched: the limit of one request was reached."
	}
	if res.More {
		older := url.Values{}
		for name, given := range v.Values {
			older[name] = given
		}
		older.Set("before", cursorOf(sources, (*source).before))
		v.Older = v.Root + "-/plain?" + older.Encode()
	}
	ask.Set("n", strconv.Itoa(v.N))
	v.Text = v.Root + url.PathEscape(v.File) + "?" + ask.Encode()
	if v.File == "" {
		v.Text = v.Root + "search?" + ask.Encode()
	}
	return http.StatusOK, nil
}

func collectPlain(ctx context.Context, sources []*source, q *logstore.Query, v *plainView) (logstore.Result, error) {
	lines := logstore.NewLineReader(time.Local, time.Now())
	return merge(ctx, sources, q, func(file string, f *logstore.Found) error {
		c := lines.Columns(f.Raw)
		level, _ := logstore.LevelOf(c.Program, c.Text)
		v.Lines = append(v.Lines, plainLine{File: file, Level: level.String(), Raw: inert(clip(string(f.Raw), plainCut))})
		return nil
	})
}

// inert shows what would turn or hide the text around it as its number: marks
// of direction, invisible characters, controls.
func inert(s string) string {
	odd := func(r rune) bool { return r != '\t' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r)) }
	if strings.IndexFunc(s, odd) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if odd(r) {
			fmt.Fprintf(&b, "<U+%04X>", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
