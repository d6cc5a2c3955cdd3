package vfstest

// change is one change of directory entries that is not durable yet: node got a
// name (created, or renamed from elsewhere), or lost it (as is nil).
type change struct {
	in   *node // the folder whose sync makes it durable
	as   string
	node *node
	lost bool
	done bool
}

func (d *Disk) record(c change) { d.changes = append(d.changes, &c) }

// syncDir makes the entries of a folder durable.
func (d *Disk) syncDir(dir *node) {
	for i, c := range d.changes {
		if c.in == dir {
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
		if (dir == nil || c.in == dir) && d.rng.Float64() < likely {
			d.settle(i)
		}
	}
	d.forgetDone()
}

// settle makes change i durable. Earlier changes of the same node are contained
// in it. Where it takes the name from another node, the changes by which that
// one had moved away come first: no journal puts a name, or an inode, into use
// twice.
func (d *Disk) settle(i int) {
	c := d.changes[i]
	if c.done {
		return
	}
	c.done = true
	for _, earlier := range d.changes[:i] {
		if earlier.node == c.node {
			earlier.done = true
		}
	}
	if before := c.node.tookFrom; before != nil {
		d.vanish(before)
		c.node.tookFrom = nil
	}
	if !c.lost {
		if other := c.in.durable[c.as]; other != nil && other != c.node {
			for j, earlier := range d.changes[:i] {
				if earlier.node == other {
					d.settle(j)
				}
			}
			if c.in.durable[c.as] == other {
				other.onDiskIn = nil // replaced
			}
		}
	}
	c.node.losePlace()
	if !c.lost {
		c.in.durable[c.as] = c.node
		c.node.onDiskIn, c.node.onDiskAs = c.in, c.as
	}
}

// vanish makes it durable that n, whose inode is in use again, is no more.
func (d *Disk) vanish(n *node) {
	for _, c := range d.changes {
		if c.node == n {
			c.done = true
		}
	}
	n.losePlace()
}

func (n *node) losePlace() {
	if n.onDiskIn != nil {
		delete(n.onDiskIn.durable, n.onDiskAs)
		n.onDiskIn = nil
	}
}

func (d *Disk) forgetDone() {
	left := d.changes[:0]
	for _, c := range d.changes {
		if !c.done {
			left = append(left, c)
		}
	}
	clear(d.changes[len(left):])
	d.changes = left
}
