package httpindex

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// parseQuery gives the parameters of r. One that the page does not know is an
// error, so that a typing mistake does not silently give another answer than
// was meant; so is one that is given twice.
func parseQuery(r *http.Request, known ...string) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("the part of the URL after '?' cannot be read: %w", err)
	}
	for name, given := range values {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown parameter %s; known here: %s", quote(name), strings.Join(known, ", "))
		}
		if len(given) > 1 && !repeatable[name] {
			return nil, fmt.Errorf("parameter %s is given %d times", name, len(given))
		}
	}
	return values, nil
}

// parseSwitch reads a parameter that is on or off: ?name and ?name=1 are on.
func parseSwitch(values url.Values, name string) (bool, error) {
	if !values.Has(name) {
		return false, nil
	}
	switch value := values.Get(name); value {
	case "", "1", "true", "yes":
		return true, nil
	case "0", "false", "no":
		return false, nil
	default:
		return false, fmt.Errorf("%s=%s: give 1 or 0", name, quote(value))
	}
}
