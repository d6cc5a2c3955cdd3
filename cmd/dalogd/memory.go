package main

import (
	"runtime/debug"

	"github.com/dalog-project/dalog/internal/cli"
)

// maxUncommitted is the budget for lines that are taken and not yet in their
// files: twenty milliseconds at the highest rate there is, since files are
// written to every ten.
const maxUncommitted = 16 << 20

// garbagePercent is how much garbage there may be beside what is in use. At full
// load that is the budgets, some 45 MB in all, most of it buffers that are used
// again and have no pointers in them: to collect more often than by default
// costs nothing that could be measured, and saves as much as they take.
const garbagePercent = 50

// limitMemory sets the pace of the garbage collector, unless the environment
// does by the variable that is the Go runtime's own.
func limitMemory(env cli.Environment) {
	if env["GOGC"] == "" {
		debug.SetGCPercent(garbagePercent)
	}
}
