package cli

import (
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
)

// LogFlags say how a program's own log looks.
type LogFlags struct {
	LogFormat string `group:"Own log, on stderr" placeholder:"FORMAT" enum:"text,json" default:"text" help:"'text' or 'json'."`
	LogLevel  string `group:"Own log, on stderr" placeholder:"LEVEL" enum:"debug,info,warn,error" default:"info" help:"'debug', 'info', 'warn' or 'error'."`
}

// Logger is the log that the flags ask for, and its level, which may be changed
// while it is in use.
func (f LogFlags) Logger(w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(f.Level())
	options := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), level
	}
	return slog.New(slog.NewTextHandler(w, options)), level
}

// Level is that of --log-level.
func (f LogFlags) Level() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		panic(err) // the flag's values are levels
	}
	return level
}

// Version of a build: what the linker set, else what the Go command knows.
func Version(set string) string {
	if set != "" {
		return set
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// versionLine is what --version prints. The commit is in the version that
// `make build` sets.
func versionLine(version string) string {
	return version + " (" + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}
