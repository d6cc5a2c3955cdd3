package httpindex

import (
	"io"
	"io/fs"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	zipPath    = "/archive.zip"
	tarPath    = "/archive.tar.zst"
	maxAtOnce  = 2 // archives under way
	copyBuffer = 256 << 10
)

var archiveNames = slices.Concat([]string{"file", "context", "before", "after", "events"}, filterNames)

// An archiver writes the members of an archive, one after the other.
type archiver interface {
	// add begins a member of size bytes and ends the one before. Where
	// wantsSize is false, size does not count.
	add(name string, size int64, modified time.Time) (io.Writer, error)
	wantsSize() bool
	close() error
}

// manifest is the last member: what the archive holds. An archive without it is
// not whole.
type manifest struct {
	Host  string      `json:"host,omitempty"`
	Made  time.Time   `json:"made"`
	Query string      `json:"query"` // of the URL; empty = all files, whole
	Files []*archived `json:"files"`
}

// archived is one log file in an archive.
type archived struct {
	Name    string `json:"name"`
	Start   int64  `json:"start"` // offset of the first byte that there was to look at
	End     int64  `json:"end"`   // and behind the last one
	First   *int64 `json:"first,omitempty"`
	Last    *int64 `json:"last,omitempty"` // offsets of the first and last line that filters left
	Lines   int64  `json:"lines"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256,omitempty"`  // of the member; there is none where filters left nothing
	Missing int64  `json:"missing,omitempty"` // bytes between start and end that were not there any more
	Note    string `json:"note,omitempty"`
}

// archive answers GET /archive.zip and /archive.tar.zst: log files, each with
// its closed parts as one text, or the lines of them that filters leave. It is
// made while it is sent; if that fails half way, the connection is cut, and there is no
// manifest.
func (h *Handler) archive(w http.ResponseWriter, r *http.Request) int {
	values, err := parseQuery(r, archiveNames...)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	names, err := parseNames(values, "file")
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	filtered := len(values) > 1 || len(values) == 1 && !values.Has("file")
	now := time.Now()
	q, err := h.parseSearch(r, values, now)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	q.Limit = 0 // whatever Accept says
	logs := h.logs(r)
	if names, err = archiveFiles(logs, names); err != nil {
		return h.notOpenedAny(w, false, err)
	}
	select {
	case h.archives <- struct{}{}:
		defer func() { <-h.archives }()
	default:
		w.Header().Set("Retry-After", "30")
		return fail(w, http.StatusTooManyRequests, "other archives are being made: try again in half a minute")
	}

	folder := "dalog-"
	if host := nameBytes(h.cfg.Hostname); host != "" {
		folder += host + "-"
	}
	folder += now.UTC().Format("20060102T150405Z")
	isZip := strings.HasSuffix(r.URL.Path, ".zip")
	extension, contentType := ".tar.zst", "application/zstd"
	if isZip {
		extension, contentType = ".zip", "application/zip"
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": folder + extension}))
	if r.Method == http.MethodHead {
		return headOnly(w)
	}
	a := &archiving{
		ctx: r.Context(), logs: logs, folder: folder, query: q.Query, filtered: filtered,
		manifest: manifest{Host: h.cfg.Hostname, Made: now.UTC().Truncate(time.Millisecond), Query: r.URL.RawQuery, Files: []*archived{}},
	}
	out := newPatientWriter(w)
	if isZip {
		a.out = newZip(out)
	} else if a.out, err = newTar(out); err != nil {
		return h.unreadable(w, "the archive", err)
	}
	err = a.write(names)
	if err == nil {
		err = out.Flush()
		setDeadline(out.conn.control, answerTimeout) // for what the server has still to send
	}
	if err != nil && out.conn.sent == 0 && r.Context().Err() == nil {
		header.Del("Content-Disposition")
		return h.unreadable(w, "the archive", err)
	}
	if err != nil {
		return h.cutOff(w, r, "archive", err)
	}
	return http.StatusOK
}

// nameBytes keeps of s what may stand in a name of a file.
func nameBytes(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-", r)) {
			return r
		}
		return '-'
	}, s)
}

// archiveFiles are the files that are asked for, which must exist, or all.
// Closed parts are within the files that they are parts of.
func archiveFiles(logs Logs, names []string) ([]string, error) {
	list, err := logs.List()
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(list))
	var all []string
	for _, f := range list {
		if reserved[f.Name] {
			continue
		}
		known[f.Name] = true
		if f.PartOf == "" {
			all = append(all, f.Name)
		}
	}
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		if !known[name] {
			return nil, &nameError{name, fs.ErrNotExist}
		}
	}
	return names, nil
}
