package httpindex

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

const (
	maxTextHits = maxLines // that limit= takes, except in JSON
	defaultHits = 1_000    // of JSON
)

// Parameters of a page that shows lines, and of a file.
var (
	showNames = []string{"n", "limit", "direction", "context", "before", "after", "events", "format", "cut", "count"}
	fileNames = slices.Concat([]string{"n", "download"}, showNames[1:], []string{"from", "to", "at", "follow"}, filterNames)
)

// A search is what lines are asked for and how they are shown.
type search struct {
	logstore.Query
	json  bool
	cut   int  // bytes of a line that JSON has at most; 0 = all
	count bool // only how many there are is asked for
}

// parseSearch reads the parameters of filterNames and showNames.
func (h *Handler) parseSearch(r *http.Request, values url.Values, now time.Time) (s search, err error) {
	if s.json, err = wantsJSON(values, r); err != nil {
		return s, err
	}
	if s.Query, err = parseFilters(values, now); err != nil {
		return s, err
	}
	if s.count, err = parseSwitch(values, "count"); err != nil {
		return s, err
	}
	most, usual := int64(maxTextHits), int64(0)
	if s.json && !s.count {
		most, usual = int64(h.limits.Lines), int64(min(h.limits.Lines, defaultHits))
	}
	limit, err := parseNumber(values, "limit", "a number of lines", 1, most, usual)
	if err != nil {
		return s, err
	}
	if s.Backward, err = parseChoice(values, "direction", "forward", "backward"); err != nil {
		return s, err
	}
	if values.Has("n") {
		if values.Has("limit") || values.Get("direction") == "forward" {
			return s, errors.New("n= stands for direction=backward with limit=: give one or the other")
		}
		if limit, err = parseNumber(values, "n", "a number of lines", 1, most, 0); err != nil {
			return s, err
		}
		s.Backward = true
	}
	s.Limit = int(limit)
	around, err := parseNumber(values, "context", "a number of lines", 0, maxContext, 0)
	if err != nil {
		return s, err
	}
	before, err := parseNumber(values, "before", "a number of lines", 0, maxContext, around)
	if err != nil {
		return s, err
	}
	after, err := parseNumber(values, "after", "a number of lines", 0, maxContext, around)
	if err != nil {
		return s, err
	}
	s.Before, s.After = int(before), int(after)
	if s.Events, err = parseSwitch(values, "events"); err != nil {
		return s, err
	}
	cut, err := parseNumber(values, "cut", "a number of bytes", minCut, math.MaxInt32, 0)
	if err == nil && cut > 0 && !s.json {
		err = errors.New("cut= goes with format=json: text has lines whole")
	}
	s.cut = int(cut)
	return s, err
}

// minCut is the least that a line is cut to: its header fits.
const minCut = 1024

// find answers GET /NAME with parameters that choose lines.
func (h *Handler) find(w http.ResponseWriter, r *http.Request, name string, values url.Values) int {
	json, err := wantsJSON(values, r)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	now := time.Now()
	q, err := h.parseSearch(r, values, now)
	if err != nil {
		return failAs(w, json, http.StatusBadRequest, err.Error())
	}
	from, err := parseNumber(values, "from", "an offset", 0, math.MaxInt64, -1)
	if err != nil {
		return failAs(w, json, http.StatusBadRequest, err.Error())
	}
	to, err := parseNumber(values, "to", "an offset", 0, math.MaxInt64, -1)
	if err != nil {
		return failAs(w, json, http.StatusBadRequest, err.Error())
	}
	at, err := parseAt(values, "from", &q.Query, now)
	if err != nil {
		return failAs(w, json, http.StatusBadRequest, err.Error())
	}
	t, err := h.logs(r).OpenText(name)
	if err != nil {
		return h.notOpened(w, r, name, err)
	}
	defer t.Close()
	if !at.IsZero() {
		if from, err = t.Seek(at, q.Zone, now); err != nil {
			return h.unreadable(w, name, err)
		}
	}
	if status := rangeError(w, json, t, from, to); status != 0 {
		return status
	}
	nothing := setRange(&q.Query, t, from, to)

	done, err := h.admit(r.Context())
	if err != nil {
		return h.busy(w, json)
	}
	defer done()
	h.bound(&q.Query, now)

	if q.count {
		if nothing {
			return h.counted(w, q.json, 0, logstore.Result{})
		}
		return h.count(w, r, []*logstore.Text{t}, q)
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
			buf = append(buf, `{"file":`...)
			buf = appendJSONString(buf, name)
			buf = fmt.Appendf(buf, `,"start":%d,"end":%d`, t.Start(), t.End())
			if !at.IsZero() {
				buf = fmt.Appendf(buf, `,"at":%d`, from)
			}
			return append(buf, `,"lines":[`...)
		})
	}
	first, last := int64(-1), int64(-1)
	var res logstore.Result
	if !nothing {
		res, err = t.Scan(r.Context(), q.Query, func(f *logstore.Found) error {
			if first < 0 {
				first = f.Offset
			}
			separate := last >= 0
			last = f.Offset
			return out.append(func(buf []byte) []byte {
				if !q.json {
					return append(append(buf, f.Raw...), '\n')
				}
				if separate {
					buf = append(buf, ',')
				}
				return lines.append(append(buf, '\n'), name, f)
			})
		})
	} else {
		res.Next = max(from, t.Start())
	}
	if err != nil {
		return h.cutOff(w, r, name, err)
	}
	if q.json {
		_ = out.append(func(buf []byte) []byte {
			return fmt.Appendf(buf, "\n],\"first\":%s,\"last\":%s,\"more\":%t,\"limited\":%q,\"next\":%d,\"scanned\":%d,\"missing\":%d}\n",
				orNull(first), orNull(last), res.More, res.Limited, res.Next, res.Scanned, res.Missing)
		})
	} else {
		w.Header().Set(nextTrailer, strconv.FormatInt(res.Next, 10))
		w.Header().Set(limitedTrailer, string(res.Limited))
		_ = out.appendString(limitNote(&res, q.Backward))
	}
	if out.close() != nil {
		h.metrics.incomplete.Inc()
	}
	return http.StatusOK
}

