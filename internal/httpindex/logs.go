package httpindex

import (
	"io/fs"
	"net/http"
	"slices"

	"github.com/dalog-project/dalog/internal/access"
	"github.com/dalog-project/dalog/internal/logstore"
)

// logs is what the sender of r may read. Every page that shows something of a
// log file gets it from here, so that nobody is shown more.
func (h *Handler) logs(r *http.Request) Logs {
	reader := h.reader(r)
	if reader.MayAll() {
		return h.everything
	}
	return filtered{h.everything, reader}
}

// reader is who sent r.
func (h *Handler) reader(r *http.Request) *access.Reader {
	if h.cfg.Guard == nil {
		return access.Everybody
	}
	if reader := access.ReaderOf(r.Context()); reader != nil {
		return reader
	}
	return new(access.Reader) // whom nobody let in
}

// filtered is logs as reader may see them: what it may not read does not
// exist. It embeds nothing, so that a method added to Logs is thought of here.
type filtered struct {
	logs   Logs
	reader *access.Reader
}

func (f filtered) List() ([]logstore.FileInfo, error) {
	all, err := f.logs.List()
	return slices.DeleteFunc(slices.Clone(all), func(i logstore.FileInfo) bool { return !f.reader.May(i.Name) }), err
}

func (f filtered) OpenFile(name string) (*logstore.Snapshot, error) {
	if !f.reader.May(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f.logs.OpenFile(name)
}

func (f filtered) OpenText(name string) (*logstore.Text, error) {
	if !f.reader.May(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f.logs.OpenText(name)
}
