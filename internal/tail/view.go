package tail

import (
	"cmp"
	"maps"
	"os"
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
	lost     []*Known   // sources whose files are not there
	complete bool       // they are not, or under another name in another folder
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
	away    bool      // in another folder than the path
	packed  bool      // compressed
	pack    *os.File  // the compressed file, once file is what it was unpacked to
	from    int64     // and what it has from
	partial bool      // and that is not all
	content *unpacked // what a compressed file was found to hold
	fit     fit       // what it has of a source that was emptied
	newer   *Source   // it comes right before that one, whatever its times say
	// copied: what it holds was in the path's file once; it is older than what
	// that holds now, though born later.
	copied bool
}

func (a *arrival) drop() {
	a.file.Close()
	if a.pack != nil {
		a.pack.Close()
	}
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
	v.siblings, v.lost, v.complete = t.siblings(p, v.list, v.head, false)
	again, err := lookAt(p.path)
	still := v.exists == (err == nil) && (!v.exists || at.key == again.key)
	v.same = v.same && still
	v.consistent = v.same || still && v.list.current(p.dir)
	if v.same && p.cur.place == p {
		p.cur.suffix, p.cur.sighted = "", t.now
	}
	return v, nil
}

// siblings opens the rotated files of a place that are to be read, in the order
// of their birth. Left out are those that are open already, closed ones that have
// not grown, other places' and, unless all is set, files older than the mark.
// lost are sources whose files were not found; complete says that all names were
// looked at. head is the file at the path, if it is new.
func (t *Tailer) siblings(p *place, list *dirList, head *opened, all bool) (found []*arrival, lost []*Known, complete bool) {
	missed := map[*Known]bool{}
	search := false
	for _, k := range t.known.of(p.path) {
		if head == nil || k != t.known.lookup(head.ident) {
			missed[k] = true
			search = search || !k.Done && k.Of == delivery.SourceID{}
		}
	}
	rotated := list.rotated(p.base)
	complete = list.err == nil
	dirs := len(p.oldDirs)
	rotated = append(rotated, t.elsewhere(p, list, search || all)...)
	names := rotated
	if search { // one may have been renamed to something unusual
		unusual, ok := t.unusual(p, list, missed)
		names = append(slices.Clone(names), unusual...)
		complete = complete && ok
	}
	opened := map[fileKey]bool{} // a file may show under two names while files are being renamed
	if head != nil {
		opened[head.look.key] = true
	}
	sightings := make(map[string]sighting, len(names))
	for _, name := range names {
		path := filepath.Join(p.dir, name)
		s, ok := t.sight(p, name)
		complete = complete && ok
		if s == nil {
			continue
		}
		sightings[name] = *s
		k := t.known.lookup(s.ident)
		delete(missed, k)
		packed := packing(name) != "" && slices.Contains(rotated, name)
		away := filepath.Dir(path) != p.dir
		switch {
		case opened[s.look.key]:
			continue
		case k != nil && (k.Path != p.path || k.Done && (k.Packed || s.look.size <= k.Position.Offset)):
			continue
		case k != nil && t.packs.of[s.ident] != nil:
			suffix, _ := rotation(p.base, filepath.Base(name))
			t.isPacked(t.packs.of[s.ident], suffix)
			continue
		case packed && k == nil && (s.look.mtime <= p.mark || t.packs.of[s.ident] != nil) && !all:
			continue
		case k == nil && away && (s.look.mtime <= t.marks[p.path+awayMark] || !p.oldDirs[filepath.Dir(path)] && !all && !(packed && search)):
			continue
		case k == nil && (t.places[path] != nil || !slices.Contains(rotated, name) || s.birth <= p.mark && !all):
			continue
		}
		o, err := openFile(path)
		if err != nil || o.ident != s.ident { // renamed just now
			complete = false
			if err == nil {
				o.file.Close()
			}
			continue
		}
		opened[s.look.key] = true
		if away && k != nil {
			t.keepsOld(p, path)
		}
		suffix, _ := rotation(p.base, filepath.Base(name))
		found = append(found, &arrival{opened: o, name: path, suffix: suffix, known: k, rotated: true, packed: packed, away: away})
	}
	p.sightings = sightings
	if len(p.oldDirs) > dirs { // there may be more than was looked at
		for _, a := range found {
			a.file.Close()
		}
		return t.siblings(p, list, head, all)
	}
	lost = slices.SortedFunc(maps.Keys(missed), func(a, b *Known) int { return cmp.Compare(a.File.Birth, b.File.Birth) })
	orderPacked(found)
	slices.SortStableFunc(found, byAge)
	return found, lost, complete
}

// byAge compares by birth and, where that is the same as far as the clock of the
// file system tells, by the rotated name.
func byAge(a, b *arrival) int {
	switch c := cmp.Compare(a.birth, b.birth); {
	case c != 0:
		return c
	case olderSuffix(a.suffix, b.suffix):
		return -1
	case olderSuffix(b.suffix, a.suffix):
		return 1
	}
	return 0
}

// orderPacked gives compressed files a time of birth that fits what they hold:
// before it was last written to, after older files were born, and not after newer ones
// were.
func orderPacked(found []*arrival) {
	for _, a := range found {
		if !a.packed {
			continue
		}
		a.birth = min(a.birth, a.look.mtime)
		for _, b := range found {
			if !b.packed && b.named() && olderSuffix(b.suffix, a.suffix) { // the time may be in whole seconds
				a.birth = max(a.birth, b.birth)
			}
		}
	}
	for range found {
		changed := false
		for _, a := range found {
			for _, b := range found {
				if a.packed && b.named() && a.birth > b.birth && olderSuffix(a.suffix, b.suffix) {
					a.birth, changed = b.birth, true
				}
			}
		}
		if !changed {
			return
		}
	}
}

// named tells whether the name of a says something about its age: it is that of the path
// or a rotated one.
func (a *arrival) named() bool { return a.suffix != "" || !a.rotated }

// madeAt is when the file itself was made, compressed or not.
func (a *arrival) madeAt() int64 {
	if a.packed {
		return max(a.birth, a.ident.Birth)
	}
	return a.birth
}

// sighting is what a file was when it was last identified. As long as it looks
// the same it need not be opened again for that.
type sighting struct {
	look  look
	ident vfs.Identity
	birth int64
}

// sight identifies a file in the folder of a place. It gives nil for one that is
// open already and for what is no file; ok is false when it cannot be told.
func (t *Tailer) sight(p *place, name string) (s *sighting, ok bool) {
	path := filepath.Join(p.dir, name)
	st, err := lookAt(path)
	if err != nil || st.mode&unix.S_IFMT != unix.S_IFREG {
		return nil, err == nil || missing(err)
	}
	if open := t.open[st.key]; open != nil {
		open.name = path
		if suffix, ok := rotation(p.base, filepath.Base(name)); ok && open.place == p {
			open.suffix, open.sighted = suffix, t.now
		}
		return nil, true
	}
	if s, ok := p.sightings[name]; ok && s.look == st {
		return &s, true
	}
	o, err := openFile(path)
	if err != nil {
		return nil, missing(err)
	}
	defer o.file.Close()
	if t.open[o.look.key] != nil {
		return nil, true
	}
	return &sighting{look: o.look, ident: o.ident, birth: o.birth}, true
}
