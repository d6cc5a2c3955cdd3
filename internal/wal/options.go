package wal

// Options are the same for writing and for reading a log.
type Options struct {
	// Store is the id of the store that the log belongs to.
	Store [16]byte
	// SegmentSize is the size of new segments in bytes; those that are there may
	// differ. Default: 64 MiB.
	SegmentSize int64
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

// MaxRecord is the longest payload in bytes.
func (o Options) MaxRecord() int64 { return o.segmentSize() - headerSize - recordHead }
