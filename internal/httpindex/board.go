package httpindex

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Intake is what the one who receives and stores tells of it.
type Intake struct {
	Refused map[string]uint64 // connections and messages, by reason
	Dropped uint64            // messages that are lost: dropped by the kernel, or not taken by the store
	Sources []SourceState
	Disk    Disk
}

// SourceState is a file on an app server whose delivery is confirmed: its bytes
// from First to Committed are here, but for those that were skipped. The names
// are API.
type SourceState struct {
	Peer string `json:"peer"` // name in its certificate; empty without one
	Addr string `json:"addr"` // of the sender
	Host string `json:"host"` // with Path empty for a source that was not seen since dalogd started
	Path string `json:"path"` // at the sender
	// Source is the beginning of the source's id: who knows all of it may send for
	// it.
	Source    string    `json:"source"`
	First     int64     `json:"first"`         // offset of the first byte that is stored
	Committed int64     `json:"committed"`     // offset behind the last one
	Skipped   int64     `json:"skipped_bytes"` // between the two, left out by the sender on purpose
	LastSeen  time.Time `json:"last_seen"`     // the last batch
	Connected bool      `json:"connected"`
}

// maxSources is how many sources the board has at most.
const maxSources = 1000

// Disk is the room where the log files are, in bytes.
type Disk struct {
	Free  uint64 `json:"free"`
	Total uint64 `json:"total"`
	Files int64  `json:"files"` // active files
	Parts int64  `json:"parts"` // closed parts, on the disk
}

// boardAnswer is the JSON of the board.
type boardAnswer struct {
	Hosts   []writerState     `json:"hosts"`
	Limited string            `json:"limited"`           // "time" where not everything new was looked at yet
	Sources []SourceState     `json:"sources,omitempty"` // those with bytes missing first, then the latest
	Number  int               `json:"sources_total,omitempty"`
	Refused map[string]uint64 `json:"refused,omitempty"`
	Dropped *uint64           `json:"dropped,omitempty"`
	Disk    *Disk             `json:"disk,omitempty"`
}

type writerState struct {
	Host    string    `json:"host"`
	Program string    `json:"program"`
	File    string    `json:"file"`
	Last    time.Time `json:"last"`
	Every   *float64  `json:"every"` // seconds between its lines, usually; null = not known yet
	Silent  bool      `json:"silent"`
}

// board answers GET /board: who has fallen silent, what was refused or lost,
// how much room is left. The counters are shown to those who may read
// everything.
func (h *Handler) board(w http.ResponseWriter, r *http.Request) int {
	if _, err := parseQuery(r); err != nil {
		return failAs(w, true, http.StatusBadRequest, err.Error())
	}
	now := time.Now()
	answer := boardAnswer{Hosts: []writerState{}}
	h.rhythms.mu.Lock()
	err := h.rhythms.look(r.Context(), h.everything, now)
	for who, rhythm := range h.rhythms.writers {
		if !h.reader(r).May(who.file) {
			continue
		}
		state := writerState{Host: who.host, Program: who.program, File: who.file, Last: rhythm.last, Silent: rhythm.silent(now)}
		if usual, known := rhythm.usual(); known {
			seconds := usual.Seconds()
			state.Every = &seconds
		}
		answer.Hosts = append(answer.Hosts, state)
	}
	if h.rhythms.partial {
		answer.Limited = "time"
	}
	h.rhythms.mu.Unlock()
	if err != nil {
		if r.Context().Err() == nil {
			h.log.Error("cannot look at the log files", "err", err)
		}
		return failAs(w, true, http.StatusInternalServerError, "the log files cannot be read: "+err.Error())
	}
	slices.SortFunc(answer.Hosts, func(a, b writerState) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Program, b.Program), cmp.Compare(a.File, b.File))
	})
	if h.cfg.Intake != nil && h.reader(r).MayAll() {
		in := h.cfg.Intake()
		answer.Refused, answer.Dropped, answer.Disk = in.Refused, &in.Dropped, &in.Disk
		slices.SortStableFunc(in.Sources, func(a, b SourceState) int {
			return cmp.Or(cmp.Compare(b.Skipped, a.Skipped), b.LastSeen.Compare(a.LastSeen))
		})
		answer.Sources, answer.Number = in.Sources[:min(len(in.Sources), maxSources)], len(in.Sources)
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return failAs(w, true, http.StatusInternalServerError, "the board cannot be written: "+err.Error())
	}
	w.Header().Set("Cache-Control", "no-store")
	return reply(w, http.StatusOK, jsonType, append(body, '\n'))
}
