package tail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/dalog-project/dalog/internal/delivery"
)

// pins are second names of followed files in Config.PinDir, called after their
// sources: what is deleted while nobody looks is still there under them. They
// belong to the scanner.
type pins struct {
	dir  string
	want bool                       // new ones are made
	have map[delivery.SourceID]bool // by this process or an earlier one
	drop []delivery.SourceID        // to be removed once the change is durable
}

// openPins takes up what an earlier process has left, and removes what no source
// needs any more.
func openPins(dir string, want bool, known []Known) pins {
	p := pins{dir: dir, want: want, have: map[delivery.SourceID]bool{}}
	if dir == "" {
		p.want = false
		return p
	}
	needed := map[string]delivery.SourceID{}
	for _, k := range known {
		if !k.Done && k.Of == (delivery.SourceID{}) {
			needed[k.ID.String()] = k.ID
		}
	}
	entries, _ := os.ReadDir(dir) // made when it is first needed
	for _, e := range entries {
		if id, ok := needed[e.Name()]; ok {
			p.have[id] = true
		} else {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return p
}

func (p *pins) path(id delivery.SourceID) string { return filepath.Join(p.dir, id.String()) }

// deleted tells whether the file of s has no name but that of its pin.
func (s *Source) deleted() bool {
	return s.links == 0 || s.pinned && s.links == 1
}

// pin gives the file of s a second name, or takes away the one it need not have.
func (t *Tailer) pin(s *Source) {
	p := &t.pins
	s.pinned = p.have[s.ID] && t.isPinned(s)
	switch {
	case s.pinned && (p.want || s.links == 1), !s.pinned && (!p.want || s.pack != nil || s.links == 0):
		return
	case s.pinned:
		p.drop = append(p.drop, s.ID)
		return
	case p.have[s.ID]: // that of a file in which s was before
		_ = os.Remove(p.path(s.ID))
	}
	err := linkTo(s.file, p.path(s.ID))
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(p.dir, 0o700); err == nil {
			err = linkTo(s.file, p.path(s.ID))
		}
	}
	if err != nil {
		if !s.place.unpinnable {
			s.place.unpinnable = true
			t.cfg.Notify(Event{Kind: PinFailed, Path: s.Path, Name: s.name, Source: s.ID, Err: err})
		}
		return
	}
	p.have[s.ID], s.pinned, s.place.unpinnable = true, true, false
	if st, err := lookFile(s.file); err == nil { // so that it is not taken for a change of its name
		s.links, s.ctime = st.links, st.ctime
	}
}

// linkTo gives an open file another name.
func linkTo(f *os.File, path string) error {
	from := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	if err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "link", Old: f.Name(), New: path, Err: err}
	}
	return nil
}

func (t *Tailer) isPinned(s *Source) bool {
	st, err := lookAt(t.pins.path(s.ID))
	return err == nil && st.key == s.key
}

// unpin takes the second name from a source that has ended, once that is durable.
func (t *Tailer) unpin(s *Source) {
	if t.pins.have[s.ID] {
		t.pins.drop = append(t.pins.drop, s.ID)
	}
}

// removePins removes those that are not needed any more.
func (t *Tailer) removePins() {
	for _, id := range t.pins.drop {
		_ = os.Remove(t.pins.path(id)) // else the next start does
		delete(t.pins.have, id)
	}
	t.pins.drop = nil
	for _, s := range t.sources {
		if s.pinned && !t.pins.have[s.ID] {
			s.pinned = false
			if st, err := lookFile(s.file); err == nil {
				s.links, s.ctime = st.links, st.ctime
			}
		}
	}
}

// fromPins gives those of the files that were not found which have a pin.
func (t *Tailer) fromPins(v *view) (found []*arrival) {
	for _, k := range append([]*Known(nil), v.lost...) {
		if !t.pins.have[k.ID] || k.Done {
			continue
		}
		name := t.pins.path(k.ID)
		o, err := openFile(name)
		if err != nil {
			continue
		}
		if t.open[o.look.key] != nil || !o.ident.Same(k.File) {
			o.file.Close()
			continue
		}
		v.found(k)
		found = append(found, &arrival{opened: o, name: name, suffix: "0", known: k, rotated: true, copied: v.exists})
	}
	return found
}
