package httpindex

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
)

const okPage = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>OK</title></head>\n<body><p>OK</p></body>\n</html>\n"

// healthCheck answers docassemble's own probes: it says that the server
// answers; with ?ready=1, that the host is ready for users. Parameters it does
// not know change nothing, as probes may add some against caches.
func (h *Handler) healthCheck(w http.ResponseWriter, r *http.Request) int {
	if ready := r.URL.Query().Get("ready"); ready != "" && ready != "0" {
		if err := h.ready(); err != nil {
			return fail(w, http.StatusBadRequest, err.Error())
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	return reply(w, http.StatusOK, htmlType, []byte(okPage))
}

// healthz says whether messages are taken and the files can be listed.
func (h *Handler) healthz(w http.ResponseWriter, _ *http.Request) int {
	return health(w, h.healthy())
}

// readyz says whether this is so and the host is ready for users.
func (h *Handler) readyz(w http.ResponseWriter, _ *http.Request) int {
	err := h.healthy()
	if err == nil {
		err = h.ready()
	}
	return health(w, err)
}

func health(w http.ResponseWriter, err error) int {
	if err != nil {
		return fail(w, http.StatusServiceUnavailable, err.Error())
	}
	w.Header().Set("Cache-Control", "no-store")
	return reply(w, http.StatusOK, textType, []byte("ok\n"))
}

func (h *Handler) healthy() error {
	if err := h.cfg.Alive(); err != nil {
		return fmt.Errorf("no messages are taken: %w", err)
	}
	if _, err := h.everything.List(); err != nil {
		return fmt.Errorf("the list of files cannot be read: %w", err)
	}
	return nil
}

func (h *Handler) ready() error {
	if h.cfg.ReadyFile == "" {
		return nil
	}
	_, err := os.Stat(h.cfg.ReadyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("not ready: %s does not exist yet", h.cfg.ReadyFile)
	}
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	return nil
}
