package tail

import (
	"cmp"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/vfs"
)

// view is what stands at a place at one moment.
type view struct {
	exists   bool    // the path leads to a file
	same     bool    // and that is the place's source already
	head     *opened // it, if it is not
	list     *dirList
	siblings []*arrival // rotated files that are not open
	gone     []*Known   // closed sources whose files are no longer there
	// consistent: no rotation can have hidden a file while the view was taken.
	consistent bool
}

func (v *view) close() {
	if v.head != nil {
		v.head.file.Close()
	}
	for _, a := range v.siblings {
		a.file.Close()
	}
}

// arrival is an open file that is about to become a source of a place.
type arrival struct {
	*opened
	name    string
	suffix  string // of the rotated name
	known   *Known // from an earlier run, or closed before
	rotated bool
	// copied: what it holds was in the path's file once; it is older than what
	// that holds now, though born later.
	copied bool
}

// view looks at a place. The path is opened first and the folder read
// afterwards, so that a rotation in between shows the opened file under its
// rotated name.
func (t *Tailer) view(p *place) (*view, error) {
	at, err := lookAt(p.path)
	if err != nil && !missing(err) {
		return nil, err
	}
	v := &view{exists: err == nil}
	v.same = v.exists && p.cur != nil && p.cur.key == at.key
	if v.exists && !v.same {
		v.head, err = openFile(p.path)
		switch {
		case err != nil && missing(err):
			v.exists = false
		case err != nil:
			return nil, err
		default:
			at = v.head.look
		}
	}
	v.list = t.list(p.dir)
	v.siblings, v.gone = t.siblings(p, v.list, v.head)
	again, err := lookAt(p.path)
	still := v.exists == (err == nil) && (!v.exists || at.key == again.key)
	v.same = v.same && still
	v.consistent = v.same || still && v.list.current(p.dir)
	return v, nil
}

// siblings opens the rotated files of a place that are not open already, in the
// order of their birth. gone are closed sources whose files are not among them.
// head is the file at the path, if it is new.
func (t *Tailer) siblings(p *place, list *dirList, head *opened) (found []*arrival, gone []*Known) {
	lost := map[delivery.SourceID]*Known{}
	for _, k := range t.known {
		if k.Path == p.path && (head == nil || k != t.lookup(head.ident)) {
			lost[k.ID] = k
		}
	}
	// A file may show under two names while files are being renamed.
	seen := map[fileKey]bool{}
	if head != nil {
		seen[head.look.key] = true
	}
	rotated, complete := list.rotated(p.base), list.err == nil
	names := rotated
	if p.cur == nil && slices.ContainsFunc(values(lost), func(k *Known) bool { return !k.Done }) {
		names = list.names // one may have been renamed to something unusual
	}
	for _, name := range names {
		a, ok := t.sibling(p, name, seen)
		complete = complete && ok
		switch {
		case a == nil:
			continue
		case a.known != nil:
			delete(lost, a.known.ID)
		}
		switch {
		case a.known != nil && a.known.Path == p.path,
			a.known == nil && t.places[a.name] == nil && slices.Contains(rotated, name):
			found = append(found, a)
		default: // the concern of another place, or of no one
			a.file.Close()
		}
	}
	if complete {
		for _, k := range lost {
			if k.Done {
				gone = append(gone, k)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b *arrival) int { return cmp.Compare(a.birth, b.birth) })
	return found, gone
}

// sibling opens a file in the folder of a place, unless it is open already or
// no file. ok is false when it cannot be told what it is.
func (t *Tailer) sibling(p *place, name string, seen map[fileKey]bool) (a *arrival, ok bool) {
	path := filepath.Join(p.dir, name)
	st, err := lookAt(path)
	if err != nil || st.mode&unix.S_IFMT != unix.S_IFREG {
		return nil, err == nil || missing(err)
	}
	if s := t.open[st.key]; s != nil {
		s.name = path
		return nil, true
	}
	o, err := openFile(path)
	if err != nil {
		return nil, missing(err)
	}
	if t.open[o.look.key] != nil || seen[o.look.key] {
		o.file.Close()
		return nil, true
	}
	seen[o.look.key] = true
	suffix, _ := rotation(p.base, name)
	return &arrival{opened: o, name: path, suffix: suffix, known: t.lookup(o.ident), rotated: true}, true
}

func values(m map[delivery.SourceID]*Known) (list []*Known) {
	for _, k := range m {
		list = append(list, k)
	}
	return list
}

// lookup finds what is known of a file that is not open.
func (t *Tailer) lookup(ident vfs.Identity) *Known {
	if k := t.known[ident]; k != nil {
		return k
	}
	for _, k := range t.known {
		if k.File.Same(ident) { // the kernel has learned to give handles since
			return k
		}
	}
	return nil
}
