package main

import (
	"log/slog"
	"syscall"
)

// maxLogFiles is how many log files are open at most.
const maxLogFiles = 1024

// shareDescriptors divides what the process may have open, so that neither
// connections can keep a log file from being opened, nor one peer all others
// from connecting. It lowers the limits of f where there is not enough, and
// returns how many log files may be open.
func shareDescriptors(f *flags, log *slog.Logger) (logFiles int) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return maxLogFiles
	}
	all := int(min(limit.Cur, 1<<24))
	logFiles = max(1, min(maxLogFiles, all/4))
	others := min(1024, all/4) // listeners, readers, the store's own
	connections := max(1, all-logFiles-others)
	if connections >= f.MaxConnections {
		return logFiles
	}
	log.Warn("the limit of open files allows fewer connections than --max-connections",
		"limit", all, "connections", connections, "max_connections", f.MaxConnections,
		"hint", "raise it (LimitNOFILE=, ulimit -n) or lower --max-connections")
	f.MaxConnections = connections
	f.MaxConnectionsPerPeer = min(f.MaxConnectionsPerPeer, max(1, connections/4))
	return logFiles
}
