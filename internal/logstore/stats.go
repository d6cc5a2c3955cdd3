package logstore

import "sync/atomic"

// Stats is what a Store counted since Open, and how it stands.
type Stats struct {
	Messages  int64 // committed
	Lines     int64 // stored lines of those messages
	Bytes     int64 // bytes of those lines
	Truncated int64 // messages among them that were not whole when they came
	Overflow  int64 // messages among them that went to overflow.log for want of a file
	Diverted  int64 // bytes that went to overflow.log because their file could not be opened
	Groups    int64 // commits
	Syncs     int64 // fdatasync calls on log files
	Created   int64 // files that came into being
	Replaced  int64 // files found renamed or removed by somebody else
	Shrunk    int64 // files found truncated by somebody else
	Rescued   int64 // bytes written once more because somebody compressed or removed their file while they were added
	Mended    int64 // line ends added behind a partial line that somebody left
	Holds     int64 // times that something without room stopped the intake
	Failures  int64 // errors that stopped the Store for good: 0 or 1
	// Checkpoints are those made, LogBytes what went to the write-ahead log.
	Checkpoints, LogBytes int64
	Rotated               int64 // log files closed as a part
	Packed                int64 // parts compressed
	Evicted               int64 // parts removed to keep the limits

	// EvictedBytes is what those parts had on the disk.
	EvictedBytes int64

	// Gauges.
	Files       int64 // files known
	OpenFiles   int64 // held open for writing
	Uncommitted int64 // bytes taken and not yet in their files
	Parts       int64 // closed parts
	PartBytes   int64 // what they have on the disk
	Summaries   int64 // parts that have a summary, at the last look
	// TextSummaries are of stretches of files that are not compressed, at the last
	// look.
	TextSummaries int64
	Held          bool // something without room stops the intake
}

// counters are the live values of Stats.
type counters struct {
	messages, lines, bytes, truncated, overflow, diverted atomic.Int64
	checkpoints                                           atomic.Int64
	groups, syncs, created, replaced, shrunk, mended      atomic.Int64
	holds, failures, openFiles                            atomic.Int64
	rotated, packed, evictedParts, evictedBytes           atomic.Int64
	summaries, textSummaries, rescued                     atomic.Int64
}

// add counts a batch that was committed.
func (c *counters) add(b *batch) {
	c.messages.Add(int64(b.messages))
	c.lines.Add(int64(b.lines))
	c.bytes.Add(int64(len(b.data)))
	if b.truncated > 0 {
		c.truncated.Add(int64(b.truncated))
	}
	if b.overflow > 0 {
		c.overflow.Add(int64(b.overflow))
	}
}

// Stats returns the counters as they are.
func (s *Store) Stats() Stats {
	c := &s.count
	used, _ := s.budget.inUse()
	parts, partBytes := s.parts.sum()
	return Stats{
		Messages: c.messages.Load(), Lines: c.lines.Load(), Bytes: c.bytes.Load(),
		Truncated: c.truncated.Load(), Overflow: c.overflow.Load(), Diverted: c.diverted.Load(),
		Groups: c.groups.Load(), Syncs: c.syncs.Load(), Created: c.created.Load(),
		Replaced: c.replaced.Load(), Shrunk: c.shrunk.Load(), Rescued: c.rescued.Load(), Mended: c.mended.Load(),
		Holds: c.holds.Load(), Failures: c.failures.Load(),
		Checkpoints: c.checkpoints.Load(), LogBytes: s.journal.written.Load(),
		Rotated: c.rotated.Load(), Packed: c.packed.Load(), Evicted: c.evictedParts.Load(), EvictedBytes: c.evictedBytes.Load(),
		Parts: parts, PartBytes: partBytes, Summaries: c.summaries.Load(), TextSummaries: c.textSummaries.Load(),
		Files: int64(s.router.count()), OpenFiles: c.openFiles.Load(),
		Uncommitted: used, Held: s.unrecovered.Load() != nil || s.journalHeld.Load() != nil || s.filesHeld.Load() != nil,
	}
}
