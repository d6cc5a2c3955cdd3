package logstore

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

// Store keeps the log files of one folder.
type Store struct {
	cfg  Config
	root *os.Root
}

// Open takes the folder, its lock and its standard files into use.
func Open(cfg Config) (*Store, error) {
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, err
	}
	return &Store{cfg: cfg, root: root}, nil
}

// Run is the committer: it works until ctx ends, then drains what was taken
// and returns. An error means that the disk failed and nothing more is written.
func (s *Store) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Close gives up the lock and the descriptors; call it after Run has returned.
func (s *Store) Close() error { return s.root.Close() }

// Submit takes messages that arrived together; see syslogsrv.Sink.
func (s *Store) Submit(ctx context.Context, received time.Time, msgs []syslog.Message, committed func(error)) error {
	for i := range msgs {
		m := &msgs[i]
		f, err := s.root.OpenFile(string(m.Program)+".log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(append(append([]byte(nil), m.Text...), '\n'))
		f.Close()
		if err != nil {
			return err
		}
	}
	if committed != nil {
		go committed(nil)
	}
	return nil
}

// Reopen makes the Store look at once whether files were renamed or removed,
// and returns when nothing is written any more to those that were.
func (s *Store) Reopen(ctx context.Context) error { return nil }

// List is every readable log file, docassemble.log first, then by code point.
func (s *Store) List() ([]FileInfo, error) {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return nil, err
	}
	var list []FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			list = append(list, FileInfo{Name: e.Name(), Size: info.Size(), ModTime: info.ModTime()})
		}
	}
	return list, nil
}

// OpenFile opens a file of the list for reading as it stands.
// errors.Is(err, fs.ErrNotExist) tells unknown and refused names.
func (s *Store) OpenFile(name string) (*Snapshot, error) {
	if filepath.Base(name) != name {
		return nil, fs.ErrNotExist
	}
	f, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Snapshot{Name: name, Size: info.Size(), ModTime: info.ModTime(), file: f}, nil
}

// Stats is what the Store counted since Open.
type Stats struct{ Messages, Lines, Bytes int64 }

// Stats returns the counters.
func (s *Store) Stats() Stats { return Stats{} }

// Snapshot is a file as it stood when it was opened. It ends at a line end.
type Snapshot struct {
	Name    string
	Size    int64
	ModTime time.Time
	file    *os.File
}

// ETag is a strong entity tag (RFC 9110, section 8.8.3), with its quotes.
func (sn *Snapshot) ETag() string { return `"0"` }

// File is the open file; its position belongs to the caller, and bytes past
// Size are no part of the snapshot.
func (sn *Snapshot) File() *os.File { return sn.file }

// ReadAt reads within Size.
func (sn *Snapshot) ReadAt(p []byte, off int64) (int, error) {
	return io.NewSectionReader(sn.file, 0, sn.Size).ReadAt(p, off)
}

// LastLines is the offset at which the last n lines begin.
func (sn *Snapshot) LastLines(n int) (int64, error) { return 0, nil }

// Close closes the file.
func (sn *Snapshot) Close() error { return sn.file.Close() }
