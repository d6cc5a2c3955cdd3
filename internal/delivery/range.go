package delivery

import "fmt"

// SourceKey names a source at the server. Peer is what the peer proved to be,
// so that nobody can speak for another's source.
type SourceKey struct {
	Peer string
	ID   SourceID
}

func (k SourceKey) String() string { return fmt.Sprintf("%q %s", k.Peer, k.ID) }

// Standing is how far a source is committed at the server.
type Standing struct {
	Offset int64  // bytes of the source before it are stored
	Anchor uint32 // CRC-32C of the bytes before Offset, at most AnchorSize
	Seen   int64  // Unix time of the last batch, in seconds
	// Claimed is the Unix time of the last session that had it, to a day or so; it
	// may be before Seen.
	Claimed int64

	First   int64 // the offset of the first byte that came
	Skipped int64 // bytes behind First that were left out on purpose
}

// Range says which bytes of a source the messages of one submission are.
type Range struct {
	Key    SourceKey
	Start  int64  // the source goes on from here
	Skip   int64  // bytes behind Start that are left out on purpose; the messages lie behind them
	Before uint32 // anchor at Start
	// Ends is, by message, the offset at which it ends, ascending.
	Ends []int64
	// End is the end of the range, at the last of Ends or behind it, where no
	// message comes of the bytes between; 0 stands for the last of Ends.
	End   int64
	After uint32 // anchor at the end
}

// To is the offset that the source has come to by the range.
func (r *Range) To() int64 {
	switch {
	case r.End != 0:
		return r.End
	case len(r.Ends) == 0:
		return r.Start + r.Skip
	}
	return r.Ends[len(r.Ends)-1]
}

// PositionError says that a range does not go on where the source stands.
// Nothing of it was taken.
type PositionError struct {
	Key       SourceKey
	Start     int64
	Committed int64 // where the source is to go on
	// Content says that Start fits, and that the content before it, or the whole
	// range, is not what is stored: another file, or one that was rewritten.
	Content bool
}

func (e *PositionError) Error() string {
	if e.Content {
		return fmt.Sprintf("source %s: the content is not that of the source, which stands at %d", e.Key.ID, e.Committed)
	}
	return fmt.Sprintf("source %s: range begins at %d, the source stands at %d", e.Key.ID, e.Start, e.Committed)
}
