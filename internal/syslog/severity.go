package syslog

import (
	"fmt"
	"slices"
	"strings"
)

// severities by name; the index is the number (RFC 5424, section 6.2.1).
var severities = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

var severityAliases = map[string]string{
	"emergency": "emerg", "panic": "emerg", "critical": "crit", "error": "err", "warn": "warning", "informational": "info",
}

// SeverityName is the name of a severity, 0 to 7.
func SeverityName(severity uint8) string { return severities[severity&7] }

// ParseSeverity reads the name or the number of a severity.
func ParseSeverity(s string) (uint8, error) {
	name := strings.ToLower(s)
	if full, ok := severityAliases[name]; ok {
		name = full
	}
	if i := slices.Index(severities, name); i >= 0 {
		return uint8(i), nil
	}
	if len(s) == 1 && s[0] >= '0' && s[0] <= '7' {
		return s[0] - '0', nil
	}
	return 0, fmt.Errorf("severity %q is none of %s or 0 to 7", s, strings.Join(severities, ", "))
}
