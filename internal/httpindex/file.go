package httpindex

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"mime"
	"net/http"
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

// fileQuery is what a file can be asked for.
type fileQuery struct {
	lines    int // the last lines only; 0 = all
	download bool
}

func parseFileQuery(r *http.Request) (fileQuery, error) {
	values, err := parseQuery(r, "n", "download")
	if err != nil {
		return fileQuery{}, err
	}
	var q fileQuery
	if values.Has("n") {
		q.lines, err = strconv.Atoi(values.Get("n"))
		if err != nil || q.lines < 1 || q.lines > maxLines {
			return fileQuery{}, fmt.Errorf("n=%s: give a number of lines from 1 to %d", quote(values.Get("n")), maxLines)
		}
	}
	q.download, err = parseSwitch(values, "download")
	return q, err
}

// file answers GET /NAME.
func (h *Handler) file(w http.ResponseWriter, r *http.Request) int {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if !plainPath(r.URL) || strings.Contains(name, "/") || len(name) > maxName || reserved[name] {
		return notFound(w, r)
	}
	q, err := parseFileQuery(r)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	snap, err := h.logs(r).OpenFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return notFound(w, r)
	}
	if err != nil {
		return h.unreadable(w, name, err)
	}
	defer snap.Close()

	start := int64(0)
	etag := snap.ETag()
	contentType := typeOf(name)
	if q.lines > 0 {
		if contentType != textType {
			return fail(w, http.StatusBadRequest, "n="+strconv.Itoa(q.lines)+": "+quote(name)+" is not text and has no lines; get it whole")
		}
		if start, err = snap.LastLines(q.lines); err != nil {
			return h.unreadable(w, name, err)
		}
		etag = tailTag(etag, q.lines)
	}
	body := bodyOf(snap, start)
	allowTime(w, snap.Size-start)

	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", etag)
	if q.download {
		header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	}
	cleanRange(r.Header)
	http.ServeContent(w, r, "", stampModified(header, snap, time.Now()), body)

	status := sentStatus(header)
	finished, err := body.finished()
	if status == http.StatusOK && r.Method == http.MethodGet && !finished {
		h.metrics.incomplete.Inc()
		h.log.Debug("file answer ended early: the client left, or the file was cut meanwhile", "file", name, "size", snap.Size-start, "peer", r.RemoteAddr)
	}
	if err != nil {
		h.log.Error("file answer ended early: the file cannot be read", "file", name, "start", snap.Start, "err", err)
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
func stampModified(header http.Header, snap *logstore.Snapshot, now time.Time) time.Time {
	modified := snap.ModTime.Truncate(time.Second)
	if modified.Before(snap.ModTime) {
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
