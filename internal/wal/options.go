package wal

import "time"

// Options are the same for writing and for reading a log.
type Options struct {
	// Store is the id of the store that the log belongs to.
	Store [16]byte
	// SegmentSize is the size of new segments in bytes; those that are there may
	// differ. Default: 64 MiB.
	SegmentSize int64
	// Spares is how many segments are kept to be used again: overwriting a file is
	// cheaper to make durable than filling a new one, and cannot meet a full disk.
	// Default: 1.
	Spares int
	// Prepare, if not 0, lets [Create] make at once the segments that a flood would need
	// first, ahead and as spares, and write zeros to those that are new, for about this
	// long at most.
	Prepare time.Duration
}

const (
	defaultSegmentSize = 64 << 20
	minSegmentSize     = 4 << 10
	maxSegmentSize     = 1 << 31
)

func (o Options) segmentSize() int64 {
	if o.SegmentSize == 0 {
		return defaultSegmentSize
	}
	return min(max(o.SegmentSize, minSegmentSize), maxSegmentSize) / align * align
}

func (o Options) spares() int { return max(o.Spares, 1) }

// atStart is how many files of an earlier log are kept.
func (o Options) atStart() int {
	if o.Prepare > 0 {
		return 1 + ahead + o.spares()
	}
	return o.spares()
}

// MaxRecord is the longest payload in bytes.
func (o Options) MaxRecord() int64 { return o.segmentSize() - headerSize - recordHead }
