package logstore

import "time"

// A Tally counts lines by time, level, host and program.
type Tally struct {
	// Buckets are by time, the first one from the time that NewTally was given, and
	// then by level. The first one also has what is earlier, and lines without a time;
	// the last one what is later.
	Buckets [][len(LevelNames)]int64
	Lines   int64
	Writers []Writer

	from, step int64 // in nanoseconds
	numbers    map[string]int
	key        []byte
	last       int // number of the writer of the last line
}

// A Writer is a program on a host, and how many lines of it there are. Either
// name is empty where lines have none.
type Writer struct {
	Host, Program string
	Lines         int64
}

// maxWriters bounds the writers of a Tally: all others are one without names.
const maxWriters = 10_000

// NewTally makes one of n buckets, each step long.
func NewTally(from time.Time, step time.Duration, n int) *Tally {
	return newTally(nanos(from), int64(step), n)
}

func newTally(from, step int64, n int) *Tally {
	return &Tally{Buckets: make([][len(LevelNames)]int64, max(n, 1)), from: from, step: max(step, 1), numbers: make(map[string]int)}
}

// reset empties t.
func (t *Tally) reset() {
	clear(t.Buckets)
	clear(t.numbers)
	t.Lines, t.Writers = 0, t.Writers[:0]
}

// bucket is the one of this time.
func (t *Tally) bucket(at int64) int {
	if at < t.from {
		return 0
	}
	// The difference may have no place in an int64.
	return int(min((uint64(at)-uint64(t.from))/uint64(t.step), uint64(len(t.Buckets)-1)))
}

// add counts a line.
func (t *Tally) add(bucket int, l Level, host, program []byte) {
	t.Buckets[bucket][l]++
	t.Lines++
	if t.last < len(t.Writers) {
		if w := &t.Writers[t.last]; w.Host == string(host) && w.Program == string(program) {
			w.Lines++
			return
		}
	}
	// No column has a blank in it.
	t.key = append(append(append(t.key[:0], host...), ' '), program...)
	i, ok := t.numbers[string(t.key)]
	if !ok {
		i = t.number(string(host), string(program))
	}
	t.last = i
	t.Writers[i].Lines++
}

// number gives a writer a place in Writers, or the one of all others.
func (t *Tally) number(host, program string) int {
	key := host + " " + program
	i, ok := t.numbers[key]
	if !ok && len(t.Writers) >= maxWriters && key != " " {
		return t.number("", "")
	}
	if !ok {
		i = len(t.Writers)
		t.Writers = append(t.Writers, Writer{Host: host, Program: program})
		t.numbers[key] = i
	}
	return i
}

// addAll counts what x, which has the same buckets, has counted.
func (t *Tally) addAll(x *Tally) {
	for i := range x.Buckets {
		for l, n := range x.Buckets[i] {
			t.Buckets[i][l] += n
		}
	}
	t.addWriters(x)
}

// addTo counts what x has counted in its only bucket.
func (t *Tally) addTo(bucket int, x *Tally) {
	for l, n := range x.Buckets[0] {
		t.Buckets[bucket][l] += n
	}
	t.addWriters(x)
}

func (t *Tally) addWriters(x *Tally) {
	t.Lines += x.Lines
	for _, w := range x.Writers {
		t.Writers[t.number(w.Host, w.Program)].Lines += w.Lines
	}
}

// period is a range of times in nanoseconds: since ≤ time < until.
type period struct{ since, until int64 }

func (p period) has(at int64) bool { return at >= p.since && at < p.until }
