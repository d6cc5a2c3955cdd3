package vfstest

import "slices"

// place is a name in a folder; in is nil for nowhere.
type place struct {
	in *node
	as string
}

// change is one change of directory entries that is not durable yet: node went
// from one place to another, was created or removed.
type change struct {
	node     *node
	from, to place
	// others are the nodes that must have made way: who had the name, and who had
	// the inode.
	others []*node
	done   bool
}

// dir is the folder whose sync makes the change durable.
func (c *change) dir() *node {
	if c.to.in != nil {
		return c.to.in
	}
	return c.from.in
}

// builds tells whether the change is only possible after the earlier one, which
// is so where both concern the same node or the same name: no journal puts a
// name, or an inode, into use twice.
func (c *change) builds(earlier *change) bool {
	for _, p := range []place{c.from, c.to} {
		if p.in != nil && (p == earlier.from || p == earlier.to) {
			return true
		}
	}
	for _, n := range append([]*node{c.node}, c.others...) {
		if n == earlier.node || slices.Contains(earlier.others, n) {
			return true
		}
	}
	return false
}

func (d *Disk) record(c change) { d.changes = append(d.changes, &c) }

// syncDir makes the entries of a folder durable.
func (d *Disk) syncDir(dir *node) {
	for i, c := range d.changes {
		if c.dir() == dir {
			d.settle(i)
		}
	}
	d.forgetDone()
}

// loseChanges settles some of the changes, by chance, and forgets the others.
func (d *Disk) loseChanges() {
	d.settleSome([...]float64{0, 0.5, 0.5, 1}[d.rng.IntN(4)], nil)
	d.changes = nil
}

// settleSome makes each change durable with the given likelihood, those of one
// folder or, if dir is nil, of all.
func (d *Disk) settleSome(likely float64, dir *node) {
	for i, c := range d.changes {
		if (dir == nil || c.dir() == dir) && d.rng.Float64() < likely {
			d.settle(i)
		}
	}
	d.forgetDone()
}

// settle makes change i durable, and before it those that it builds on.
func (d *Disk) settle(i int) {
	c := d.changes[i]
	if c.done {
		return
	}
	for j, earlier := range d.changes[:i] {
		if !earlier.done && c.builds(earlier) {
			d.settle(j)
		}
	}
	c.done = true
	c.node.losePlace()
	for _, n := range c.others {
		n.losePlace()
	}
	if c.to.in != nil {
		c.to.in.durable[c.to.as] = c.node
		c.node.onDisk = c.to
	}
}

func (n *node) losePlace() {
	if n.onDisk.in != nil {
		delete(n.onDisk.in.durable, n.onDisk.as)
		n.onDisk = place{}
	}
}

func (d *Disk) forgetDone() {
	d.changes = slices.DeleteFunc(d.changes, func(c *change) bool { return c.done })
}
