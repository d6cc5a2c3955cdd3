package httpindex

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

// An overview is a page that looks through files, all of them or those that are
// named, and tells of what filters leave in one JSON object.
type overview struct {
	names []string // of its parameters
	// refine reads what is its own, and may change the query.
	refine func(values url.Values, q *logstore.Query) error
	// look gives the JSON.
	look func(ctx context.Context, texts []*logstore.Text, q logstore.Query, now time.Time) ([]byte, error)
}

func (h *Handler) overview(w http.ResponseWriter, r *http.Request, o overview) int {
	values, err := parseQuery(r, o.names...)
	if err != nil {
		return failAs(w, true, http.StatusBadRequest, err.Error())
	}
	now := time.Now()
	q, err := parseFilters(values, now)
	if err != nil {
		return failAs(w, true, http.StatusBadRequest, err.Error())
	}
	if err := o.refine(values, &q); err != nil {
		return failAs(w, true, http.StatusBadRequest, err.Error())
	}
	names, err := parseNames(values, "file")
	if err != nil {
		return failAs(w, true, http.StatusBadRequest, err.Error())
	}
	done, err := h.admit(r.Context())
	if err != nil {
		return h.busy(w, true)
	}
	defer done()
	texts, err := h.openTexts(r, names)
	if err != nil {
		return h.notOpenedAny(w, true, err)
	}
	defer closeTexts(texts)
	h.bound(&q, now)

	body, err := o.look(r.Context(), texts, q, now)
	switch {
	case r.Context().Err() != nil:
		return h.cutOff(w, r, "several", r.Context().Err())
	case err != nil:
		return h.notOpenedAny(w, true, err)
	}
	w.Header().Set("Cache-Control", "no-cache")
	return reply(w, http.StatusOK, jsonType, body)
}
