package main

import (
	"log/slog"
	"syscall"
)

// maxLogFiles is how many log files are open at most.
const maxLogFiles = 1024

// maxReaders is how many HTTP connections there are at most, unless told.
const maxReaders = 10_000

// shareDescriptors divides what the process may have open, so that neither
// connections can keep a log file from being opened, nor one peer all others
// from connecting. It lowers the limits of f where there is not enough, and
// returns how many log files may be open.
func shareDescriptors(f *flags, log *slog.Logger) (logFiles int) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		limit.Cur = 1024
	}
	all := int(min(limit.Cur, 1<<24))
	logFiles = max(1, min(maxLogFiles, all/4))
	readers := max(1, min(maxReaders, all/8))
	if f.HTTPMax > readers {
		log.Warn("the limit of open files allows fewer connections than --http-max", "limit", all, "connections", readers, "http_max", f.HTTPMax)
	}
	if f.HTTPMax == 0 || f.HTTPMax > readers {
		f.HTTPMax = readers
	}
	if f.HTTPMaxOfPeer == 0 {
		f.HTTPMaxOfPeer = max(1, f.HTTPMax/4)
	}
	others := 2*f.HTTPMax + min(256, all/8) // each reader has a file open; listeners, the store's own
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
