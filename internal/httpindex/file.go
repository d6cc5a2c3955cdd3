package httpindex

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

// maxLines is the most that ?n= takes.
const maxLines = 1_000_000

// maxName is the longest name of a file, in bytes, that Linux has.
const maxName = 255

// fileQuery is what a file can be asked for as it is: whole or its last lines.
type fileQuery struct {
	lines    int // the last lines only; 0 = all
	download bool
}

// parseFileQuery reads it. plain: nothing else is asked for.
func parseFileQuery(values url.Values) (q fileQuery, plain bool, err error) {
	n, err := parseNumber(values, "n", "a number of lines", 1, maxLines, 0)
	if err != nil {
		return q, false, err
	}
	q.lines = int(n)
	if q.download, err = parseSwitch(values, "download"); err != nil {
		return q, false, err
	}
	others := len(values)
	for _, name := range []string{"n", "download"} {
		if values.Has(name) {
			others--
		}
	}
	return q, others == 0, nil
}

// file answers GET /NAME.
func (h *Handler) file(w http.ResponseWriter, r *http.Request) int {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if !plainPath(r.URL) || strings.Contains(name, "/") || len(name) > maxName || reserved[name] {
		return notFound(w, r)
	}
	values, err := parseQuery(r, fileNames...)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	follow, err := parseFollow(values)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	if follow {
		return h.follow(w, r, []string{name}, values)
	}
	values.Del("follow")
	q, plain, err := parseFileQuery(values)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	switch {
	case !plain:
		return coded(func(w http.ResponseWriter, r *http.Request) int { return h.find(w, r, name, values) })(w, r)
	case q.lines > 0:
		return h.lastLines(w, r, name, q)
	}
	snap, err := h.logs(r).OpenFile(name)
	if err != nil {
		return h.notOpened(w, r, name, err)
	}
	defer snap.Close()
	return h.sendFile(w, r, q, sending{
		name: name, body: bodyOf(snap, 0), size: snap.Size, etag: snap.ETag(), modified: snap.ModTime, start: snap.Start,
	})
}

// lastLines answers GET /NAME?n=: the last lines of a file and, where that does
// not have as many, of its closed parts.
func (h *Handler) lastLines(w http.ResponseWriter, r *http.Request, name string, q fileQuery) int {
	t, err := h.logs(r).OpenText(name)
	if err != nil {
		return h.notOpened(w, r, name, err)
	}
	defer t.Close()
	start, err := t.LastLines(q.lines)
	if err != nil {
		return h.unreadable(w, name, err)
	}
	s := sending{name: name, size: t.End() - start, etag: tailTag(t.ETag(), q.lines), modified: t.ModTime(), start: start}
	if snap := t.Active(); snap != nil && start >= snap.Start {
		s.body = bodyOf(snap, start-snap.Start)
	} else {
		s.body = &text{SectionReader: io.NewSectionReader(t, start, s.size)}
	}
	return h.sendFile(w, r, q, s)
}

// notOpened answers for a file that cannot be opened.
func (h *Handler) notOpened(w http.ResponseWriter, r *http.Request, name string, err error) int {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return notFound(w, r)
	case errors.Is(err, logstore.ErrNotText):
		return fail(w, http.StatusBadRequest, quote(name)+": "+err.Error())
	}
	return h.unreadable(w, name, err)
}

// sending is what is sent of a file with a known length.
type sending struct {
	name     string
	body     body
	size     int64
	etag     string
	modified time.Time
	start    int64 // offset of the first byte
}

