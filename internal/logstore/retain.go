package logstore

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// Keep bounds the closed parts that are kept. A zero field is no bound; in a
// KeepRule it leaves the general one in force, which a negative field lifts.
type Keep struct {
	Count int           // parts of one log file
	Age   time.Duration // since the last line of a part
	// Bytes on the disk: in Config of all log files together, active ones
	// included, in a KeepRule of one log file.
	Bytes int64
}

// KeepRule is for the log files whose names match Files, a pattern of
// path.Match.
type KeepRule struct {
	Files string
	Keep
	// Size takes the place of Config.RotateSize, negative for never; Every that of
	// Config.RotateEvery.
	Size  int64
	Every *Period
}

// rotation is how the log file of this name is closed: past which size, if it
// is not 0, and how often.
func (c *Config) rotation(name string) (size int64, every Period) {
	size, every = c.RotateSize, c.RotateEvery
	for _, r := range c.KeepRules {
		if ok, err := path.Match(r.Files, name); err == nil && ok {
			size = max(0, cmp.Or(r.Size, size))
			if r.Every != nil {
				every = *r.Every
			}
			break
		}
	}
	return size, every
}

// Reserve is what parts leave free on the file system: the greater of both.
// Percent counts for inodes as well.
type Reserve struct {
	Bytes   int64
	Percent float64
}

// CheckKeepRule tells what is wrong with a rule.
func CheckKeepRule(r KeepRule) error {
	if _, err := path.Match(r.Files, ""); err != nil || r.Files == "" {
		return fmt.Errorf("%q is not the name of a log file or a pattern such as access*.log", r.Files)
	}
	return nil
}

// Why a part is evicted, in the log.
const (
	byCount = "count"
	byAge   = "age"
	byQuota = "file_bytes" // the Bytes of a KeepRule
	byBytes = "bytes"
	byFree  = "free"
)

// stock is one log file with its parts, by offset.
type stock struct {
	name   string
	active int64 // bytes of the active file
	parts  []logPart
}

// eviction is a part that has to go.
type eviction struct {
	name   string
	part   logPart
	why    string
	newest bool // of its file
}

// limits are all bounds on what is kept.
type limits struct {
	keep  Keep
	rules []KeepRule
	free  Reserve
}

// of gives the bounds for one log file; Bytes is its own.
func (l limits) of(name string) Keep {
	own := Keep{Count: l.keep.Count, Age: l.keep.Age}
	for _, r := range l.rules {
		if ok, err := path.Match(r.Files, name); err == nil && ok {
			own.Count, own.Age, own.Bytes = cmp.Or(r.Count, own.Count), cmp.Or(r.Age, own.Age), r.Bytes
			break
		}
	}
	return own
}

// plan tells which parts have to go, in this order. Of one log file it is
// always the oldest ones.
func (l limits) plan(files []stock, space vfs.Space, now time.Time) []eviction {
	var gone []eviction
	var rest []candidate // of all files
	var total, freed, inodes int64
	for _, f := range files {
		left := candidates(f)
		n := l.of(f.name).expired(left, f.active, now)
		for i, c := range left {
			if i < n {
				gone = append(gone, c.eviction)
				freed, inodes = freed+c.part.disk, inodes+1
				continue
			}
			total += c.part.disk
			rest = append(rest, c)
		}
		total += f.active
	}
	slices.SortStableFunc(rest, func(a, b candidate) int { return a.age.Compare(b.age) })
	needBytes, needInodes := l.free.missing(space)
	for _, c := range rest {
		switch {
		case l.keep.Bytes > 0 && total > l.keep.Bytes:
			c.why = byBytes
		case freed < needBytes || inodes < needInodes:
			c.why = byFree
		default:
			return gone
		}
		gone = append(gone, c.eviction)
		total, freed, inodes = total-c.part.disk, freed+c.part.disk, inodes+1
	}
	return gone
}

// candidate is a part that may have to go. age is when its last line was
// written, or that of one before it, whichever is later: a clock that was put
// back makes no part older than those before it.
type candidate struct {
	eviction
	age time.Time
}

// candidates are the parts of f whose rotation is complete.
func candidates(f stock) []candidate {
	list := make([]candidate, 0, len(f.parts))
	var age time.Time
	for i, p := range f.parts {
		if p.turning {
			break
		}
		if p.modified.After(age) {
			age = p.modified
		}
		list = append(list, candidate{eviction{name: f.name, part: p, newest: i == len(f.parts)-1}, age})
	}
	return list
}

// expired is how many of the parts, the oldest ones, pass the bounds of their
// file, and says of each why.
func (k Keep) expired(parts []candidate, active int64, now time.Time) (n int) {
	bytes := active
	for i, c := range slices.Backward(parts) {
		bytes += c.part.disk
		why := ""
		switch {
		case k.Count > 0 && len(parts)-i > k.Count:
			why = byCount
		case k.Age > 0 && now.Sub(c.age) > k.Age:
			why = byAge
		case k.Bytes > 0 && bytes > k.Bytes:
			why = byQuota
		default:
			continue
		}
		n = max(n, i+1)
		parts[i].why = why
	}
	return n
}

// missing is how much more has to be free.
func (r Reserve) missing(space vfs.Space) (bytes, inodes int64) {
	if r == (Reserve{}) {
		return 0, 0
	}
	want := max(r.Bytes, int64(r.Percent/100*float64(space.TotalBytes)))
	bytes = want - int64(space.FreeBytes)
	if r.Percent > 0 {
		inodes = int64(r.Percent/100*float64(space.TotalInodes)) - int64(space.FreeInodes)
	}
	return bytes, inodes
}
