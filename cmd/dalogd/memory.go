package main

import (
	"runtime/debug"

	"github.com/dalog-project/dalog/internal/cli"
)

// maxUncommitted is the budget for lines that are taken and not yet in their files.
// With few files they are written after 256 KiB of each; with a thousand it takes
// this much for a write to a file to be worth its while.
const maxUncommitted = 28 << 20

// Garbage may be twice what is in use as long as all memory together stays below
// memoryLimit, in bytes; above it is collected as often as that takes. At full load
// the budgets, some 55 MB in all, are in use, most of it buffers that are used again:
// a limit lets the collector run a quarter as often as a low percentage that bounds
// the memory beside hostile peers would.
const (
	garbagePercent = 200
	memoryLimit    = 80 << 20
)

// limitMemory sets the pace of the garbage collector, unless the environment does by
// the variables that are the Go runtime's own.
func limitMemory(env cli.Environment) {
	if env["GOGC"] == "" {
		debug.SetGCPercent(garbagePercent)
	}
	if env["GOMEMLIMIT"] == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
