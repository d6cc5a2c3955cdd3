package httpindex

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

var searchNames = slices.Concat([]string{"file", "cursor", "at", "follow"}, showNames, filterNames)

// A place in several files is written NAME=OFFSET,NAME=OFFSET.
type cursor map[string]int64

func parseCursor(s string) (cursor, error) {
	c := make(cursor)
	for item := range strings.SplitSeq(s, ",") {
		name, offset, ok := strings.Cut(item, "=")
		n, err := strconv.ParseInt(offset, 10, 64)
		if !ok || err != nil || n < 0 || name == "" {
			return nil, fmt.Errorf("cursor=%s: give what an earlier answer has as next", quote(s))
		}
		c[name] = n
	}
	return c, nil
}

func cursorOf(sources []*source, at func(*source) int64) string {
	var buf []byte
	for _, s := range sources {
		buf = appendPlace(buf, s.text.Name, at(s))
	}
	return string(buf)
}

// placeOf writes c in the order of the texts.
func placeOf(texts []*logstore.Text, c cursor) string {
	var buf []byte
	for _, t := range texts {
		buf = appendPlace(buf, t.Name, c[t.Name])
	}
	return string(buf)
}

func appendPlace(buf []byte, name string, offset int64) []byte {
	if len(buf) > 0 {
		buf = append(buf, ',')
	}
	return strconv.AppendInt(append(append(buf, name...), '='), offset, 10)
}

// openTexts opens the files that are asked for, or all but closed parts and
// what has no lines.
func (h *Handler) openTexts(r *http.Request, names []string) (texts []*logstore.Text, err error) {
	all := len(names) == 0
	if all {
		list, err := h.logs(r).List()
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			if f.PartOf == "" && !reserved[f.Name] && typeOf(f.Name) == textType {
				names = append(names, f.Name)
			}
		}
	}
	for _, name := range names {
		t, err := h.logs(r).OpenText(name)
		if all && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, logstore.ErrNotText)) {
			continue // removed meanwhile
		}
		if err != nil {
			closeTexts(texts)
			return nil, &nameError{name, err}
		}
		texts = append(texts, t)
	}
	return texts, nil
}

// A nameError says with which of several files something is wrong.
type nameError struct {
	name string
	err  error
}

func (e *nameError) Error() string { return quote(e.name) + ": " + e.err.Error() }
func (e *nameError) Unwrap() error { return e.err }

func closeTexts(texts []*logstore.Text) {
	for _, t := range texts {
		t.Close()
	}
}

// notOpenedAny answers for one of several files that cannot be opened.
func (h *Handler) notOpenedAny(w http.ResponseWriter, json bool, err error) int {
	var named *nameError
	switch errors.As(err, &named); {
	case named != nil && errors.Is(err, fs.ErrNotExist):
		return failAs(w, json, http.StatusNotFound, "no such file: "+quote(named.name)+" - GET / lists the files")
	case errors.Is(err, logstore.ErrNotText):
		return failAs(w, json, http.StatusBadRequest, err.Error())
	}
	h.log.Error("cannot read the log files", "err", err)
	return failAs(w, json, http.StatusInternalServerError, "the log files cannot be read: "+err.Error())
}

