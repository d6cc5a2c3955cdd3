package httpindex

import (
	"strconv"
	"strings"
)

// A form is a shape in which the list is given.
type form int

const (
	formText form = iota
	formHTML
	formJSON
)

// forms are the media types in the order of preference where a client likes
// several alike: programs that accept anything get text.
var forms = [...]struct{ main, sub string }{
	formText: {"text", "plain"},
	formHTML: {"text", "html"},
	formJSON: {"application", "json"},
}

// negotiate chooses the form for the lines of an Accept header, by RFC 9110
// section 12.5.1: for each form the most specific range that covers it gives
// its quality. If there is no header, or none of the forms is acceptable, it is
// text, as clients get it that know nothing of forms.
func negotiate(accept []string) form {
	var quality [len(forms)]float64
	var closeness [len(forms)]int // 0 = no range covers the form, 1 = */*, 2 = type/*, 3 = type/subtype
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			mediaRange, params, _ := strings.Cut(item, ";")
			main, sub, ok := strings.Cut(strings.TrimSpace(mediaRange), "/")
			if !ok {
				continue
			}
			q, ok := qValue(params)
			if !ok {
				continue
			}
			for i, f := range forms {
				if c := covers(main, sub, f.main, f.sub); c > closeness[i] {
					closeness[i], quality[i] = c, q
				}
			}
		}
	}
	best := formText
	for i := range forms {
		if quality[i] > quality[best] {
			best = form(i)
		}
	}
	return best
}

// covers tells how closely the range main/sub names the type.
func covers(main, sub, wantMain, wantSub string) int {
	switch {
	case strings.EqualFold(main, wantMain) && strings.EqualFold(sub, wantSub):
		return 3
	case strings.EqualFold(main, wantMain) && sub == "*":
		return 2
	case main == "*" && sub == "*":
		return 1
	}
	return 0
}

// qValue finds the weight among the parameters of a range; 1 if there is none.
// A weight that is not a number from 0 to 1 makes the range void.
func qValue(params string) (float64, bool) {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		return q, err == nil && q >= 0 && q <= 1
	}
	return 1, true
}
