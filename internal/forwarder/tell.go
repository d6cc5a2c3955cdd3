package forwarder

import (
	"context"
	"log/slog"

	"github.com/dalog-project/dalog/internal/tail"
)

// tell logs what happens to the files.
func (f *Forwarder) tell(e tail.Event) {
	level, text := slog.LevelInfo, ""
	attrs := []any{"path", e.Path}
	if e.Name != "" && e.Name != e.Path {
		attrs = append(attrs, "file", e.Name)
	}
	switch e.Kind {
	case tail.FileFound:
		text = "new file"
		attrs = append(attrs, "offset", e.Offset)
	case tail.FileResumed:
		text = "going on with file"
		attrs = append(attrs, "offset", e.Offset)
	case tail.FileMissed:
		text = "found a file that was rotated away before it was seen"
	case tail.FileRotated:
		text = "file was rotated; its rest is still read"
		attrs = append(attrs, "offset", e.Offset)
	case tail.FileTruncated:
		text = "file has new content; reading it from the beginning"
		attrs = append(attrs, "offset", e.Offset)
		f.counters.truncated.Add(1)
		if e.Unread > 0 {
			level, text = slog.LevelWarn, "file was truncated before all was read, and no copy of it was found"
			attrs = append(attrs, "lost_bytes", e.Unread)
			f.counters.lostBytes.Add(uint64(e.Unread))
		}
	case tail.CopyFound:
		text = "reading the rest of a truncated file from its copy"
		attrs = append(attrs, "offset", e.Offset)
	case tail.FileLost:
		text = "a file is gone; all that was seen of it had been delivered"
		attrs = append(attrs, "offset", e.Offset)
		if e.Unread > 0 {
			level, text = slog.LevelWarn, "a file is gone before all of it was delivered, and was found under no other name"
			attrs = append(attrs, "lost_bytes", e.Unread)
			f.counters.lostBytes.Add(uint64(e.Unread))
		}
	case tail.FileGivenUp:
		level, text = slog.LevelWarn, "a deleted file that was not delivered is given up: such files take more room than they may"
		attrs = append(attrs, "lost_bytes", e.Unread, "limit", f.cfg.HoldDeleted)
		f.counters.lostBytes.Add(uint64(e.Unread))
	case tail.FileForked:
		text = "file goes on as a new source"
		attrs = append(attrs, "offset", e.Offset)
	case tail.FileClosed:
		level, text = slog.LevelDebug, "rotated file is done"
		attrs = append(attrs, "size", e.Offset)
	case tail.PinFailed:
		level, text = slog.LevelWarn, "the file cannot be given a second name; should it be deleted while dalogfwd is away, what is unread of it is lost"
	case tail.PathUnusable:
		level, text = slog.LevelWarn, "cannot follow; trying again"
	case tail.ReadFailed:
		level, text = slog.LevelWarn, "cannot read; trying again"
		attrs = append(attrs, "offset", e.Offset)
	case tail.MemoryFailed:
		level, text, attrs = slog.LevelError, "new files wait: they cannot be registered", nil
	case tail.HintsOff:
		level, text, attrs = slog.LevelInfo, "inotify cannot be used; files are polled", nil
	}
	if e.Err != nil {
		attrs = append(attrs, "error", e.Err)
	}
	f.cfg.Log.Log(context.Background(), level, text, attrs...)
}
