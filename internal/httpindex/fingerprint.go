package httpindex

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// What is wrong is told by one line of an event: the last one of a traceback,
// the first one of everything else. Two events are of one kind if those lines
// are alike once everything that differs from time to time is taken out of
// them: numbers, addresses, names in quotes.

// A fingerprint names a kind of error.
type fingerprint struct {
	title   string // the telling line, as it was first seen
	shape   string // the same with what varies left out
	pattern string // a regular expression that finds such lines
}

const (
	maxTitle   = 300
	maxPattern = 900 // the most that a query takes is 1 KiB
)

// headers is what programs put before what they have to say.
var headers = regexp.MustCompile(`^(?:` +
	`docassemble: ` + // log format of docassemble, whose program stands before the line already
	`|ip=\S* i=\S* uid=\S* user=\S* ` +
	`|\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,\d]*: [A-Z]+/[\w.-]+\] ` + // celery
	`|\d{4}[-/]\d\d[-/]\d\d \d\d:\d\d:\d\d[.,\d]* ` + // nginx, supervisor
	`|\[[A-Za-z]{3} [A-Za-z]{3} \d\d? [\d:.]+ \d{4}\] ` + // apache
	`|\[[a-z_]*:?(?:emerg|alert|crit|error)\] ` +
	`|\[pid \d+(?::tid \d+)?\] |\[(?:remote|client) [^\]]*\] ` +
	`|\d+#\d+: (?:\*\d+ )?` +
	`|(?:CRIT|ERRO|ERROR|CRITICAL|FATAL)[: ]+` +
	`)`)

// exception finds the line that ends a traceback, in a traceback that is one line.
var exception = regexp.MustCompile(`(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt|Timeout|NotFound|Failure|Fault|Iteration|Group)\b(?::? .*|:?$)`)

const tracebackHead = "Traceback (most recent call last):"

// fingerprintOf names the kind of the event with these lines, without what
// dalogd puts before them.
func fingerprintOf(lines []string) fingerprint {
	title := tellingLine(lines)
	shape, pattern := shapeOf(title)
	return fingerprint{title: title, shape: shape, pattern: pattern}
}

// tellingLine is the line that says what went wrong, without its header.
func tellingLine(lines []string) string {
	telling, traceback := "", false
	for _, line := range lines {
		text := withoutHeaders(line)
		if i := strings.LastIndex(text, tracebackHead); i >= 0 {
			traceback = true
			// docassemble writes a traceback as one line.
			if found := lastException(text[i+len(tracebackHead):]); found != "" {
				telling = found
			}
			continue
		}
		if telling == "" || traceback && isException(text) {
			telling = text
		}
	}
	return clip(telling, maxTitle)
}

func withoutHeaders(text string) string {
	for range 6 {
		n := len(headers.FindString(text))
		if n == 0 {
			break
		}
		text = text[n:]
	}
	return text
}

// lastException is what stands behind the code of the last frame.
func lastException(text string) string {
	if i := strings.LastIndex(text, `File "`); i >= 0 {
		text = text[i:]
	}
	return strings.TrimSpace(exception.FindString(text))
}

func isException(text string) bool {
	at := exception.FindStringIndex(text)
	return at != nil && at[0] == 0
}

// varying is what differs between two events of one kind. The order counts:
// the first alternative that fits is taken.
var varying = regexp.MustCompile(strings.Join([]string{
	`"[^"]{0,200}"`, `'[^']{0,200}'`, // names in quotes
	`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`,                                       // mail addresses
	`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{22}`,                     // UUIDs
	`[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){3,7}`,                         // IPv6
	`0x[0-9a-fA-F]+`,                                                     // addresses of memory
	`(?:https?://|unix:|/)[\w.%~:/?#@!$&*+,;=-]*/[\w.%~:/?#@!$&*+,;=-]*`, // URLs and paths
	`\b[0-9a-fA-F]{12,}\b`,                                               // hashes
	`[\w.-]*\d[\w.-]*`,                                                   // whatever has a digit: numbers, addresses, versions
}, "|"))

// shapeOf leaves out of a line what varies.
func shapeOf(line string) (shape, pattern string) {
	var s, p strings.Builder
	at := 0
	full := false
	for _, m := range varying.FindAllStringIndex(line, 100) {
		literal := line[at:m[0]]
		s.WriteString(literal)
		s.WriteString("…")
		if quoted := regexp.QuoteMeta(literal); !full && p.Len()+len(quoted)+3 < maxPattern {
			p.WriteString(quoted)
			p.WriteString(`.+?`)
		} else {
			full = true
		}
		at = m[1]
	}
	s.WriteString(line[at:])
	if quoted := regexp.QuoteMeta(line[at:]); !full && p.Len()+len(quoted) < maxPattern {
		p.WriteString(quoted)
	}
	return s.String(), p.String()
}

// clip shortens s to at most n bytes, between two characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
