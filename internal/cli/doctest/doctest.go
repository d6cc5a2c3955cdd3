// Package doctest keeps the documents true: sections that are made from the
// programs, and the names of flags and metrics in prose. Only tests use it.
package doctest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Section wants the text between "<!-- name -->" and "<!-- end -->" of a
// document to be content, or with update writes it there.
func Section(t *testing.T, file, name, content string, update bool) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, begin := string(b), "<!-- "+name+" -->\n"
	_, after, ok := strings.Cut(text, begin)
	is, _, hasEnd := strings.Cut(after, "<!-- end -->")
	if !ok || !hasEnd {
		t.Fatalf("%s has no section %s", file, name)
	}
	if is == content {
		return
	}
	if !update {
		t.Fatalf("%s, section %s, is not what the program says; go test with -update writes it anew", file, name)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(text, begin+is, begin+content, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

var described = regexp.MustCompile(`fqName: "(\w+)", help: (".*?[^\\]"), (?:unit: .*?, )?constLabels: \{(.*?)\}, variableLabels: \{(.*?)\}`)

// Metrics is a table of the registry's own metrics.
func Metrics(t *testing.T, registry *prometheus.Registry, prefix string) string {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() { registry.Describe(descs); close(descs) }()
	var rows []string
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read %s", d)
		}
		if !strings.HasPrefix(m[1], prefix) {
			continue
		}
		labels := strings.ReplaceAll(m[4], ",", ", ")
		if c, _, ok := strings.Cut(m[3], "="); ok {
			labels = c
		}
		name := m[1]
		if labels != "" {
			name += "{" + labels + "}"
		}
		kind := "gauge"
		if strings.HasSuffix(m[1], "_total") {
			kind = "counter"
		}
		rows = append(rows, "| `"+name+"` | "+kind+" | "+strings.ReplaceAll(strings.Trim(m[2], `"`), `\"`, `"`)+" |\n")
	}
	slices.Sort(rows)
	return "| metric | kind | |\n|---|---|---|\n" + strings.Join(slices.Compact(rows), "")
}

// Files are the documents for people and the files of contrib and packaging.
func Files(t *testing.T, root string) (files []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "contrib/*/*", "contrib/*/*/*", "packaging/etc/*", "packaging/systemd/*", "Dockerfile"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
				files = append(files, file)
			}
		}
	}
	return files
}

// Words calls f for each match of pattern in the documents.
func Words(t *testing.T, root string, pattern *regexp.Regexp, f func(file, word string)) {
	t.Helper()
	for _, file := range Files(t, root) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pattern.FindAllStringSubmatch(string(b), -1) {
			f(file, m[1])
		}
	}
}