// parseAt reads at=, a time to begin at; zero where there is none. other is the
// parameter that says where to begin otherwise.
func parseAt(values url.Values, other string, q *logstore.Query, now time.Time) (at time.Time, err error) {
	if !values.Has("at") {
		return at, nil
	}
	if values.Has(other) {
		return at, fmt.Errorf("at= and %s= both say where to begin: give one", other)
	}
	if at, err = parseWhen(values.Get("at"), q.Zone, now); err != nil {
		return at, fmt.Errorf("at=%s: %w", quote(values.Get("at")), err)
	}
	return at, nil
}

// setRange sets the offsets that are asked for, -1 where they are not, and
// tells whether there can be nothing in them.
func setRange(q *logstore.Query, t *logstore.Text, from, to int64) (nothing bool) {
	if q.Backward {
		// from is where one goes back from, and to how far.
		from, to = to, from
	}
	q.From = max(from, 0)
	if to >= 0 {
		q.To = to
	}
	low, high := max(from, t.Start()), t.End()
	if to >= 0 {
		high = min(high, to)
	}
	return low >= high
}

// rangeError answers for offsets that are not in t; 0 where they are.
func rangeError(w http.ResponseWriter, json bool, t *logstore.Text, from, to int64) int {
	switch {
	case from >= 0 && from < t.Start():
		text := fmt.Sprintf("from=%d: what was there has expired; %s has bytes %d to %d", from, quote(t.Name), t.Start(), t.End())
		w.Header().Set("Cache-Control", "no-store")
		if json {
			return reply(w, http.StatusGone, jsonType, fmt.Appendf(appendJSONString([]byte(`{"error":`), text), ",\"start\":%d,\"end\":%d}\n", t.Start(), t.End()))
		}
		return fail(w, http.StatusGone, text)
	case from > t.End():
		return failAs(w, json, http.StatusRequestedRangeNotSatisfiable, fmt.Sprintf("from=%d: %s ends at %d", from, quote(t.Name), t.End()))
	}
	return 0
}

// Trailers of a text answer: what stands in a JSON answer as next and limited.
const (
	nextTrailer    = "Dalog-Next"
	limitedTrailer = "Dalog-Limited"
)

// setFound sets the header of an answer with lines.
func setFound(w http.ResponseWriter, json bool) {
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	header.Set("Vary", "Accept")
	header.Set("X-Accel-Buffering", "no")
	if json {
		header.Set("Content-Type", jsonType)
		return
	}
	header.Set("Content-Type", textType)
	header.Set("Trailer", nextTrailer+", "+limitedTrailer)
}

// limitNote is the last line of a text answer that ended before its time for a
// reason that the client did not ask for.
func limitNote(res *logstore.Result, backward bool) string {
	way := ""
	if backward {
		way = "&direction=backward"
	}
	switch res.Limited {
	case logstore.LimitScan, logstore.LimitTime:
		return fmt.Sprintf("[dalog: not all was searched, the limit of one request was reached (%s); go on with from=%d%s]\n", res.Limited, res.Next, way)
	}
	if res.Missing > 0 {
		return fmt.Sprintf("[dalog: %d bytes expired before they were searched]\n", res.Missing)
	}
	return ""
}

func orNull(offset int64) string {
	if offset < 0 {
		return "null"
	}
	return strconv.FormatInt(offset, 10)
}

// cutOff ends an answer in the middle, so that the client sees that it is not
// whole.
func (h *Handler) cutOff(w http.ResponseWriter, r *http.Request, name string, err error) int {
	h.metrics.incomplete.Inc()
	if r.Context().Err() != nil || errors.Is(err, context.Canceled) {
		h.log.Debug("search ended early: the client left", "file", name, "peer", r.RemoteAddr)
	} else {
		h.log.Error("search ended early: the file cannot be read", "file", name, "err", err)
	}
	panic(http.ErrAbortHandler)
}
