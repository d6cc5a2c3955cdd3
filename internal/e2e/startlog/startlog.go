// Package startlog reads the lines by which dalogd tells that it has started.
package startlog

import "regexp"

var (
	listening = regexp.MustCompile(`msg="?listening"? .*\bkind=(\w+) .*\baddr="?([^" ]+)`)
	ready     = regexp.MustCompile(`msg="?ready"?`)
)

// Listening is the listener that a line reports: "tcp", "udp" or "http", and
// its address.
func Listening(line string) (kind, addr string, ok bool) {
	m := listening.FindStringSubmatch(line)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// Ready says whether a line tells that all listeners are open.
func Ready(line string) bool { return ready.MatchString(line) }
