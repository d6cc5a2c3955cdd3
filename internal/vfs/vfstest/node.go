package vfstest

import (
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/dalog-project/dalog/internal/vfs"
)

// node is a file or a folder: what the cache shows and what the disk holds.
type node struct {
	mode     fs.FileMode
	uid, gid uint32
	inode    int
	birth    int64
	mtime    time.Time
	handles  int     // open Files
	gone     bool    // has no name
	locked   *handle // who holds the lock

	// A folder: the entries seen, and those on the disk with the place each
	// node has there.
	entries, durable map[string]*node
	onDisk           place

	// A file: page i is shared between cache and disk while both are the same
	// slice, and is then never written to. nil is a hole.
	cache, disk    [][]byte
	size, diskSize int64
	dirty          []bool // per page of cache
	cut            int64  // smallest size since the last sync, -1 if it never shrank
	unsynced       bool   // whether there may be anything to sync
}

func (d *Disk) newNode(dir bool, perm fs.FileMode) *node {
	d.births++
	n := &node{mode: perm.Perm(), birth: d.births, mtime: d.tick(), cut: -1}
	if dir {
		n.mode |= fs.ModeDir
		n.entries, n.durable = map[string]*node{}, map[string]*node{}
	}
	n.inode = slices.Index(d.inodes, false)
	if n.inode < 0 {
		n.inode = len(d.inodes)
		d.inodes = append(d.inodes, false)
	}
	d.inodes[n.inode] = true
	d.nodes++
	return n
}

func (n *node) isDir() bool { return n.mode.IsDir() }

