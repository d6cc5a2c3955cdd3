package wal

import (
	"bytes"
	"os"

	"github.com/dalog-project/dalog/internal/vfs"
)

// segment is a segment file as it was found.
type segment struct {
	number uint64
	name   string
	size   int64
	// header counts only if readable, and makes this a segment of the log only
	// if valid: of this very number. The file may have been on its way to be used
	// again, under another name.
	header          header
	readable, valid bool
	// begin is where the records begin: those of header.first. A segment that was
	// made ahead has them by its first record that can be read; without one it has
	// no first.
	begin int64
}

// listSegments looks at all segments, in order.
func listSegments(fsys vfs.FS, store [16]byte) ([]segment, error) {
	entries, err := fsys.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var list []segment
	for _, e := range entries {
		number, suffix, ok := parseName(e.Name)
		if !ok || suffix != segmentSuffix {
			continue
		}
		s := segment{number: number, name: e.Name}
		if err := s.look(fsys); err != nil {
			return nil, err
		}
		switch {
		case s.readable && s.header.version != version:
			return nil, &VersionError{Segment: number, Version: s.header.version}
		case s.valid && s.header.store != store:
			return nil, &StoreError{Segment: number, Store: s.header.store, Own: store}
		}
		list = append(list, s)
	}
	return list, nil
}

// look reads the size and the header.
func (s *segment) look(fsys vfs.FS) error {
	f, err := fsys.OpenFile(s.name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s.size = info.Size
	if s.size < headerSize {
		return nil
	}
	var b [headerSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return err
	}
	s.header, s.readable = decodeHeader(b[:])
	s.valid = s.readable && s.header.version == version && s.header.number == s.number
	s.begin = headerSize
	if s.valid && s.header.first == 0 {
		return s.findFirst(fsys)
	}
	return nil
}

// findFirst finds the first record of a segment that was made ahead. Its records
// come behind those that were durable then; what is left of an earlier life does not.
func (s *segment) findFirst(fsys vfs.FS) error {
	open, err := s.open(fsys, s.header.store, s.number)
	if err != nil {
		return err
	}
	defer open.close()
	off, h, err := open.search(headerSize, func(h head) bool { return h.lsn > s.header.synced })
	switch {
	case err == errSearch:
		return nil
	case err == nil && off >= 0:
		s.header.first, s.begin = h.lsn, off
	}
	return err
}

// holds tells whether the segment may hold records from lsn on.
func (s *segment) holds(lsn uint64) bool {
	return s.valid && s.header.first > 0 && s.header.first <= lsn
}

// records are the records of one open segment.
type records struct {
	window
	seed uint32
}

// open opens the records that the file holds as segment number.
func (s *segment) open(fsys vfs.FS, store [16]byte, number uint64) (*records, error) {
	f, err := fsys.OpenFile(s.name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return &records{window: window{f: f, size: s.size}, seed: seed(number, store)}, nil
}

// badRecord is why there is no record at an offset.
type badRecord string

func (b badRecord) Error() string { return string(b) }

const (
	errNoRoom   badRecord = "the segment ends here"
	errHead     badRecord = "this is not the head of a record"
	errChecksum badRecord = "its checksum is wrong"
)

// at reads the record at off: a badRecord if there is none, any other error if
// the file cannot be read. The payload is valid until the next call.
func (r *records) at(off int64) (h head, payload []byte, err error) {
	room := r.size - off
	if room < recordHead {
		return head{}, nil, errNoRoom
	}
	b, err := r.bytes(off, recordHead)
	if err != nil {
		return head{}, nil, err
	}
	h, ok := decodeHead(b, room)
	if !ok {
		return h, nil, errHead
	}
	b, err = r.bytes(off, int(recordSize(int64(h.length))))
	if err != nil {
		return h, nil, err
	}
	if checksum(r.seed, b) != h.crc {
		return h, nil, errChecksum
	}
	return h, b[recordHead : recordHead+int(h.length)], nil
}

// beforeHead tells how far into b, of recordHead bytes and more, no record begins: a
// multiple of align. The NUL that b begins with it looks at a page at a time: segments
// that are filled and not written yet are searched at each start.
func beforeHead(b []byte) (n int) {
	const page = 4 << 10
	for len(b)-n >= page+recordHead && isBlank(b[n:n+page]) {
		n += page
	}
	n = max(0, n-align) // there a head may begin whose LSN is in the next page
	for len(b)-n >= recordHead+align && !mayBeHead(b[n:]) {
		n += align
	}
	return n
}

// isBlank tells whether there are only NUL.
func isBlank(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}

// maxSearch bounds how many bytes [records.search] sums up in heads that turn
// out to be none, so that contents made to look like heads cannot hold it up.
const maxSearch = 1 << 30

const errSearch badRecord = "too much behind it looks like records and is none"

// search finds the first record at or behind off whose head fits, -1 if none;
// errSearch if that cannot be told.
func (r *records) search(off int64, fits func(head) bool) (int64, head, error) {
	spent := int64(0)
	for ; r.size-off >= recordHead; off += align {
		b, err := r.from(off, recordHead)
		if err != nil {
			return 0, head{}, err
		}
		skip := beforeHead(b)
		b, off = b[skip:], off+int64(skip)
		h, ok := decodeHead(b, r.size-off)
		if !ok || !fits(h) {
			continue
		}
		h, _, err = r.at(off)
		if err == nil {
			return off, h, nil
		}
		if err != errChecksum {
			return 0, head{}, err
		}
		if spent += int64(h.length); spent > maxSearch {
			return 0, head{}, errSearch
		}
	}
	return -1, head{}, nil
}
