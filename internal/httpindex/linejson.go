package httpindex

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/dalog-project/dalog/internal/logstore"
)

// maxMatches is how many places of one pattern are shown in one line.
const maxMatches = 100

// A lineWriter writes lines as JSON objects. Not for concurrent use.
type lineWriter struct {
	reader   *logstore.LineReader
	patterns []*logstore.Pattern // whose places are shown
	cut      int                 // bytes of a line that are shown; 0 = all
}

func newLineWriter(q *search, now time.Time) *lineWriter {
	w := &lineWriter{reader: logstore.NewLineReader(q.Zone, now), cut: q.cut}
	if !q.Invert {
		w.patterns = q.Grep
	}
	return w
}

// append writes one line of file:
//
//	{"file":"worker.log","offset":12,"end":99,"time":"2026-11-23T08:27:00.123456-05:00","host":"web1","program":"celery","pid":"77",
//	 "level":"error","guessed":false,"text":"...","raw":"...","hit":true,"matches":[[3,9]]}
//
// time is there where the line has one, pid where there is one, event where it is
// not the line itself, matches where patterns were asked for, cut, the length of
// the whole line, where raw and text are not whole.
func (w *lineWriter) append(buf []byte, file string, f *logstore.Found) []byte {
	raw := f.Raw
	if w.cut > 0 && len(raw) > w.cut {
		raw = raw[:w.cut]
		for !utf8.RuneStart(f.Raw[len(raw)]) && len(raw) > w.cut-utf8.UTFMax {
			raw = raw[:len(raw)-1]
		}
	}
	c := w.reader.Columns(raw)
	level, guessed := logstore.LevelOf(c.Program, c.Text)
	buf = append(buf, `{"file":`...)
	buf = appendJSONString(buf, file)
	buf = append(buf, `,"offset":`...)
	buf = strconv.AppendInt(buf, f.Offset, 10)
	buf = append(buf, `,"end":`...)
	buf = strconv.AppendInt(buf, f.End, 10)
	if c.Time.Valid {
		buf = append(buf, `,"time":"`...)
		buf = c.Time.Time().AppendFormat(buf, "2006-01-02T15:04:05.999999999Z07:00")
		buf = append(buf, '"')
	}
	buf = append(buf, `,"host":`...)
	buf = appendJSONBytes(buf, c.Host)
	buf = append(buf, `,"program":`...)
	buf = appendJSONBytes(buf, c.Program)
	if len(c.PID) > 0 {
		buf = append(buf, `,"pid":`...)
		buf = appendJSONBytes(buf, c.PID)
	}
	buf = append(buf, `,"level":"`...)
	buf = append(buf, level.String()...)
	buf = append(buf, `","guessed":`...)
	buf = strconv.AppendBool(buf, guessed)
	buf = append(buf, `,"text":`...)
	buf = appendJSONBytes(buf, c.Text)
	buf = append(buf, `,"raw":`...)
	buf = appendJSONBytes(buf, raw)
	if len(raw) < len(f.Raw) {
		buf = append(buf, `,"cut":`...)
		buf = strconv.AppendInt(buf, int64(len(f.Raw)), 10)
	}
	buf = append(buf, `,"hit":`...)
	buf = strconv.AppendBool(buf, f.Hit)
	if f.Event != f.Offset {
		buf = append(buf, `,"event":`...)
		buf = strconv.AppendInt(buf, f.Event, 10)
	}
	if f.Hit && len(w.patterns) > 0 {
		buf = w.appendMatches(buf, raw)
	}
	return append(buf, '}')
}

func (w *lineWriter) appendMatches(buf, raw []byte) []byte {
	buf = append(buf, `,"matches":[`...)
	first := true
	for _, p := range w.patterns {
		for _, m := range p.Find(raw, maxMatches) {
			if m[0] == m[1] {
				continue
			}
			if !first {
				buf = append(buf, ',')
			}
			first = false
			buf = append(buf, '[')
			buf = strconv.AppendInt(buf, int64(m[0]), 10)
			buf = append(buf, ',')
			buf = strconv.AppendInt(buf, int64(m[1]), 10)
			buf = append(buf, ']')
		}
	}
	return append(buf, ']')
}

// appendJSONBytes writes b as a JSON string (RFC 8259 section 7); bytes that
// are not UTF-8 become U+FFFD.
func appendJSONBytes(buf, b []byte) []byte {
	buf = append(buf, '"')
	start := 0
	for i := 0; i < len(b); {
		c := b[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if r, size := utf8.DecodeRune(b[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		buf = append(buf, b[start:i]...)
		switch {
		case c == '"' || c == '\\':
			buf = append(buf, '\\', c)
		case c == '\t':
			buf = append(buf, '\\', 't')
		case c < ' ':
			const hex = "0123456789abcdef"
			buf = append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			buf = append(buf, "\ufffd"...)
		}
		i++
		start = i
	}
	buf = append(buf, b[start:]...)
	return append(buf, '"')
}
