package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli/doctest"
	"github.com/dalog-project/dalog/internal/httpindex"
)

const root = "../.."

func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"man", "--format", "markdown"}, nil, &out, io.Discard))
	doctest.Section(t, root+"/docs/settings.md", "dalogd", out.String()+"\n", *update)
}

// Every metric is in the document, with what it means, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	f, inv, err := parseFlags([]string{"--log-dir", filepath.Join(t.TempDir(), "log"), "--syslog", "127.0.0.1:0", "--config", "none"}, nil, io.Discard, io.Discard)
	require.NoError(t, err)
	receiver, _, err := openReceiver(f, inv.Env, nil, log)
	require.NoError(t, err)
	defer receiver.Close()
	store, err := openStore(f, 100, log)
	require.NoError(t, err)
	defer store.Close()
	guard, err := newGuard(f, log)
	require.NoError(t, err)
	registry := metrics(receiver, store)
	registry.MustRegister(httpindex.New(httpindex.Config{Logs: store}), guard, httpindex.NewConnections(1, 1, guard.IsProxy))
	doctest.Section(t, root+"/docs/metrics.md", "dalogd", doctest.Metrics(t, registry, "dalogd_"), *update)
}

// Alert rules, dashboard and documents name only metrics that exist.
func TestMetricsInDocumentsExist(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(root + "/docs/metrics.md")
	require.NoError(t, err)
	doctest.Words(t, root, regexp.MustCompile(`\b(dalog(?:d|fwd)_[a-z_]+(?:_total|_bytes|_seconds|_info|_open|_held|connected|files|parts))\b`), func(file, word string) {
		require.Regexp(t, "`"+word+"[{`]", string(document), "%s names %s", file, word)
	})
	for _, pattern := range []string{"contrib/grafana/*.json", "contrib/docassemble/ecs/*.json", "contrib/prometheus/*.yml", "contrib/docassemble/helm/*.yaml", "packaging/etc/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			var v any
			if strings.HasSuffix(file, ".json") {
				require.NoError(t, json.Unmarshal(b, &v), file)
			} else {
				for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
					if err := d.Decode(&v); err == io.EOF {
						break
					} else {
						require.NoError(t, err, file)
					}
				}
			}
		}
	}
}

// othersFlags are flags of other programs that documents name.
var othersFlags = strings.Fields(`build-arg cap-drop entrypoint format from help isolation name platform rm user root runroot storage-driver version
	no-caps foreground read-only tmpfs cap-add mount chown chmod compressed now`)

// Flags, variables and settings that documents name exist, in one program or the
// other.
func TestFlagsInDocumentsExist(t *testing.T) {
	t.Parallel()
	settings, err := os.ReadFile(root + "/docs/settings.md")
	require.NoError(t, err)
	known := append(slices.Clone(othersFlags), "help", "version")
	for _, m := range regexp.MustCompile("--([a-z][a-z0-9-]+)").FindAllStringSubmatch(string(settings), -1) {
		known = append(known, m[1])
	}
	// In lines about dalog, and wherever one stands by itself.
	for _, pattern := range []string{"(?m)dalog(?:d|fwd)\\b.*?[\\s`('\"]--([a-z][a-z0-9-]+)", "`--([a-z][a-z0-9-]+)"} {
		doctest.Words(t, root, regexp.MustCompile(pattern), func(file, word string) {
			if !slices.Contains(known, word) && !strings.HasSuffix(file, "testing.md") { // which is about flags of tests
				t.Errorf("%s names --%s, which is no flag", file, word)
			}
		})
	}
	doctest.Words(t, root, regexp.MustCompile(`\bDALOG(?:D|FWD)_([A-Z_]+[A-Z])\b`), func(file, word string) {
		if !slices.Contains(known, strings.ToLower(strings.ReplaceAll(word, "_", "-"))) {
			t.Errorf("%s names a variable for %s, which is no setting", file, word)
		}
	})
}

// The configuration files of the packages, with every line that is commented out
// taken in, are sound.
func TestPackagedConfiguration(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(root + "/packaging/etc/dalogd.yaml")
	require.NoError(t, err)
	var lines []string
	for line := range strings.Lines(string(b)) {
		if regexp.MustCompile(`^#[a-z_]+:`).MatchString(line) {
			line = line[1:]
		}
		lines = append(lines, line)
	}
	path := filepath.Join(t.TempDir(), "dalogd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600))
	f, inv, err := parseFlags([]string{"--config", path}, nil, io.Discard, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "/var/log/dalog", f.LogDir)
	n := 0
	for _, s := range inv.Settings {
		if strings.HasPrefix(s.Origin, path) {
			n++
		}
	}
	require.GreaterOrEqual(t, n, 11)
}

// Links between the documents lead somewhere.
func TestLinksInDocuments(t *testing.T) {
	t.Parallel()
	doctest.Words(t, root, regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`), func(file, link string) {
		if strings.Contains(link, "://") || !strings.HasSuffix(file, ".md") {
			return
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), link)); err != nil {
			t.Errorf("%s has a link to %s, which does not exist", file, link)
		}
	})
}
