// Package httpindex shows the log files over HTTP: the list as text, HTML or
// JSON, and each file as text, whole, in ranges or its last lines.
//
// The promise to the caller: what docassemble's Logs page, curl and a browser
// ask for is answered on the same URLs; a file answer has exactly
// Content-Length bytes and ends at the end of a line, however fast the file
// grows meanwhile; nothing but the names that [Logs] lists can be read; an
// error is a status of its own and one line of text, never a 200. It does not
// know how lines arrive.
//
// The URLs (routes.go is the complete table):
//
//	GET /                        the names, one a line; text/html and application/json by Accept or ?format=
//	GET /NAME                    the file; ?n=30 its last 30 lines, ?download=1 to be saved by a browser;
//	                             ?grep=, ?since= and so on (find.go) the lines that are wanted
//	GET /search                  the same over several files, by time
//	GET /histogram               how many lines there are, by time and level
//	GET /archive.zip, .tar.zst   log files whole, or the lines that are wanted
//	GET /openapi.yaml            all this for programs
//	GET /listlog, any path/      the list again
//	GET /listlog/health_check    "OK" in HTML; ?ready=1 answers 400 until the ready file exists
//	GET /healthz, /readyz        one line for probes
//	GET /metrics                 counters
//
// The names of these pages (reserved in routes.go) are theirs: a log file called so
// is not listed. Pages of a person
// lie below "/-/", which no file name can begin with.
package httpindex
