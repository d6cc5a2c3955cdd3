package httpindex

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lateWriter counts what is done with it once its handler is over.
type lateWriter struct {
	*httptest.ResponseRecorder
	over atomic.Bool
	late atomic.Int32
}

func (w *lateWriter) Write(b []byte) (int, error) {
	if w.over.Load() {
		w.late.Add(1)
	}
	return len(b), nil
}

func (w *lateWriter) Flush() {
	if w.over.Load() {
		w.late.Add(1)
	}
}

// A client that leaves ends the handler in the middle. What waits to be sent
// then must not be: the connection belongs to somebody else, or to nobody.
func TestNothingIsSentAfterTheHandler(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("one\ntwo\n"), 0o600))
	store, _ := openStore(t, dir)
	h := New(Config{Logs: store})
	for _, url := range []string{"/web.log?format=json&limit=1", "/search?format=json", "/web.log?grep=o", "/web.log?follow=1"} {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		w := &lateWriter{ResponseRecorder: httptest.NewRecorder()}
		func() {
			defer func() { w.over.Store(true); _ = recover() }()
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, url, nil))
		}()
		time.Sleep(2 * flushWithin)
		require.Zero(t, w.late.Load(), url)
	}
}
