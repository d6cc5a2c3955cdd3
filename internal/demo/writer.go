package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/dalog-project/dalog/internal/e2e/sample"
)

// The pace of one app server.
const (
	betweenEvents = 120 * time.Millisecond // at most
	betweenLines  = 4 * time.Millisecond   // of one event: those of the two servers overlap
)

// writer is what happens on one app server: it appends to the log files below
// root.
type writer struct {
	root   string
	server *sample.Server
	files  map[*sample.Source]*os.File
}

func (w *writer) run(ctx context.Context) error {
	w.files = make(map[*sample.Source]*os.File)
	defer func() {
		for _, f := range w.files {
			f.Close()
		}
	}()
	for {
		source, lines := w.server.Next(time.Now())
		f, err := w.open(source)
		if err != nil {
			return err
		}
		for _, line := range lines {
			if _, err := f.WriteString(line + "\n"); err != nil {
				return err
			}
			if !sleep(ctx, betweenLines) {
				return nil
			}
		}
		if !sleep(ctx, rand.N(betweenEvents)) {
			return nil
		}
	}
}

func (w *writer) open(source *sample.Source) (*os.File, error) {
	if f := w.files[source]; f != nil {
		return f, nil
	}
	path := filepath.Join(w.root, source.File)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	w.files[source] = f
	return f, nil
}

// sleep reports false when ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
