package logstore

import (
	"encoding/binary"
	"hash/crc32"
)

// encode makes the file.
func (s *summary) encode() []byte {
	le := binary.LittleEndian
	buf := append(make([]byte, 0, summaryHead+len(s.frames)*summaryFrame+len(s.filters)+64<<10), summaryTitle[:]...)
	buf = le.AppendUint32(buf, summaryVersion)
	buf = le.AppendUint32(buf, 0) // the sum
	buf = le.AppendUint64(buf, uint64(s.offset))
	buf = le.AppendUint64(buf, uint64(s.size))
	buf = le.AppendUint64(buf, uint64(s.disk))
	buf = le.AppendUint64(buf, uint64(s.lines))
	buf = le.AppendUint32(buf, uint32(len(s.frames)))
	hosts := uint32(tooManyHosts)
	if s.hosts != nil {
		hosts = uint32(len(s.hosts))
	}
	buf = le.AppendUint32(buf, hosts)
	buf = le.AppendUint32(buf, uint32(len(s.writers)))
	buf = le.AppendUint32(buf, uint32(len(s.grids)))
	at := len(buf)
	buf = le.AppendUint32(buf, 0) // bytes before the grids
	for _, h := range s.hosts {
		buf = appendName(buf, h)
	}
	for _, w := range s.writers {
		buf = appendName(appendName(buf, w.Host), w.Program)
	}
	for _, g := range s.grids {
		buf = le.AppendUint64(buf, uint64(g.grain))
		buf = le.AppendUint32(buf, uint32(g.length))
		buf = le.AppendUint32(buf, g.crc)
	}
	for _, f := range s.frames {
		buf = le.AppendUint64(buf, uint64(f.plain))
		buf = le.AppendUint64(buf, uint64(f.since))
		buf = le.AppendUint64(buf, uint64(f.until))
		buf = le.AppendUint16(buf, f.levels)
		buf = append(buf, f.hosts[:]...)
		buf = le.AppendUint32(buf, uint32(f.filter))
	}
	le.PutUint32(buf[at:], uint32(len(buf)))
	le.PutUint32(buf[12:], summarySum(buf))
	for _, g := range s.grids {
		buf = append(buf, g.data...)
	}
	return append(buf, s.filters...)
}

func appendName(buf []byte, name string) []byte {
	return append(binary.LittleEndian.AppendUint16(buf, uint16(len(name))), name...)
}

// cutName cuts a name off b; ok is false where there is none.
func cutName(b []byte) (name string, rest []byte, ok bool) {
	if len(b) < 2 || len(b) < 2+int(binary.LittleEndian.Uint16(b)) {
		return "", nil, false
	}
	end := 2 + int(binary.LittleEndian.Uint16(b))
	return string(b[2:end]), b[end:], true
}

// summarySum is the checksum of what is before the grids. These and the filters
// have their own: of a filter a bit that is lost could hide a line.
func summarySum(head []byte) uint32 {
	return crc32.Checksum(head[16:], castagnoli)
}

// summaryHeadSize tells how much of a file is before the grids.
func summaryHeadSize(b []byte) (int, bool) {
	le := binary.LittleEndian
	if len(b) < summaryHead || [8]byte(b) != summaryTitle || le.Uint32(b[8:]) != summaryVersion {
		return 0, false
	}
	n := int(le.Uint32(b[summaryHead-4:]))
	return n, n >= summaryHead && n <= 1<<28
}

// decodeSummary reads what is before the grids; ok is false where that is not
// whole, or not for this part.
func decodeSummary(b []byte, part logPart) (s *summary, ok bool) {
	le := binary.LittleEndian
	n, ok := summaryHeadSize(b)
	if !ok || len(b) != n || le.Uint32(b[12:]) != summarySum(b) {
		return nil, false
	}
	s = &summary{offset: int64(le.Uint64(b[16:])), size: int64(le.Uint64(b[24:])), disk: int64(le.Uint64(b[32:])), lines: int64(le.Uint64(b[40:])), body: n}
	if s.offset != part.offset || s.size != part.size || s.disk != part.disk {
		return nil, false
	}
	frames, hosts, writers, grids := int(le.Uint32(b[48:])), le.Uint32(b[52:]), int(le.Uint32(b[56:])), int(le.Uint32(b[60:]))
	rest := b[summaryHead:]
	if hosts != tooManyHosts {
		s.hosts = []string{}
		for range hosts {
			var h string
			if h, rest, ok = cutName(rest); !ok {
				return nil, false
			}
			s.hosts = append(s.hosts, h)
		}
	}
	for range writers {
		var w Writer
		if w.Host, rest, ok = cutName(rest); ok {
			w.Program, rest, ok = cutName(rest)
		}
		if !ok {
			return nil, false
		}
		s.writers = append(s.writers, w)
	}
	if len(rest) != grids*summaryGrid+frames*summaryFrame || len(s.hosts) > maxSummaryHosts {
		return nil, false
	}
	start := 0
	for range grids {
		g := grid{grain: int64(le.Uint64(rest)), length: int(le.Uint32(rest[8:])), crc: le.Uint32(rest[12:]), start: start}
		if g.grain <= 0 {
			return nil, false
		}
		start += g.length
		s.grids = append(s.grids, g)
		rest = rest[summaryGrid:]
	}
	for ; len(rest) > 0; rest = rest[summaryFrame:] {
		f := frameSummary{
			plain: int64(le.Uint64(rest)), since: int64(le.Uint64(rest[8:])), until: int64(le.Uint64(rest[16:])), levels: le.Uint16(rest[24:]),
			filter: int(le.Uint32(rest[26+maxSummaryHosts/8:])),
		}
		copy(f.hosts[:], rest[26:])
		s.frames = append(s.frames, f)
	}
	return s, true
}

// filtersAt is where the filters begin in the file.
func (s *summary) filtersAt() int64 {
	at := int64(s.body)
	for _, g := range s.grids {
		at += int64(g.length)
	}
	return at
}
