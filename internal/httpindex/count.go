package httpindex

import (
	"fmt"
	"net/http"

	"github.com/dalog-project/dalog/internal/logstore"
)

// count answers with how many hits there are in all texts.
func (h *Handler) count(w http.ResponseWriter, r *http.Request, texts []*logstore.Text, q search) int {
	var sum logstore.Result
	q.Before, q.After, q.Query.Count = 0, 0, true
	limit := q.Limit
	for _, t := range texts {
		res, err := t.Scan(r.Context(), q.Query, func(*logstore.Found) error { return nil })
		if err != nil {
			return h.cutOff(w, r, t.Name, err)
		}
		sum.Hits += res.Hits
		sum.Scanned += res.Scanned
		sum.Missing += res.Missing
		if sum.Limited = res.Limited; sum.Limited != logstore.LimitNone {
			break
		}
		if limit > 0 {
			if q.Limit = limit - sum.Hits; q.Limit <= 0 {
				sum.Limited = logstore.LimitLines
				break
			}
		}
	}
	return h.counted(w, q.json, sum.Hits, sum)
}

// counted answers with a number: as text, or as
//
//	{"count":17,"limited":"","scanned":123456,"missing":0}
func (h *Handler) counted(w http.ResponseWriter, json bool, n int, res logstore.Result) int {
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	header.Set("Vary", "Accept")
	if json {
		return reply(w, http.StatusOK, jsonType, fmt.Appendf(nil, "{\"count\":%d,\"limited\":%q,\"scanned\":%d,\"missing\":%d}\n", n, res.Limited, res.Scanned, res.Missing))
	}
	header.Set(limitedTrailer, string(res.Limited))
	return reply(w, http.StatusOK, textType, fmt.Appendf(nil, "%d\n%s", n, limitNote(&res, false)))
}
