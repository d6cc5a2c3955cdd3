package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// archive makes the archive for a processor: both programs with their documents,
// units and settings, to be unpacked anywhere.
func (r *release) archive(arch string, docs []document) error {
	name := fmt.Sprintf("dalog-%s-linux-%s", packageVersion(r.version), arch)
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	add := func(file string, mode int64, content []byte) error {
		h := &tar.Header{Name: path.Join(name, file), Mode: mode, Size: int64(len(content)), ModTime: r.mtime, Format: tar.FormatPAX, Uname: "root", Gname: "root"}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := w.Write(content)
		return err
	}
	type entry struct{ from, to string }
	entries := []entry{{"LICENSE", "LICENSE"}, {"README.md", "README.md"}, {"CHANGELOG.md", "CHANGELOG.md"}}
	for _, pattern := range []string{"packaging/systemd/*", "packaging/etc/*"} {
		found, err := filepath.Glob(filepath.Join(r.root, pattern))
		if err != nil {
			return err
		}
		for _, file := range found {
			rel, err := filepath.Rel(r.root, file)
			if err != nil {
				return err
			}
			entries = append(entries, entry{rel, strings.TrimPrefix(rel, "packaging/")})
		}
	}
	for _, program := range programs {
		content, err := os.ReadFile(r.binary(program, arch))
		if err == nil {
			err = add(program, 0o755, content)
		}
		if err != nil {
			return err
		}
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(r.root, e.from))
		if err == nil {
			err = add(e.to, 0o644, content)
		}
		if err != nil {
			return err
		}
	}
	slices.SortFunc(docs, func(a, b document) int { return strings.Compare(a.path, b.path) })
	for _, d := range docs {
		if err := add(strings.TrimPrefix(d.path, "/usr/"), 0o644, d.content); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	compressed, err := r.gzip(packed.Bytes())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, name+".tar.gz"), compressed, 0o644)
}

// checksums writes SHA256SUMS over everything that is delivered.
func (r *release) checksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var sums bytes.Buffer
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), e.Name())
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), sums.Bytes(), 0o644)
}
