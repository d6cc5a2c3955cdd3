package logstore

import (
	"container/list"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// A logFile is a name that the Store writes to, over all files that have it in
// the course of time. It is there as soon as a message was routed to it; the file
// on the disk comes with the first write.
type logFile struct {
	name   string        // immutable
	id     int           // immutable: its place among the router's files
	number atomic.Uint64 // in the write-ahead log, 0 until that knows it; set by the committer

	// The committer's own.
	committed int64 // length of the own stream, of which the log has all
	pieces    int   // in the group at hand
	extent    int   // likewise: its place in the group
	diverted  bool  // the overflow file is used instead
	tried     time.Time

	// Protected by pending.mu.
	pend      []piece // committed and not yet taken by the applier
	pendBytes int
	pended    bool  // it is in pending.files
	aside     bool  // pend is not for the applier at present: it cannot be written to the file, or that is in doubt
	published int64 // where in the own stream pend ends

	// The applier's own.
	work     []piece       // what it writes
	workEnd  int64         // where in the own stream that ends
	opened   *list.Element // its place in folder.opened; nil while not open
	inode    uint64        // of the open file
	end      int64         // where the last write ended, or what there was when it was opened
	unsure   bool          // it is not known that a line ends there
	appended bool          // this process has written to it
	checked  time.Time     // when its name was last compared with the open file
	blocked  error         // why it cannot be opened, until retry
	retry    time.Time
	alarm    alarm // of its being blocked
	inDoubt  bool  // it must not be opened before its doubt is settled; work holds what that is about

	// position says where the own stream goes on. The applier alone changes it,
	// under marking; its anchor is not kept up.
	marking  sync.Mutex
	position placement

	// handle is changed by the applier alone, under syncing, which whoever syncs
	// the file holds as well. written: how often something was added, each time
	// counted when position tells of it. listed: folder.dirty has it. The rest is
	// protected by syncing. unsafe: the fdatasync that failed, after which none can be
	// trusted. synced: what of written, and durable: what of position is on the disk.
	// uncached: up to where in handle the system was told to drop it from the page cache.
	syncing  sync.Mutex
	handle   vfs.File
	unsafe   error
	written  atomic.Uint64
	listed   atomic.Bool
	synced   uint64
	durable  placement
	uncached int64

	base     atomic.Int64 // absolute offset of the first byte of the file that has the name
	rotation rotation
	turning  bool // the names that its rotation changes are not durable

	view view
}

// workSize is how many bytes work has.
func (f *logFile) workSize() (n int64) {
	for _, x := range f.work {
		n += int64(len(x.data))
	}
	return n
}

func newLogFile(name string, id int) *logFile { return &logFile{name: name, id: id} }

// A refusal says why a name is not fit to be written to. The lines of such a
// file go to the overflow file.
type refusal struct {
	name string
	err  error
}

func (r *refusal) Error() string { return fmt.Sprintf("cannot write to %s: %v", r.name, r.err) }
func (r *refusal) Unwrap() error { return r.err }

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

var errHardLinked = errors.New("the file has further names (hard links)")

// A view tells readers how far a file may be shown while it is written to:
// bytes of a write that is under way, or that failed half-way, are not shown.
type view struct {
	mu      sync.Mutex
	writing bool
	inode   uint64        // of the file written to
	end     int64         // its size before the write
	grown   chan struct{} // closed after the next write; nil = nobody waits
}

// begin takes the size of the open file as stat tells it, and ends what readers see
// there.
func (v *view) begin(stat func() (vfs.Info, error)) (vfs.Info, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	info, err := stat()
	if err != nil {
		return info, err
	}
	v.writing, v.inode, v.end = true, info.Inode, info.Size
	return info, nil
}

// done shows readers the whole file again, and counts that in writes.
func (v *view) done(writes *atomic.Uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	writes.Add(1) // within the lock: a list that has the old size was begun before
	v.writing = false
	if v.grown != nil {
		close(v.grown)
		v.grown = nil
	}
}

// stat calls stat and cuts the size back to what may be shown. Sizes seen so
// never shrink, unless somebody else truncates the file.
func (v *view) stat(stat func() (vfs.Info, error)) (vfs.Info, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	info, err := stat()
	if v.writing && info.Inode == v.inode {
		info.Size = min(info.Size, v.end)
	}
	return info, err
}
