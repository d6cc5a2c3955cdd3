package forwarder

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/tail"
	"github.com/dalog-project/dalog/internal/vfs"
)

// registryName is the file in the state folder. A damaged one is kept under
// damagedName with the time.
const (
	registryName = "registry"
	registryTemp = "registry.tmp"
	damagedName  = "registry.damaged-"
)

// keepUnseen is how long a source is remembered whose file is not found.
const keepUnseen = 30 * 24 * time.Hour

// entry is what the registry holds of a source.
type entry struct {
	tail.Known
	Seen int64 // seconds since 1970: when its file was last open
}

// registry remembers sources over restarts; it is the Memory of tail. The file
// is replaced as a whole: it is small, and either old or new after any crash.
type registry struct {
	fs  vfs.FS
	now func() time.Time

	// dropping, if set, is told of sources that are gone, before they are dropped.
	dropping func([]delivery.SourceID) error

	writing sync.Mutex // held while a file is written

	mu      sync.Mutex // guards what follows
	sources map[delivery.SourceID]entry
	marks   map[string]int64
	dirty   bool
}

// openRegistry reads the registry. Of a damaged one a copy is kept, and damage
// tells about it: everything is then new. It stays in its place until the first
// change is applied, so that a crash before that does not make it forgotten.
func openRegistry(fsys vfs.FS) (r *registry, damage, err error) {
	r = &registry{fs: fsys, now: time.Now, marks: map[string]int64{}, sources: map[delivery.SourceID]entry{}}
	data, err := readAll(fsys, registryName)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	sources, marks, err := decodeRegistry(data)
	if errors.Is(err, errNewerRegistry) {
		return nil, nil, err
	}
	if err != nil {
		aside := fmt.Sprintf("%s%d", damagedName, r.now().Unix())
		damage = fmt.Errorf("registry is damaged (%w); it is kept as %s", err, aside)
		if err := r.write(aside, data); err != nil {
			return nil, nil, err
		}
		return r, damage, nil
	}
	for _, e := range sources {
		r.sources[e.ID] = e
	}
	r.marks = marks
	return r, nil, nil
}

func readAll(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size)
	if len(data) == 0 {
		return nil, nil
	}
	_, err = f.ReadAt(data, 0)
	return data, err
}

// Sources implements tail.Memory.
func (r *registry) Sources() []tail.Known {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := make([]tail.Known, 0, len(r.sources))
	for _, e := range r.sources {
		known = append(known, e.Known)
	}
	return known
}

// Marks implements tail.Memory.
func (r *registry) Marks() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.marks)
}

// Apply implements tail.Memory.
func (r *registry) Apply(c tail.Change) error {
	if r.dropping != nil && len(c.Drop) > 0 {
		if err := r.dropping(c.Drop); err != nil {
			return err
		}
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	sources, marks := maps.Clone(r.sources), maps.Clone(r.marks)
	r.mu.Unlock()
	seen := r.now().Unix()
	apply(sources, marks, c, seen)
	if err := r.write(registryName, encodeRegistry(sources, marks)); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	apply(r.sources, r.marks, c, seen)
	return nil
}

func apply(sources map[delivery.SourceID]entry, marks map[string]int64, c tail.Change, seen int64) {
	for _, id := range c.Drop {
		delete(sources, id)
	}
	for _, k := range c.Add {
		if old, ok := sources[k.ID]; ok && old.Position.Offset > k.Position.Offset {
			k.Position = old.Position // confirmed since the change was made up
		}
		k.Size = max(k.Size, sources[k.ID].Size)
		sources[k.ID] = entry{Known: k, Seen: seen}
	}
	for _, id := range c.Done {
		if e, ok := sources[id]; ok {
			e.Done = true
			sources[id] = e
		}
	}
	for path, birth := range c.Marks {
		marks[path] = max(marks[path], birth)
	}
	for _, path := range c.Unfollow {
		delete(marks, path)
	}
}

// Seen implements tail.Memory. It forgets sources not seen for long; their
// files, should they come back under a rotated name, are old news then.
func (r *registry) Seen(ids []delivery.SourceID) {
	gone := r.seen(ids)
	if r.dropping != nil && len(gone) > 0 {
		_ = r.dropping(gone) // what is not written now is with the next positions
	}
}

func (r *registry) seen(ids []delivery.SourceID) (gone []delivery.SourceID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for _, id := range ids {
		if e, ok := r.sources[id]; ok {
			e.Seen = now.Unix()
			r.sources[id] = e
		}
	}
	for id, e := range r.sources {
		if now.Sub(time.Unix(e.Seen, 0)) > keepUnseen {
			delete(r.sources, id)
			r.marks[e.Path] = max(r.marks[e.Path], e.File.Birth)
			gone = append(gone, id)
		}
	}
	r.dirty = true
	return gone
}

// offset is up to where a source is confirmed.
func (r *registry) offset(id delivery.SourceID) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sources[id].Position.Offset
}

// confirm moves a source's position. It is durable after the next save.
func (r *registry) confirm(id delivery.SourceID, p delivery.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.sources[id]; ok {
		e.Position = p
		r.sources[id] = e
		r.dirty = true
	}
}

// grown takes note of the sizes of files, so that it can be told how much is lost
// of a file that is gone.
func (r *registry) grown(sizes map[delivery.SourceID]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, size := range sizes {
		if e, ok := r.sources[id]; ok && size > e.Size {
			e.Size = size
			r.sources[id] = e
			r.dirty = true
		}
	}
}

// save makes the positions durable.
func (r *registry) save() error {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	if !r.dirty {
		r.mu.Unlock()
		return nil
	}
	data := encodeRegistry(r.sources, r.marks)
	r.dirty = false
	r.mu.Unlock()
	err := r.write(registryName, data)
	if err != nil {
		r.mu.Lock()
		r.dirty = true
		r.mu.Unlock()
	}
	return err
}

// write makes or replaces a file. The new one is complete and durable before it
// takes the name.
func (r *registry) write(name string, data []byte) error {
	f, err := r.fs.OpenFile(registryTemp, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("write the registry: %w", err)
	}
	err = func() error {
		defer f.Close()
		if err := f.Truncate(0); err != nil {
			return err
		}
		if _, err := f.WriteAt(data, 0); err != nil {
			return err
		}
		return f.Datasync()
	}()
	if err == nil {
		err = r.fs.Rename(registryTemp, name)
	}
	if err == nil {
		err = r.fs.SyncDir(".")
	}
	if err != nil {
		return fmt.Errorf("write the registry: %w", err)
	}
	return nil
}
