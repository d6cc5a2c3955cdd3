package cli

import (
	"slices"
	"strings"
	"time"
)

// Reloaded is what became of the last reload. Names are API.
type Reloaded struct {
	At    time.Time `json:"at"`
	Error string    `json:"error,omitempty"`
	// Restart are the settings that changed and wait for a restart.
	Restart []string `json:"restart,omitempty"`
}

// Changes lists the settings whose values differ.
func Changes(before, now []Setting) (list []Setting) {
	for i, s := range now {
		if !slices.Equal(before[i].Values, s.Values) {
			list = append(list, s)
		}
	}
	return list
}

// Describe tells the settings and their values in a line.
func Describe(settings []Setting) string {
	var texts []string
	for _, s := range settings {
		texts = append(texts, s.Name+": "+s.Value())
	}
	return strings.Join(texts, "; ")
}
