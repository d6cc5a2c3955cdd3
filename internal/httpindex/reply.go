package httpindex

import (
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

const (
	textType = "text/plain; charset=utf-8"
	htmlType = "text/html; charset=utf-8"
	jsonType = "application/json"
)

// reply sends a small answer whole and returns its status. The client has the time
// that allowTime gives.
func reply(w http.ResponseWriter, status int, contentType string, body []byte) int {
	allowTime(w, int64(len(body)))
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// An error means that the client left; there is nobody to tell. For HEAD
	// the server drops the body.
	_, _ = w.Write(body)
	return status
}

// headOnly answers HEAD where the body would take long to find, and returns its status.
func headOnly(w http.ResponseWriter) int {
	allowTime(w, 0)
	w.WriteHeader(http.StatusOK)
	return http.StatusOK
}

// fail answers with an error: its status and one line of text.
func fail(w http.ResponseWriter, status int, text string) int {
	w.Header().Set("Cache-Control", "no-store")
	return reply(w, status, textType, []byte(oneLine(text)+"\n"))
}

// failAs answers with an error as JSON where that was asked for.
func failAs(w http.ResponseWriter, json bool, status int, text string) int {
	if !json {
		return fail(w, status, text)
	}
	w.Header().Set("Cache-Control", "no-store")
	return reply(w, status, jsonType, append(appendJSONString([]byte(`{"error":`), oneLine(text)), "}\n"...))
}

func notFound(w http.ResponseWriter, r *http.Request) int {
	return fail(w, http.StatusNotFound, "no such file: "+quote(r.URL.Path)+" - GET / lists the files")
}

func notAllowed(w http.ResponseWriter, r *http.Request) int {
	w.Header().Set("Allow", "GET, HEAD")
	return fail(w, http.StatusMethodNotAllowed, "everything here is read only: use GET or HEAD")
}

// quote makes what a client sent fit to be shown in an error: printable
// ASCII, and not the whole of it if it is long.
func quote(s string) string {
	const most = 200
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// oneLine replaces what would not print as part of one line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
