package httpindex

import (
	"os"
	"path/filepath"
	"strings"
)

// localZone finds the IANA name of the system's time zone the way the C
// library does: by where /etc/localtime leads.
func localZone() string {
	const unknown = "UTC"
	target, err := filepath.EvalSymlinks("/etc/localtime")
	if err != nil {
		if name, err := os.ReadFile("/etc/timezone"); err == nil && len(name) < 64 {
			return strings.TrimSpace(string(name))
		}
		return unknown
	}
	_, name, found := strings.Cut(target, "/zoneinfo/")
	if !found {
		return unknown
	}
	return strings.TrimPrefix(name, "posix/")
}
