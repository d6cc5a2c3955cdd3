package httpindex

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/logstore"
)

// listQuery is what the list can be asked for.
type listQuery struct {
	form form
}

func parseListQuery(r *http.Request) (listQuery, error) {
	values, err := parseQuery(r, "format")
	if err != nil {
		return listQuery{}, err
	}
	if !values.Has("format") {
		return listQuery{form: negotiate(r.Header["Accept"])}, nil
	}
	switch given := values.Get("format"); given {
	case "text":
		return listQuery{form: formText}, nil
	case "html":
		return listQuery{form: formHTML}, nil
	case "json":
		return listQuery{form: formJSON}, nil
	default:
		return listQuery{}, fmt.Errorf("format=%s: give text, html or json", quote(given))
	}
}

// list answers GET / and what else stands for the list.
func (h *Handler) list(w http.ResponseWriter, r *http.Request) int {
	if !plainPath(r.URL) {
		return fail(w, http.StatusBadRequest, "not a path of this server: "+quote(r.URL.Path)+" - GET / lists the files")
	}
	w.Header().Add("Vary", "Accept")
	q, err := parseListQuery(r)
	if err != nil {
		return fail(w, http.StatusBadRequest, err.Error())
	}
	files, err := h.logs(r).List()
	if err != nil {
		h.log.Error("cannot list the log files", "err", err)
		if q.form == formHTML {
			return h.listHTML(w, r, http.StatusInternalServerError, nil, oneLine(err.Error()))
		}
		return fail(w, http.StatusInternalServerError, "the list of files cannot be read: "+err.Error())
	}
	files = slices.DeleteFunc(slices.Clone(files), func(f logstore.FileInfo) bool { return reserved[f.Name] })

	w.Header().Set("Cache-Control", "no-cache")
	switch q.form {
	case formHTML:
		return h.listHTML(w, r, http.StatusOK, files, "")
	case formJSON:
		return reply(w, http.StatusOK, jsonType, appendJSON(make([]byte, 0, 128*(len(files)+1)), files))
	default:
		return reply(w, http.StatusOK, textType, appendNames(make([]byte, 0, 32*(len(files)+1)), files))
	}
}

// plainPath tells whether a path is free of the means by which one reaches out
// of a folder or into hidden ones: parts that begin with a dot, encoded
// slashes, and bytes that no file name here has.
func plainPath(u *url.URL) bool {
	if u.RawPath != "" && strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		return false
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if strings.HasPrefix(part, ".") {
			return false
		}
	}
	return strings.IndexFunc(u.Path, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' || r == '%' }) < 0
}

// appendNames writes one name a line. docassemble's page splits at LF and
// drops what is empty, and programs that read lines want the last one ended.
func appendNames(buf []byte, files []logstore.FileInfo) []byte {
	for _, f := range files {
		buf = append(buf, f.Name...)
		buf = append(buf, '\n')
	}
	return buf
}

// appendJSON writes an array of
//
//	{"name":"worker.log","size":123,"start":1000,"end":1123,"modified":"2026-11-23T13:27:00Z","first":0,"parts":2}
//
// size is in bytes that can be read now; start and end are the offsets of the
// first of them and behind the last, counted from the first byte the file ever
// held; modified is the time of the last change in UTC (RFC 3339). A file with
// closed parts has their number and the offset of the first byte that is left
// in them as well; a part has "part_of":"worker.log" instead.
func appendJSON(buf []byte, files []logstore.FileInfo) []byte {
	type whole struct {
		parts int
		first int64
	}
	wholes := make(map[string]whole)
	for _, f := range files {
		if f.PartOf != "" {
			w, ok := wholes[f.PartOf]
			if !ok || f.Start < w.first {
				w.first = f.Start
			}
			w.parts++
			wholes[f.PartOf] = w
		}
	}
	buf = append(buf, '[')
	for i, f := range files {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, "\n{\"name\":"...)
		buf = appendJSONString(buf, f.Name)
		buf = append(buf, ",\"size\":"...)
		buf = strconv.AppendInt(buf, f.Size, 10)
		buf = append(buf, ",\"start\":"...)
		buf = strconv.AppendInt(buf, f.Start, 10)
		buf = append(buf, ",\"end\":"...)
		buf = strconv.AppendInt(buf, f.Start+f.Size, 10)
		buf = append(buf, ",\"modified\":\""...)
		buf = f.ModTime.UTC().AppendFormat(buf, time.RFC3339Nano)
		buf = append(buf, '"')
		if w, ok := wholes[f.Name]; ok {
			buf = append(buf, ",\"first\":"...)
			buf = strconv.AppendInt(buf, w.first, 10)
			buf = append(buf, ",\"parts\":"...)
			buf = strconv.AppendInt(buf, int64(w.parts), 10)
		}
		if f.PartOf != "" {
			buf = append(buf, ",\"part_of\":"...)
			buf = appendJSONString(buf, f.PartOf)
		}
		buf = append(buf, '}')
	}
	return append(buf, "\n]\n"...)
}

// appendJSONString writes s as a JSON string (RFC 8259 section 7); bytes that
// are not UTF-8 become U+FFFD.
func appendJSONString(buf []byte, s string) []byte {
	buf = append(buf, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			buf = append(buf, '\\', byte(r))
		case r < ' ':
			buf = fmt.Appendf(buf, "\\u%04x", r)
		default:
			buf = append(buf, string(r)...)
		}
	}
	return append(buf, '"')
}
