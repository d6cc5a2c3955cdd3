package access

import (
	"context"
	"path"
	"slices"
	"strings"
)

// Anonymous is the name, in the file of rights, of those who read without a
// login. Nobody can log in by it.
const Anonymous = "anonymous"

// A Reader is who sent a request. It is immutable.
type Reader struct {
	Name     string   // that was proved; "" = no login
	patterns []string // of file names; nil = none
	all      bool     // may read every file, whatever the patterns
}

// Everybody may read all files; it is the reader where nothing guards.
var Everybody = &Reader{all: true}

// May tells whether the file of this name may be read, or known of. A pattern
// that covers a file covers what was rotated away from it: NAME.1, NAME.2.gz.
func (r *Reader) May(file string) bool {
	if r.all {
		return true
	}
	current := rotatedFrom(file)
	return slices.ContainsFunc(r.patterns, func(p string) bool {
		return matches(p, file) || matches(p, current)
	})
}

// MayAll tells whether every file may be read, those to come as well.
func (r *Reader) MayAll() bool { return r.all }

func (r *Reader) same(other *Reader) bool {
	return r.Name == other.Name && r.all == other.all && slices.Equal(r.patterns, other.patterns)
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil // patterns were checked when they were read
}

// rotatedFrom takes the ending of a rotated file off: .1, .2.gz, .3.zst.
func rotatedFrom(name string) string {
	switch ext := path.Ext(name); ext {
	case ".gz", ".zst", ".xz", ".bz2", ".lz4", ".zip":
		name = strings.TrimSuffix(name, ext)
	}
	number := strings.TrimPrefix(path.Ext(name), ".")
	if number != "" && strings.Trim(number, "0123456789") == "" {
		return strings.TrimSuffix(name, "."+number)
	}
	return name
}

type readerKey struct{}

// ReaderOf is the reader of the request with this context: nil where no guard
// has handed it on.
func ReaderOf(ctx context.Context) *Reader {
	r, _ := ctx.Value(readerKey{}).(*Reader)
	return r
}

func withReader(ctx context.Context, r *Reader) context.Context {
	return context.WithValue(ctx, readerKey{}, r)
}
