package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli/doctest"
	"github.com/dalog-project/dalog/internal/forwarder"
)

const root = "../.."

var update = flag.Bool("update", false, "write the golden files anew")

func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"man", "--format", "markdown"}, nil, &out, io.Discard))
	doctest.Section(t, root+"/docs/settings.md", "dalogfwd", out.String()+"\n", *update)
}

func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	fwd, err := forwarder.Open(forwarder.Config{Servers: []string{"127.0.0.1:1"}, Hostname: "h", StateDir: t.TempDir()})
	require.NoError(t, err)
	doctest.Section(t, root+"/docs/metrics.md", "dalogfwd", doctest.Metrics(t, registry(fwd.Stats), "dalogfwd_"), *update)
}

// The configuration file of the package is sound, with every line taken in.
func TestPackagedConfiguration(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(root + "/packaging/etc/dalogfwd.yaml")
	require.NoError(t, err)
	text := strings.NewReplacer("#server", "server", "#file", "file", "#  -", "  -").Replace(string(b))
	path := t.TempDir() + "/dalogfwd.yaml"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	f, _, err := parseFlags([]string{"--config", path}, nil, io.Discard, io.Discard)
	require.NoError(t, err)
	require.Len(t, f.File, 3)
}

// Metrics and health can be had while the server is away.
func TestMetricsServed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() {
		code, _, _ := runHere(ctx, []string{"DALOGFWD_CONFIG=none"}, "--server=127.0.0.1:1", "--state-dir="+t.TempDir(), "--metrics="+addr, "--file=/no/such/file=p")
		done <- code
	}()
	get := func(path string) string {
		for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			resp, err := http.Get("http://" + addr + path)
			if err != nil {
				continue
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err == nil && resp.StatusCode == http.StatusOK {
				return string(b)
			}
		}
		return ""
	}
	require.Equal(t, "ok\n", get("/healthz"))
	require.Contains(t, get("/metrics"), "\ndalogfwd_connected 0\n")
	cancel()
	require.Zero(t, <-done)
}
