// Package vfstest is a file system in memory that fails: the twin of the real
// one behind [vfs.FS].
//
// A [Disk] outlives the processes that use it. Each process gets its view by
// [Disk.FS]; [Disk.Kill] and [Disk.PowerLoss] end that process, after which the
// next call of FS starts the next one.
//
//   - Killed, everything written so far is there, and the call that was under
//     way may be half done if it was a write.
//   - After a loss of power only what was synced is certain. Each page written
//     and not synced is there or not, by chance; a file may have its new size and
//     NUL in place of the content; each directory entry changed and not synced
//     is as before or as after, by chance, whatever became of the others, as far
//     as a journal that keeps its order allows.
//
// Everything depends on the seed and the order of the calls alone.
package vfstest

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// ErrCrashed is what every call of a process gets once the process has ended.
var ErrCrashed = errors.New("vfstest: the process has ended")

// Options of a [Disk]. Zero values mean the defaults.
type Options struct {
	// Seed is where chance starts.
	Seed uint64
	// Page is the size of a page in bytes, the unit in which unsynced content
	// survives a loss of power. Default: 4096.
	Page int
	// Writeback is how likely it is, at each call, that some of what is not
	// synced reaches the disk by itself. Default: 0.
	Writeback float64
	// NoHandles leaves [vfs.Identity] without handles, as overlayfs does.
	NoHandles bool
	// NoAllocate makes Allocate fail as unsupported, NoSyncAll SyncAll.
	NoAllocate, NoSyncAll bool
}

// Disk is the state that outlives processes. Its methods and those of the FS
// and Files made from it may be called from several goroutines.
type Disk struct {
	opt Options

	mu      sync.Mutex // protects all below and all nodes
	rng     *rand.Rand
	root    *node
	changes []*change // of directory entries, not durable, oldest first
	zero    []byte    // the content of allocated pages not yet written; never written to

	epoch   int // counts processes; handles of earlier ones are dead
	crashed bool
	ops     int // calls of kind Changes by this process
	crashAt int // the value of ops at which it ends; 0 = never
	faults  []*Fault
	open    map[*handle]struct{}
	owners  map[int]*node // who had an inode's number last

	pages, pageLimit int64 // pages in use and allowed; limit < 0 = unlimited
	nodes, nodeLimit int64
	inodes           []bool // numbers in use; the lowest free one is used next
	births           int64
	clock            int64 // counts changes, for time stamps
}

// New makes an empty disk.
func New(opt Options) *Disk {
	if opt.Page == 0 {
		opt.Page = 4096
	}
	d := &Disk{
		opt: opt, rng: rand.New(rand.NewPCG(opt.Seed, 0x6461_6c6f_67)),
		zero: make([]byte, opt.Page), pageLimit: -1, nodeLimit: -1,
		open: map[*handle]struct{}{}, owners: map[int]*node{},
	}
	d.root = d.newNode(true, 0o750)
	d.root.durable = map[string]*node{}
	return d
}

// FS gives the folder to the process that runs now.
func (d *Disk) FS() vfs.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &view{d: d, dir: d.root, epoch: d.epoch}
}

// Outside gives the folder to somebody else, such as logrotate or the test:
// its calls are not counted, do not fail by [Disk.Inject], and go on when the
// process ends.
func (d *Disk) Outside() vfs.FS {
	return &view{d: d, dir: d.root, outside: true}
}

// Ops tells how many calls that change something the process has made.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// CrashAt ends the process at its n-th next call that changes something: this
// call and all later ones give [ErrCrashed]. 0 takes the order back.
func (d *Disk) CrashAt(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crashAt = 0
	if n > 0 {
		d.crashAt = d.ops + n
	}
}

// Crashed tells whether the process has met the end ordered by [Disk.CrashAt].
func (d *Disk) Crashed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.crashed
}

// Kill ends the process, if it still runs, and leaves the caches as they are.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.endProcess()
}

// PowerLoss ends the process and forgets what was not durable, by chance.
func (d *Disk) PowerLoss() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.endProcess()
	d.loseChanges()
	d.pages, d.nodes = 0, 0
	clear(d.inodes)
	clear(d.owners)
	d.walk(func(n *node) {
		n.gone = false
		if n.isDir() {
			n.entries = make(map[string]*node, len(n.durable))
			for name, child := range n.durable {
				n.entries[name] = child
			}
		} else {
			n.losePages(d)
		}
		d.nodes++
		d.inodes[n.inode], d.owners[n.inode] = true, n
	})
}

func (d *Disk) endProcess() {
	d.epoch++
	d.crashed, d.ops, d.crashAt, d.faults = false, 0, 0, nil
	for h := range d.open {
		if !h.outside {
			h.close()
		}
	}
}

// SetFree limits what may still be taken, in bytes and files; -1 = no limit.
func (d *Disk) SetFree(bytes, files int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pageLimit, d.nodeLimit = -1, -1
	if bytes >= 0 {
		d.pageLimit = d.pages + bytes/int64(d.opt.Page)
	}
	if files >= 0 {
		d.nodeLimit = d.nodes + files
	}
}

// walk visits every node that has a name, parents first, in an order that does
// not depend on chance.
func (d *Disk) walk(fn func(*node)) {
	var visit func(*node)
	visit = func(n *node) {
		fn(n)
		for _, name := range n.names() {
			visit(n.entries[name])
		}
	}
	visit(d.root)
}

// eachFile visits every file that has a name or is open.
func (d *Disk) eachFile(fn func(*node)) {
	var nameless []*node
	for h := range d.open {
		if h.n.gone && !slices.Contains(nameless, h.n) {
			nameless = append(nameless, h.n)
		}
	}
	slices.SortFunc(nameless, func(a, b *node) int { return cmp.Compare(a.birth, b.birth) })
	d.walk(func(n *node) {
		if !n.isDir() {
			fn(n)
		}
	})
	for _, n := range nameless {
		fn(n)
	}
}

// tick is the time stamp of a change.
func (d *Disk) tick() time.Time {
	d.clock++
	return time.Unix(1_767_225_600, d.clock*int64(time.Millisecond))
}