func (n *node) names() []string {
	names := make([]string, 0, len(n.entries))
	for name := range n.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (n *node) info() vfs.Info {
	links := uint64(1)
	if n.gone {
		links = 0
	}
	return vfs.Info{Size: n.size, Mode: n.mode, ModTime: n.mtime, Inode: uint64(n.inode), Links: links, UID: n.uid, GID: n.gid}
}

// release frees what a file without a name and without an opening holds in the
// cache; on the disk it stays until its removal is durable.
func (n *node) release(d *Disk) {
	if n.gone && n.handles == 0 {
		for _, p := range n.cache {
			if p != nil {
				d.pages--
			}
		}
		n.cache, n.dirty = nil, nil
		d.nodes--
		d.inodes[n.inode] = false
	}
}

// write puts b at off as far as there is room, and tells how far.
func (n *node) write(d *Disk, b []byte, off int64) (written int, err error) {
	page := int64(d.opt.Page)
	for written < len(b) {
		i, in := off/page, off%page
		n.grow(int(i) + 1)
		if n.cache[i] == nil {
			if d.pageLimit >= 0 && d.pages >= d.pageLimit {
				err = syscall.ENOSPC
				break
			}
			d.pages++
			n.cache[i] = make([]byte, page)
		} else if n.shared(d, int(i)) {
			n.cache[i] = slices.Clone(n.cache[i])
		}
		c := copy(n.cache[i][in:], b[written:])
		n.dirty[i], n.unsynced = true, true
		written += c
		off += int64(c)
		n.size = max(n.size, off)
	}
	n.mtime = d.tick()
	return written, err
}

func (n *node) shared(d *Disk, i int) bool {
	return &n.cache[i][0] == &d.zero[0] || i < len(n.disk) && n.disk[i] != nil && &n.cache[i][0] == &n.disk[i][0]
}

func (n *node) grow(pages int) {
	for len(n.cache) < pages {
		n.cache = append(n.cache, nil)
		n.dirty = append(n.dirty, false)
	}
}

func (n *node) read(d *Disk, b []byte, off int64) int {
	page := int64(d.opt.Page)
	b = b[:max(0, min(int64(len(b)), n.size-off))]
	for done := 0; done < len(b); {
		i, in := off/page, off%page
		part := b[done:min(int64(len(b)), int64(done)+page-in)]
		if int(i) < len(n.cache) && n.cache[i] != nil {
			copy(part, n.cache[i][in:])
		} else {
			clear(part)
		}
		done += len(part)
		off += int64(len(part))
	}
	return len(b)
}

// resize sets the size in the cache.
func (n *node) resize(d *Disk, size int64) {
	if size < n.size {
		if n.cut < 0 || size < n.cut {
			n.cut = size
		}
		keep := pagesOf(d, size)
		for i := keep; i < len(n.cache); i++ {
			if n.cache[i] != nil {
				d.pages--
			}
		}
		n.cache, n.dirty = n.cache[:min(keep, len(n.cache))], n.dirty[:min(keep, len(n.dirty))]
		if in := size % int64(d.opt.Page); in > 0 && keep == len(n.cache) && n.cache[keep-1] != nil {
			last := slices.Clone(n.cache[keep-1])
			clear(last[in:])
			n.cache[keep-1], n.dirty[keep-1] = last, true
		}
	}
	n.size, n.unsynced = size, true
	n.mtime = d.tick()
}

// allocate fills holes below size with allocated pages.
func (n *node) allocate(d *Disk, size int64) error {
	pages := pagesOf(d, size)
	need := int64(pages)
	for i := 0; i < min(pages, len(n.cache)); i++ {
		if n.cache[i] != nil {
			need--
		}
	}
	if d.pageLimit >= 0 && d.pages+need > d.pageLimit {
		return syscall.ENOSPC
	}
	n.grow(pages)
	for i := range pages {
		if n.cache[i] == nil {
			n.cache[i] = d.zero
			d.pages++
		}
	}
	if size > n.size {
		n.size, n.unsynced = size, true
	}
	n.mtime = d.tick()
	return nil
}

func pagesOf(d *Disk, size int64) int {
	return int((size + int64(d.opt.Page) - 1) / int64(d.opt.Page))
}

// sync makes the content and the size durable.
func (n *node) sync(d *Disk) {
	if n.unsynced {
		n.applyCut(d)
		n.diskSize = n.size
		n.flush(func(int) bool { return true })
		n.unsynced = false
	}
}

// failSync is what a failed fdatasync leaves: every page is clean, some of them
// did not reach the disk.
func (n *node) failSync(d *Disk) {
	n.writeback(d, 0.5)
	clear(n.dirty)
}

// forget makes the clean pages that are wholly between from and to, 0 for the end,
// what they are on the disk.
func (n *node) forget(d *Disk, from, to int64) {
	page := int64(d.opt.Page)
	for i, dirty := range n.dirty {
		if dirty || int64(i)*page < from || to > 0 && int64(i+1)*page > to {
			continue
		}
		var p []byte
		if i < len(n.disk) {
			p = n.disk[i]
		}
		switch {
		case n.cache[i] == nil && p != nil:
			d.pages++
		case n.cache[i] != nil && p == nil:
			d.pages--
		}
		n.cache[i] = p
	}
}

// applyCut lets the disk forget what lay behind the smallest size since the last
// sync.
func (n *node) applyCut(d *Disk) {
	if n.cut < 0 {
		return
	}
	n.diskCut(d, n.cut)
	n.cut = -1
}

func (n *node) diskCut(d *Disk, size int64) {
	n.diskSize = min(n.diskSize, size)
	keep := pagesOf(d, size)
	n.disk = n.disk[:min(keep, len(n.disk))]
	if in := size % int64(d.opt.Page); in > 0 && keep == len(n.disk) && n.disk[keep-1] != nil {
		last := slices.Clone(n.disk[keep-1])
		clear(last[in:])
		n.disk[keep-1] = last
	}
}

// flush writes the dirty pages that chosen picks to the disk.
func (n *node) flush(chosen func(i int) bool) {
	for i, dirty := range n.dirty {
		if !dirty || !chosen(i) {
			continue
		}
		for len(n.disk) <= i {
			n.disk = append(n.disk, nil)
		}
		n.disk[i] = n.cache[i]
		n.dirty[i] = false
	}
}

// writeback lets a part of what is not synced reach the disk: the cut first, as
// it is in the journal before what follows it, then some size between the old
// and the new one, then the pages, each with the given likelihood.
func (n *node) writeback(d *Disk, likely float64) {
	if !n.unsynced {
		return
	}
	page := int64(d.opt.Page)
	last := len(n.dirty)
	if n.cut >= 0 {
		if d.rng.Float64() < 0.5 {
			n.applyCut(d)
		} else {
			// What was written behind the cut lies in blocks that the disk does
			// not yet count to this file.
			last = pagesOf(d, n.cut)
		}
	}
	if n.cut < 0 && n.size > n.diskSize {
		switch between := n.size/page - n.diskSize/page; d.rng.IntN(3) {
		case 0:
		case 1:
			n.diskSize = n.size
		case 2:
			if between > 0 {
				n.diskSize = min(n.size, (n.diskSize/page+1+d.rng.Int64N(between))*page)
			}
		}
	}
	n.flush(func(i int) bool { return i < last && d.rng.Float64() < likely })
	if n.cut >= 0 && last > 0 && last <= len(n.dirty) {
		n.dirty[last-1] = true // the cut goes through it, when it comes
	}
}

// losePages leaves in the cache what the disk holds.
func (n *node) losePages(d *Disk) {
	n.writeback(d, [...]float64{0, 0.3, 0.7, 1}[d.rng.IntN(4)])
	n.diskCut(d, n.diskSize)
	n.cut, n.size, n.unsynced = -1, n.diskSize, false
	n.cache = append(n.cache[:0], n.disk...)
	n.dirty = append(n.dirty[:0], make([]bool, len(n.cache))...)
	for _, p := range n.cache {
		if p != nil {
			d.pages++
		}
	}
}
