package logstore

// stretches appends the stretches of a compressed part that can have lines which
// the filter wants. within is the range of offsets in question.
func (f *filter) stretches(s *Store, name string, part logPart, within stretch, dst []stretch) []stretch {
	sum := s.summaryOf(name, part)
	if sum == nil {
		return append(dst, within)
	}
	hosts, any := f.summaryHosts(sum)
	if !any {
		return dst
	}
	var filters []byte
	if len(f.grams) > 0 {
		f.reading.Lock()
		defer f.reading.Unlock()
		filters = s.filters(sum, f.filters)
		f.filters = filters
	}
	for i := range sum.frames {
		x := &sum.frames[i]
		from, to := max(part.offset+x.plain, within.from), min(part.offset+sum.end(i), within.to)
		if from >= to || f.timed && (x.until < f.since || x.since >= f.until) {
			continue
		}
		if f.Level > LevelNone && x.levels>>f.Level == 0 {
			continue
		}
		if hosts != nil && !x.hasHost(hosts) {
			continue
		}
		if filters != nil {
			end := len(filters)
			if i+1 < len(sum.frames) {
				end = sum.frames[i+1].filter
			}
			if x.filter <= end && end <= len(filters) && !mayHave(filters[x.filter:end], f.grams) {
				continue
			}
		}
		if n := len(dst); n > 0 && dst[n-1].to == from {
			dst[n-1].to = to
		} else {
			dst = append(dst, stretch{from: from, to: to})
		}
	}
	return dst
}

// summaryHosts tells which of the summary's hosts are wanted; nil is all of
// them. any: at least one is.
func (f *filter) summaryHosts(sum *summary) (hosts []byte, any bool) {
	if len(f.Hosts) == 0 || sum.hosts == nil {
		return nil, true
	}
	m := matcher{filter: f}
	hosts = make([]byte, maxSummaryHosts/8)
	for i, h := range sum.hosts {
		if m.matchHost([]byte(h)) {
			hosts[i/8] |= 1 << (i % 8)
			any = true
		}
	}
	return hosts, any
}

func (x *frameSummary) hasHost(hosts []byte) bool {
	for i, b := range hosts {
		if x.hosts[i]&b != 0 {
			return true
		}
	}
	return false
}

// selective tells whether a summary can tell anything.
func (f *filter) selective() bool {
	return f.timed || f.Level > LevelNone || len(f.Hosts) > 0 || len(f.grams) > 0
}
