package wal

import "fmt"

// proof is what tells that a record had been durable.
type proof struct {
	segment *segment
	text    string
	// headless says that the segment holds the record wanted and lost its header.
	headless bool
}

// corruption is the error where there is no place before the segment to blame.
func (p *proof) corruption(lsn uint64) error {
	reason := "the segment that held it is gone, but " + p.text
	if p.headless {
		reason = "the header of the segment is damaged: " + p.text
	}
	return &CorruptionError{Segment: p.segment.number, LSN: lsn, Reason: reason}
}

// prove looks in the segments behind the one being read for a proof that the
// record wanted, or one behind it, had been durable; nil if there is none.
//
// Besides what records and headers say, a header that cannot be read proves
// damage where the record wanted can be: the header was durable before. Other
// records prove nothing there. They may be the torn tail of a file that was on
// its way to be used again, of which the loss of power undid the renaming. So may
// a header of another number be, if it is not that somebody renamed the file.
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
	number := s.number
	if s.readable {
		number = s.header.number
	}
	open, err := s.open(r.fsys, r.opt.Store, number)
	if err != nil {
		return nil, err
	}
	defer open.close()
	off, h, err := open.search(headerSize, func(h head) bool {
		return h.lsn > wanted && h.synced >= wanted || h.lsn == wanted && !s.readable
	})
	switch {
	case err == errSearch:
		return &proof{segment: s, text: fmt.Sprintf("in %s %s", s.name, err)}, nil
	case err != nil || off < 0:
		return nil, err
	case h.lsn == wanted:
		return &proof{segment: s, headless: true, text: fmt.Sprintf("%s holds record %d at offset %d", s.name, h.lsn, off)}, nil
	}
	return &proof{segment: s, text: fmt.Sprintf("record %d in %s, at offset %d as one of %s, says that records up to %d were durable",
		h.lsn, s.name, off, segmentName(number), h.synced)}, nil
}
