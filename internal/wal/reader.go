package wal

import (
	"fmt"
	"io"

	"github.com/dalog-project/dalog/internal/vfs"
)

// Record is one record of a log.
type Record struct {
	LSN     uint64 // its number; the first of a log is 1
	Synced  uint64 // the highest LSN known to be durable when it was written
	Type    byte   // the caller's
	Payload []byte // valid until the next call of Next
	Segment uint64
	Offset  int64 // in the segment's file, bytes
}

// Reader gives the records of a log that nobody writes. It is for one goroutine.
type Reader struct {
	fsys     vfs.FS
	opt      Options
	segments []segment
	after    uint64

	at   int      // the segment being read
	open *records // of it; nil at the end
	off  int64    // of the next record
	next uint64   // its LSN
	last uint64
}

// OpenReader reads the records with an LSN above after, which is that of the
// caller's checkpoint; damage at or below it is of no concern. It changes
// nothing. The errors are [*VersionError], [*StoreError], [*CorruptionError], or
// those of reading.
func OpenReader(fsys vfs.FS, opt Options, after uint64) (*Reader, error) {
	segments, err := listSegments(fsys, opt.Store)
	if err != nil {
		return nil, fmt.Errorf("open write-ahead log: %w", err)
	}
	r := &Reader{fsys: fsys, opt: opt, segments: segments, after: after, last: after, at: -1}
	// Of the segments that may hold the first record wanted the last one counts:
	// what is before it was dropped, or left behind by a recovery.
	for i, s := range segments {
		if s.holds(after + 1) {
			r.at = i
		}
	}
	if r.at >= 0 {
		err = r.start(r.at)
	} else {
		var proof *proof
		if proof, err = r.prove(after + 1); proof != nil {
			err = proof.corruption(after + 1)
		}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// start goes on with segment i.
func (r *Reader) start(i int) error {
	if err := r.Close(); err != nil {
		return err
	}
	s := &r.segments[i]
	open, err := s.open(r.fsys, r.opt.Store, s.number)
	if err != nil {
		return err
	}
	r.at, r.open, r.off, r.next = i, open, s.begin, s.header.first
	return nil
}

// Next gives the next record; io.EOF at the end of the log, a [*CorruptionError]
// where a record that had been durable cannot be read.
func (r *Reader) Next() (Record, error) {
	for r.open != nil {
		h, payload, err := r.open.at(r.off)
		if err == nil && h.lsn != r.next {
			err = badRecord(fmt.Sprintf("it has number %d", h.lsn))
		}
		if bad, ok := err.(badRecord); ok {
			if err = r.turn(bad); err != nil {
				return Record{}, err
			}
			continue
		}
		if err != nil {
			return Record{}, fmt.Errorf("read write-ahead log: %w", err)
		}
		rec := Record{
			LSN: h.lsn, Synced: h.synced, Type: h.typ, Payload: payload,
			Segment: r.segments[r.at].number, Offset: r.off,
		}
		r.off += recordSize(int64(h.length))
		r.next++
		if rec.LSN > r.after {
			r.last = rec.LSN
			return rec, nil
		}
	}
	return Record{}, io.EOF
}

// Last is the LSN of the last record that Next gave, or where it started.
func (r *Reader) Last() uint64 { return r.last }

// Close releases the segment being read. Next then gives io.EOF.
func (r *Reader) Close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.close()
	r.open = nil
	return err
}

// turn is told that record r.next cannot be read. It finds where it goes on: in
// the next segment, or behind damage that is of no concern, or nowhere, which is
// the end of the log unless something proves that there was more.
func (r *Reader) turn(bad badRecord) error {
	if r.next <= r.after {
		off, h, err := r.open.search(r.off+align, func(h head) bool { return h.lsn > r.next && h.lsn <= r.after+1 })
		if err != nil && err != errSearch {
			return err
		}
		if err == nil && off >= 0 {
			r.off, r.next = off, h.lsn
			return nil
		}
	}
	for i := r.at + 1; i < len(r.segments); i++ {
		s := &r.segments[i]
		if !s.valid || s.header.first == 0 {
			continue
		}
		if s.header.first == r.next {
			return r.start(i)
		}
		if s.header.first < r.next {
			return r.corruption(s.header.first, fmt.Sprintf("%s starts again with record %d", s.name, s.header.first))
		}
		break
	}
	wanted := max(r.next, r.after+1)
	off, h, err := r.open.search(r.off+align, func(h head) bool { return h.lsn > wanted && h.synced >= wanted })
	switch {
	case err == errSearch:
		return r.corruption(wanted, string(bad)+", and "+err.Error())
	case err != nil:
		return err
	case off >= 0:
		return r.corruption(wanted, fmt.Sprintf("%s, but record %d at offset %d says that records up to %d were durable", bad, h.lsn, off, h.synced))
	}
	proof, err := r.prove(wanted)
	switch {
	case err != nil:
		return err
	case proof != nil && proof.headless:
		return proof.corruption(wanted)
	case proof != nil:
		return r.corruption(wanted, string(bad)+", but "+proof.text)
	}
	return r.Close()
}

func (r *Reader) corruption(lsn uint64, reason string) error {
	return &CorruptionError{Segment: r.segments[r.at].number, Offset: r.off, LSN: lsn, Reason: reason}
}
