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

// Parameters by which lines are chosen, on every page that looks for lines.
var filterNames = []string{"grep", "exclude", "match", "case", "invert", "host", "program", "level", "since", "until", "zone"}

// repeatable may be given several times.
var repeatable = map[string]bool{"grep": true, "exclude": true, "host": true, "program": true, "file": true}

const (
	maxPatterns = 20
	maxNames    = 200 // hosts, programs, files
	maxContext  = 1000
)

// parseFilters reads the parameters of filterNames.
func parseFilters(values url.Values, now time.Time) (q logstore.Query, err error) {
	literal, err := parseChoice(values, "match", "regex", "literal")
	if err != nil {
		return q, err
	}
	ignore, err := parseChoice(values, "case", "match", "ignore")
	if err != nil {
		return q, err
	}
	if q.Grep, err = parsePatterns(values, "grep", literal, ignore); err != nil {
		return q, err
	}
	if q.Exclude, err = parsePatterns(values, "exclude", literal, ignore); err != nil {
		return q, err
	}
	if q.Invert, err = parseSwitch(values, "invert"); err != nil {
		return q, err
	}
	if q.Hosts, err = parseNames(values, "host"); err != nil {
		return q, err
	}
	if q.Programs, err = parseNames(values, "program"); err != nil {
		return q, err
	}
	if values.Has("level") {
		if q.Level, err = logstore.ParseLevel(values.Get("level")); err != nil {
			return q, fmt.Errorf("level=%s: give debug, info, notice, warning, error or critical; lines that are at least as grave are shown", quote(values.Get("level")))
		}
	}
	return q, parseTimes(values, now, &q)
}

func parseTimes(values url.Values, now time.Time, q *logstore.Query) (err error) {
	q.Zone = time.Local
	if values.Has("zone") {
		name := values.Get("zone")
		if q.Zone, err = time.LoadLocation(name); err != nil || name == "" || strings.ContainsAny(name, `\.`) {
			return fmt.Errorf("zone=%s: give a name of the IANA time zone database, such as America/New_York or UTC", quote(name))
		}
	}
	for _, bound := range []struct {
		name string
		to   *time.Time
	}{{"since", &q.Since}, {"until", &q.Until}} {
		if values.Has(bound.name) {
			if *bound.to, err = parseWhen(values.Get(bound.name), q.Zone, now); err != nil {
				return fmt.Errorf("%s=%s: %w", bound.name, quote(values.Get(bound.name)), err)
			}
		}
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && q.Until.Before(q.Since) {
		return fmt.Errorf("until=%s is before since=%s", quote(values.Get("until")), quote(values.Get("since")))
	}
	return nil
}

// parseChoice tells whether the parameter has the second of its two values; the
// first is the default.
func parseChoice(values url.Values, name, first, second string) (bool, error) {
	if !values.Has(name) {
		return false, nil
	}
	switch value := values.Get(name); value {
	case first:
		return false, nil
	case second:
		return true, nil
	default:
		return false, fmt.Errorf("%s=%s: give %s or %s", name, quote(value), first, second)
	}
}

func parsePatterns(values url.Values, name string, literal, ignoreCase bool) (all []*logstore.Pattern, err error) {
	if len(values[name]) > maxPatterns {
		return nil, fmt.Errorf("%s is given %d times, at most %d are taken", name, len(values[name]), maxPatterns)
	}
	for _, text := range values[name] {
		if text == "" {
			continue // a form's empty field
		}
		p, err := logstore.NewPattern(text, literal, ignoreCase)
		if err != nil {
			return nil, fmt.Errorf("%s=%s: %w", name, quote(text), err)
		}
		all = append(all, p)
	}
	return all, nil
}

// parseNames reads a parameter that is repeated or a comma list.
func parseNames(values url.Values, name string) (all []string, err error) {
	for _, list := range values[name] {
		for item := range strings.SplitSeq(list, ",") {
			if item = strings.TrimSpace(item); item != "" && !slices.Contains(all, item) {
				all = append(all, item)
			}
		}
	}
	if len(all) > maxNames {
		return nil, fmt.Errorf("%s has %d names, at most %d are taken", name, len(all), maxNames)
	}
	return all, nil
}

// parseNumber reads a whole number from least to most, or gives otherwise
// where there is none.
func parseNumber(values url.Values, name, what string, least, most, otherwise int64) (int64, error) {
	if !values.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(values.Get(name), 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s=%s: give %s from %d to %d", name, quote(values.Get(name)), what, least, most)
	}
	return n, nil
}

// wants tells in which form an answer is wanted: JSON by ?format= or else by
// the Accept header.
func wantsJSON(values url.Values, r *http.Request) (bool, error) {
	if values.Has("format") {
		return parseChoice(values, "format", "text", "json")
	}
	return negotiate(r.Header["Accept"]) == formJSON, nil
}
