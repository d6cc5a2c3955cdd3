package httpindex

import (
	_ "embed"
	"net/http"
)

//go:embed openapi.yaml
var openAPI []byte

// openapi answers GET /openapi.yaml: what there is, for programs.
func (h *Handler) openapi(w http.ResponseWriter, _ *http.Request) int {
	w.Header().Set("Cache-Control", "no-cache")
	return reply(w, http.StatusOK, "application/yaml", openAPI)
}