// sendFile answers with a body of known length, or ranges of it.
func (h *Handler) sendFile(w http.ResponseWriter, r *http.Request, q fileQuery, s sending) int {
	allowTime(w, s.size)
	header := w.Header()
	header.Set("Content-Type", typeOf(s.name))
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", s.etag)
	if q.download {
		header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": s.name}))
	}
	cleanRange(r.Header)
	uncork := cork(r, s.size)
	http.ServeContent(w, r, "", stampModified(header, s.modified, time.Now()), s.body)
	uncork()

	status := sentStatus(header)
	finished, err := s.body.finished()
	if status == http.StatusOK && r.Method == http.MethodGet && !finished {
		h.metrics.incomplete.Inc()
		h.log.Debug("file answer ended early: the client left, or the file was cut meanwhile", "file", s.name, "size", s.size, "peer", r.RemoteAddr)
	}
	if err != nil {
		h.log.Error("file answer ended early: the file cannot be read", "file", s.name, "start", s.start, "err", err)
	}
	return status
}

func (h *Handler) unreadable(w http.ResponseWriter, name string, err error) int {
	h.log.Error("cannot read a log file", "file", name, "err", err)
	return fail(w, http.StatusInternalServerError, quote(name)+" cannot be read: "+err.Error())
}

// cleanRange changes in Range what http.ServeContent answers wrongly: a unit
// that it does not know, which RFC 9110 section 14.2 wants ignored, a unit in
// capitals, and the last 0 bytes, which nothing satisfies (section 14.1.2) and
// for which there is no Content-Range.
func cleanRange(header http.Header) {
	unit, set, _ := strings.Cut(header.Get("Range"), "=")
	if !strings.EqualFold(unit, "bytes") {
		header.Del("Range")
		return
	}
	ranges := slices.DeleteFunc(strings.Split(set, ","), isEmptySuffix)
	if len(ranges) == 0 {
		ranges = []string{strconv.FormatInt(math.MaxInt64, 10) + "-"} // behind every end
	}
	header.Set("Range", "bytes="+strings.Join(ranges, ","))
}

// isEmptySuffix recognises "-0".
func isEmptySuffix(spec string) bool {
	digits, suffix := strings.CutPrefix(strings.TrimSpace(spec), "-")
	return suffix && digits != "" && strings.Trim(digits, "0") == ""
}

// typeOf gives the media type: log files are text, which a browser shows;
// what is compressed, and so not cut at a line end by the store, is for saving.
func typeOf(name string) string {
	switch path.Ext(name) {
	case ".gz", ".zst", ".xz", ".bz2", ".zip", ".lz4":
		return "application/octet-stream"
	}
	return textType
}

// tailTag is the ETag of the last lines of what has the strong ETag etag.
func tailTag(etag string, lines int) string {
	return strings.TrimSuffix(etag, `"`) + "-n" + strconv.Itoa(lines) + `"`
}

// stampModified sets Last-Modified and returns the time for http.ServeContent
// to compare with If-Modified-Since, zero if it must not.
//
// HTTP dates have whole seconds, and a log changes many times in one. The time
// of change is therefore rounded up, so that a copy of the same second never
// counts as fresh; while that lies ahead, nothing is fresh, and the date that
// is shown is the present, as RFC 9110 section 8.8.2.1 wants it.
func stampModified(header http.Header, changed, now time.Time) time.Time {
	modified := changed.Truncate(time.Second)
	if modified.Before(changed) {
		modified = modified.Add(time.Second)
	}
	if modified.After(now) {
		header.Set("Last-Modified", now.UTC().Format(http.TimeFormat))
		return time.Time{}
	}
	return modified
}

// sentStatus finds out which status http.ServeContent sent from the header it
// left behind; the writer itself cannot be asked.
func sentStatus(header http.Header) int {
	contentRange, contentType := header.Get("Content-Range"), header.Get("Content-Type")
	switch {
	case strings.HasPrefix(contentRange, "bytes */"):
		return http.StatusRequestedRangeNotSatisfiable
	case contentRange != "" || strings.HasPrefix(contentType, "multipart/byteranges"):
		return http.StatusPartialContent
	case header.Get("Content-Length") != "":
		return http.StatusOK
	case contentType == "":
		return http.StatusNotModified
	default:
		return http.StatusPreconditionFailed
	}
}
