package wal

import (
	"errors"
	"fmt"
)

var (
	// ErrFailed says that the log takes nothing more: what is on the disk is not
	// known any longer. The way on is to end the process and to recover.
	ErrFailed = errors.New("write-ahead log has failed and takes nothing more")
	// ErrTooLarge says that a record is longer than [Options.MaxRecord].
	ErrTooLarge = errors.New("record is too large for a segment of the write-ahead log")
)

// CorruptionError says that a record cannot be read that had been durable.
type CorruptionError struct {
	Segment uint64
	Offset  int64  // in the segment's file, bytes
	LSN     uint64 // of the first record that cannot be read
	Reason  string // what is wrong there, and how it is known to have been durable
}

func (e *CorruptionError) Error() string {
	return fmt.Sprintf("write-ahead log is damaged: record %d cannot be read, in %s at offset %d: %s; "+
		"restore the file, or salvage the log, which sets aside everything from this record on",
		e.LSN, segmentName(e.Segment), e.Offset, e.Reason)
}

// VersionError says that a segment is of a format this program does not know.
type VersionError struct {
	Segment uint64
	Version uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("write-ahead log %s has format version %d, this program knows versions up to %d: start the newer program that wrote it",
		segmentName(e.Segment), e.Version, version)
}

// StoreError says that a segment belongs to another store.
type StoreError struct {
	Segment    uint64
	Store, Own [16]byte
}

func (e *StoreError) Error() string {
	return fmt.Sprintf("write-ahead log %s belongs to store %x, not to this one, %x", segmentName(e.Segment), e.Store, e.Own)
}
