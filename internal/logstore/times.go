package logstore

import "time"

// Times are those of the first and the last line that have one, among the first
// and the last few hundred lines; zero where none has.
func (t *Text) Times(zone *time.Location, now time.Time) (first, last time.Time, err error) {
	const within = 300
	w := &window{t: t, lines: NewLineReader(zone, now)}
	n := 0
	err = w.each(t.Start(), t.End(), func(_ place, raw []byte) error {
		if c := w.lines.Columns(raw); c.Time.Valid {
			first = c.Time.Time()
			return errEnough
		}
		if n++; n == within {
			return errEnough
		}
		return nil
	})
	if err != nil && err != errEnough {
		return first, last, err
	}
	from, err := w.back(t.End(), within)
	if err != nil {
		return first, last, err
	}
	err = w.each(from, t.End(), func(_ place, raw []byte) error {
		if c := w.lines.Columns(raw); c.Time.Valid {
			last = c.Time.Time()
		}
		return nil
	})
	return first, last, err
}
