package main

import (
	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/httpindex"
	"github.com/dalog-project/dalog/internal/logstore"
	"github.com/dalog-project/dalog/internal/syslogsrv"
)

// intake gathers for the pages' board what receiver, store and disk tell.
func intake(receiver *syslogsrv.Server, store *logstore.Store, logDir string) func() httpindex.Intake {
	return func() httpindex.Intake {
		received, stored := receiver.Stats(), store.Stats()
		in := httpindex.Intake{
			Refused: make(map[string]uint64, len(received.Refused)),
			Dropped: received.KernelDrops + received.Lost,
			Disk:    httpindex.Disk{Parts: stored.PartBytes},
		}
		for reason, n := range received.Refused {
			if n > 0 {
				in.Refused[reason.String()] = n
			}
		}
		in.Sources = listSources(receiver, store)
		if files, err := store.List(); err == nil {
			for _, f := range files {
				if f.PartOf == "" {
					in.Disk.Files += f.Size
				}
			}
		}
		var fs unix.Statfs_t
		if unix.Statfs(logDir, &fs) == nil { // without it the board has no disk
			in.Disk.Free, in.Disk.Total = fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize)
		}
		return in
	}
}
