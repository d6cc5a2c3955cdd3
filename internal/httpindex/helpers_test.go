package httpindex

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/logstore"
)

// Bounds for waiting until something has happened.
const (
	eventually = 5 * time.Second
	tick       = time.Millisecond
)

var discard = slog.New(slog.DiscardHandler)

// fakeLogs answers the list from memory; files are not its business.
type fakeLogs struct {
	files []logstore.FileInfo
	err   error
}

func (f fakeLogs) List() ([]logstore.FileInfo, error) { return f.files, f.err }

func (f fakeLogs) OpenFile(string) (*logstore.Snapshot, error) {
	if f.err != nil {
		return nil, f.err
	}
	return nil, os.ErrNotExist
}

func (f fakeLogs) OpenText(string) (*logstore.Text, error) {
	if f.err != nil {
		return nil, f.err
	}
	return nil, os.ErrNotExist
}

// openStore opens a running store on dir, and stops it when the test ends or
// the returned function is called.
func openStore(t testing.TB, dir string) (*logstore.Store, func()) {
	t.Helper()
	return runStore(t, logstore.Config{Dir: dir})
}

func runStore(t testing.TB, cfg logstore.Config) (*logstore.Store, func()) {
	t.Helper()
	cfg.Logger = discard
	store, err := logstore.Open(cfg)
	require.NoError(t, err)
	stop := run(t, store)
	closed := false
	end := func() {
		stop()
		if !closed {
			closed = true
			require.NoError(t, store.Close())
		}
	}
	t.Cleanup(end)
	return store, end
}

// run runs a store until the test ends or stop is called.
func run(t testing.TB, store *logstore.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- store.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		require.NoError(t, <-ran)
	}
	t.Cleanup(stop)
	return stop
}

// startServer serves h as dalogd does, and returns the address.
func startServer(t testing.TB, h http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := NewServer(h, discard)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return listener.Addr().String()
}

// serve starts a server and returns its base URL.
func serve(t testing.TB, cfg Config) string {
	t.Helper()
	return "http://" + startServer(t, New(cfg))
}

// serveFiles serves a new log folder with files of other programs in it.
func serveFiles(t testing.TB, files map[string]string) (base, dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	store, _ := openStore(t, dir)
	return serve(t, Config{Logs: store}), dir
}

// do sends a request with the given header lines ("Name", "value", ...).
func do(t testing.TB, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

func get(t testing.TB, url string, header ...string) (*http.Response, string) {
	t.Helper()
	return do(t, http.MethodGet, url, header...)
}

// counter gives the sum of h's counters of this name whose labels have the
// given values.
func counter(t testing.TB, h *Handler, name string, values ...string) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(h))
	families, err := registry.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
	metrics:
		for _, metric := range family.GetMetric() {
			var has []string
			for _, label := range metric.GetLabel() {
				has = append(has, label.GetValue())
			}
			for _, value := range values {
				if !slices.Contains(has, value) {
					continue metrics
				}
			}
			sum += metric.GetCounter().GetValue()
		}
	}
	return sum
}