// search answers GET /search: lines of several files, by time.
func (h *Handler) search(w http.ResponseWriter, r *http.Request) int {
	values, err := parseQuery(r, searchNames...)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	follow, err := parseFollow(values)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	if follow {
		names, err := parseNames(values, "file")
		if err != nil {
			return fail(w, http.StatusBadRequest, err.Error())
		}
		return h.follow(w, r, names, values)
	}
	json, err := wantsJSON(values, r)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	now := time.Now()
	q, err := h.parseSearch(r, values, now)
	if err != nil {
		return failAs(w, json, http.StatusBadRequest, err.Error())
	}
	names, err := parseNames(values, "file")
	if err != nil {
		return failAs(w, json, http.StatusBadRequest, err.Error())
	}
	var at cursor
	if values.Has("cursor") {
		if at, err = parseCursor(values.Get("cursor")); err != nil {
			return failAs(w, json, http.StatusBadRequest, err.Error())
		}
	}
	begin, err := parseAt(values, "cursor", &q.Query, now)
	if err != nil {
		return failAs(w, json, http.StatusBadRequest, err.Error())
	}
	done, err := h.admit(r.Context())
	if err != nil {
		return h.busy(w, json)
	}
	defer done()
	texts, err := h.openTexts(r, names)
	if err != nil {
		return h.notOpenedAny(w, json, err)
	}
	defer closeTexts(texts)
	h.bound(&q.Query, now)

	if !begin.IsZero() {
		at = make(cursor, len(texts))
		for _, t := range texts {
			if at[t.Name], err = t.Seek(begin, q.Zone, now); err != nil {
				return h.notOpenedAny(w, json, err)
			}
		}
	}

	if q.count && at == nil {
		return h.count(w, r, texts, q)
	}
	if q.count {
		return failAs(w, json, http.StatusBadRequest, "cursor= and at= do not go with count=1")
	}
	var sources []*source
	for _, t := range texts {
		from := int64(-1)
		if offset, ok := at[t.Name]; ok {
			if from = offset; from > t.End() {
				return failAs(w, json, http.StatusRequestedRangeNotSatisfiable, fmt.Sprintf("cursor: %s ends at %d", quote(t.Name), t.End()))
			}
		}
		sources = append(sources, newSource(t, q.Query, from))
	}

	setFound(w, q.json)
	if r.Method == http.MethodHead {
		return headOnly(w)
	}
	out := newStream(w)
	defer out.abandon()
	lines := newLineWriter(&q, now)
	if q.json {
		_ = out.append(func(buf []byte) []byte {
			buf = append(buf, `{"files":[`...)
			for i, t := range texts {
				if i > 0 {
					buf = append(buf, ',')
				}
				buf = appendJSONString(append(buf, `{"name":`...), t.Name)
				buf = fmt.Appendf(buf, `,"start":%d,"end":%d}`, t.Start(), t.End())
			}
			buf = append(buf, ']')
			if !begin.IsZero() {
				buf = appendJSONString(append(buf, `,"at":`...), placeOf(texts, at))
			}
			return append(buf, `,"lines":[`...)
		})
	}
	separate := false
	res, err := merge(r.Context(), sources, &q.Query, func(file string, f *logstore.Found) error {
		first := !separate
		separate = true
		return out.append(func(buf []byte) []byte {
			if !q.json {
				return append(append(buf, f.Raw...), '\n')
			}
			if !first {
				buf = append(buf, ',')
			}
			return lines.append(append(buf, '\n'), file, f)
		})
	})
	if err != nil {
		return h.cutOff(w, r, "several", err)
	}
	next := cursorOf(sources, func(s *source) int64 { return s.next })
	if q.json {
		_ = out.append(func(buf []byte) []byte {
			buf = appendJSONString(append(buf, "\n],\"before\":"...), cursorOf(sources, (*source).before))
			buf = appendJSONString(append(buf, `,"after":`...), cursorOf(sources, (*source).after))
			buf = appendJSONString(append(buf, `,"next":`...), next)
			return fmt.Appendf(buf, ",\"more\":%t,\"limited\":%q,\"scanned\":%d,\"missing\":%d}\n", res.More, res.Limited, res.Scanned, res.Missing)
		})
	} else {
		w.Header().Set(nextTrailer, next)
		w.Header().Set(limitedTrailer, string(res.Limited))
		if res.Limited == logstore.LimitScan || res.Limited == logstore.LimitTime {
			_ = out.appendString(fmt.Sprintf("[dalog: not all was searched, the limit of one request was reached (%s); go on with cursor=%s]\n", res.Limited, url.QueryEscape(next)))
		}
	}
	if out.close() != nil {
		h.metrics.incomplete.Inc()
	}
	return http.StatusOK
}
