package vfstest

import (
	"path"
	"slices"
)

// Op is a kind of call, or several of them.
type Op uint

// The kinds of calls. Create is an OpenFile that made the file, Open any other;
// Lstat includes Identify, Stat includes Identity.
const (
	Open Op = 1 << iota
	Create
	Lock
	Mkdir
	Rename
	Remove
	ReadDir
	Lstat
	SyncDir
	SyncAll
	Free
	Sub
	Read
	Write
	Datasync
	Truncate
	Allocate
	Stat
	Chown

	// Changes are the calls that change something or make it durable.
	Changes = Create | Mkdir | Rename | Remove | SyncDir | SyncAll | Write | Datasync | Truncate | Allocate | Chown
	// Any is every call.
	Any Op = 1<<iota - 1
)

// Fault is a failure to come. See [Disk.Inject].
type Fault struct {
	// Op are the kinds of calls that count and fail; 0 = Any.
	Op Op
	// Name, if set, restricts them to files whose path matches this pattern of
	// [path.Match], without the folders unless the pattern has a slash.
	Name string
	// After is how many such calls still succeed.
	After int
	// Times is how many calls then fail; 0 = one, -1 = all.
	Times int
	// Err is the error they give.
	Err error
	// Tear is how many bytes a failing write writes before it fails.
	Tear int
}

// Inject lets calls of the process fail, until it ends. Of several faults that
// fit a call the first counts. A failing Datasync leaves all pages clean, of
// which some have not reached the disk; a failing SyncDir makes some of the
// entries durable, and a failing SyncAll does both everywhere; any other failing call
// does nothing but Tear.
func (d *Disk) Inject(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.Op == 0 {
		f.Op = Any
	}
	if f.Times == 0 {
		f.Times = 1
	}
	d.faults = append(d.faults, &f)
}

// enter admits a call of the process: it gives ErrCrashed after the end, or the
// error of a fault and how many bytes to write all the same.
func (d *Disk) enter(op Op, name string) (tear int, err error) {
	if d.crashed {
		return 0, ErrCrashed
	}
	if op&Changes != 0 {
		d.ops++
		if d.ops == d.crashAt {
			d.crashed = true
			return d.rng.IntN(1 << d.rng.IntN(17)), ErrCrashed
		}
	}
	if d.opt.Writeback > 0 && d.rng.Float64() < d.opt.Writeback {
		d.walk(func(n *node) {
			if !n.isDir() {
				n.writeback(d, 0.3)
			}
		})
		d.settleSome(0.3, nil)
	}
	for i, f := range d.faults {
		if f.Op&op == 0 || !f.matches(name) {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				d.faults = slices.Delete(d.faults, i, i+1)
			}
		}
		return f.Tear, f.Err
	}
	return 0, nil
}

func (f *Fault) matches(name string) bool {
	if f.Name == "" {
		return true
	}
	ok, _ := path.Match(f.Name, name)
	if !ok {
		ok, _ = path.Match(f.Name, path.Base(name))
	}
	return ok
}
