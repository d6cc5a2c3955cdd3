package wal

import (
	"iter"
	"strings"

	"github.com/dalog-project/dalog/internal/vfs"
)

// SegmentInfo describes a segment file for a person.
type SegmentInfo struct {
	Name   string // ends in ".wal", or in ".broken" if it was set aside
	Number uint64 // by its name
	Size   int64

	// HeaderOK tells whether the header is readable and of this segment; without
	// it Version is that of a readable header of something else, or 0.
	HeaderOK bool
	Version  uint32
	Store    [16]byte // by its header, else as that of the others
	First    uint64   // LSN of its first record; 0 if it was made ahead and has none
	Synced   uint64   // highest LSN known to be durable when it was made
}

// Entry is one piece of a segment file for a person: a record, or a stretch that
// holds none.
type Entry struct {
	Record
	Length int64 // of the payload of a record, or of the stretch, in bytes
	OK     bool  // whether it is a record and its checksum is right
	Reason string
}

// Segments lists the segment files of a log, also those set aside, whatever
// state they are in.
func Segments(fsys vfs.FS) ([]SegmentInfo, error) {
	entries, err := fsys.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var list []SegmentInfo
	var store [16]byte
	for _, e := range entries {
		number, suffix, ok := parseName(e.Name)
		if !ok || suffix != segmentSuffix && !strings.HasPrefix(suffix, segmentSuffix+brokenSuffix) {
			continue
		}
		s := segment{number: number, name: e.Name}
		if err := s.look(fsys); err != nil {
			return nil, err
		}
		info := SegmentInfo{Name: s.name, Number: number, Size: s.size, Version: s.header.version}
		if s.valid {
			info.HeaderOK = true
			info.Store, info.First, info.Synced = s.header.store, s.header.first, s.header.synced
			store = info.Store
		}
		list = append(list, info)
	}
	for i := range list {
		if !list[i].HeaderOK {
			list[i].Store = store
		}
	}
	return list, nil
}

// Entries gives what is in a segment file, from its start to its end; an error
// ends it.
func Entries(fsys vfs.FS, info SegmentInfo) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s := segment{number: info.Number, name: info.Name, size: info.Size}
		open, err := s.open(fsys, info.Store, s.number)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer open.close()
		for off := int64(headerSize); off < info.Size; {
			e, err := open.entry(off)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			e.Segment, e.Offset = info.Number, off
			if !yield(e, nil) {
				return
			}
			if e.OK {
				off += recordSize(e.Length)
			} else {
				off += e.Length
			}
		}
	}
}

func (r *records) entry(off int64) (Entry, error) {
	h, payload, err := r.at(off)
	e := Entry{Record: Record{LSN: h.lsn, Synced: h.synced, Type: h.typ, Payload: payload}}
	switch err {
	case nil:
		e.Length, e.OK = int64(h.length), true
		return e, nil
	case errNoRoom, errHead, errChecksum:
	default:
		return Entry{}, err
	}
	if err != errChecksum {
		e.Record = Record{}
	}
	e.Reason = err.Error()
	to, _, search := r.search(off+align, func(head) bool { return true })
	switch {
	case search != nil && search != errSearch:
		return Entry{}, search
	case search == errSearch || to < 0:
		to = r.size
	}
	e.Length = to - off
	blank, err := r.blank(off, to)
	if blank {
		e.Reason = "nothing was written here"
	}
	return e, err
}

// blank tells whether there are only NUL.
func (r *records) blank(off, to int64) (bool, error) {
	for off < to {
		b, err := r.bytes(off, int(min(readAhead, to-off)))
		if err != nil || !isBlank(b) {
			return false, err
		}
		off += int64(len(b))
	}
	return true, nil
}
