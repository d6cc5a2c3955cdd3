package main

import (
	"io"
	"log/slog"
	"runtime/debug"
	"syscall"
)

// version is set by the linker in releases.
var version string

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

func newLogger(w io.Writer, f *flags) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		panic(err) // the flag's values are levels
	}
	options := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// warnDescriptors says when the limit of open files is below what the flags
// allow in connections.
func warnDescriptors(log *slog.Logger, f *flags) {
	const others = 1200 // log files, sockets, readers
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return
	}
	if need := uint64(f.MaxConnections + others); limit.Cur < need {
		log.Warn("the limit of open files is below --max-connections; connections above it will be refused",
			"limit", limit.Cur, "wanted", need, "hint", "raise it (LimitNOFILE=, ulimit -n) or lower --max-connections")
	}
}
