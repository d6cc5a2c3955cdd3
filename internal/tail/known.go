package tail

import "github.com/dalog-project/dalog/internal/vfs"

// knownFiles are the sources whose files are not open: of an earlier run and not
// found yet, or closed.
type knownFiles struct {
	byFile map[vfs.Identity]*Known
	byPath map[string][]*Known
}

func (f *knownFiles) add(k *Known) {
	if f.byFile == nil {
		f.byFile, f.byPath = map[vfs.Identity]*Known{}, map[string][]*Known{}
	}
	if old := f.byFile[k.File]; old != nil {
		f.remove(old)
	}
	f.byFile[k.File] = k
	f.byPath[k.Path] = append(f.byPath[k.Path], k)
}

func (f *knownFiles) remove(k *Known) {
	delete(f.byFile, k.File)
	var rest []*Known
	for _, other := range f.byPath[k.Path] {
		if other != k {
			rest = append(rest, other)
		}
	}
	if f.byPath[k.Path] = rest; rest == nil {
		delete(f.byPath, k.Path)
	}
}

// of gives the sources of a followed path.
func (f *knownFiles) of(path string) []*Known { return f.byPath[path] }

// lookup finds the source of a file, or nil.
func (f *knownFiles) lookup(ident vfs.Identity) *Known {
	if k := f.byFile[ident]; k != nil {
		return k
	}
	for _, k := range f.byFile {
		if k.File.Same(ident) { // the kernel has learned to give handles since
			return k
		}
	}
	return nil
}
