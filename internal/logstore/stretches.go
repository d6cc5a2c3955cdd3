package logstore

// A Stretch is bytes that follow each other, by their absolute offsets.
type Stretch struct{ Start, End int64 }

// Stretches are the bytes that are left of t, in order: one, unless parts
// in the middle are missing.
func (t *Text) Stretches() (all []Stretch) {
	for _, s := range t.sections {
		switch n := len(all); {
		case s.start == s.end:
		case n > 0 && all[n-1].End == s.start:
			all[n-1].End = s.end
		default:
			all = append(all, Stretch{s.start, s.end})
		}
	}
	return all
}
