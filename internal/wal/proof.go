package wal

import "fmt"

// proof is what tells that a record had been durable.
type proof struct {
	segment *segment
	text    string
	// headless says that the segment holds the record and lost its header.
	headless bool
}

func (p *proof) corruption(lsn uint64) error {
	return &CorruptionError{Segment: p.segment.number, LSN: lsn, Reason: "the header of the segment is damaged: " + p.text}
}

// prove looks in the segments behind the one being read for a proof that the
// record wanted, or one behind it, had been durable; nil if there is none.
//
// A segment's header was durable before its first record was written. So a
// header that cannot be read proves damage as soon as one of the segment's own
// records can be; without one, the segment was being made when it ended.
func (r *Reader) prove(wanted uint64) (*proof, error) {
	for i := r.at + 1; i < len(r.segments); i++ {
		s := &r.segments[i]
		if s.valid && s.header.synced >= wanted {
			return &proof{segment: s, text: fmt.Sprintf("%s says that records up to %d were durable", s.name, s.header.synced)}, nil
		}
		p, err := r.proveBy(s, wanted)
		if p != nil || err != nil {
			return p, err
		}
	}
	return nil, nil
}

func (r *Reader) proveBy(s *segment, wanted uint64) (*proof, error) {
	open, err := s.open(r.fsys, r.opt.Store)
	if err != nil {
		return nil, err
	}
	defer open.close()
	off, h, err := open.search(headerSize, func(h head) bool {
		return h.lsn >= wanted && (!s.valid || h.synced >= wanted)
	})
	switch {
	case err == errSearch:
		return &proof{segment: s, text: fmt.Sprintf("in %s %s", s.name, err)}, nil
	case err != nil || off < 0:
		return nil, err
	case s.valid:
		return &proof{segment: s, text: fmt.Sprintf("record %d in %s says that records up to %d were durable", h.lsn, s.name, h.synced)}, nil
	}
	return &proof{
		segment: s, headless: h.lsn == wanted,
		text: fmt.Sprintf("%s holds record %d at offset %d and no header", s.name, h.lsn, off),
	}, nil
}
