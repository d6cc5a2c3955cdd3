package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module is one that a program is built from, besides dalog itself.
type module struct {
	Path, Version, Dir string
	licences           []string // by their SPDX names
	text               []byte   // of its licence files
}

// permitted are licences under which dalog may be given away as it is.
var permitted = []string{"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC", "MPL-2.0"}

// modulesOf lists the modules that packages are built from, by path.
func modulesOf(root string, packages ...string) ([]module, error) {
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=Module"}, packages...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	seen := map[string]module{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ Module *module }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Module != nil && p.Module.Version != "" { // of others
			seen[p.Module.Path] = *p.Module
		}
	}
	var all []module
	for _, m := range seen {
		if err := m.read(); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// read finds what the module is licensed under.
func (m *module) read() error {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") && !strings.HasPrefix(name, "NOTICE") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			return err
		}
		m.text = append(append(m.text, b...), '\n')
		if l := licenceOf(string(b)); l != "" && !slices.Contains(m.licences, l) {
			m.licences = append(m.licences, l)
		}
	}
	return nil
}

// licenceOf recognises a licence by a sentence of its own; "" if it is none of
// those that are permitted.
func licenceOf(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	has := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case has("Apache License Version 2.0"):
		return "Apache-2.0"
	case has("Mozilla Public License Version 2.0"):
		return "MPL-2.0"
	case has("Permission is hereby granted, free of charge, to any person obtaining a copy"):
		return "MIT"
	case has("Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee"), has("Permission to use, copy, modify, and distribute this software for any purpose with or without fee"):
		return "ISC"
	case has("Redistribution and use in source and binary forms") && (has("Neither the name") || has("nor the names")):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	}
	return ""
}

// listLicences prints the modules with their licences. It is an error if one has
// none that is permitted.
func listLicences(w io.Writer, modules []module) error {
	var wrong []string
	for _, m := range modules {
		fmt.Fprintf(w, "%-45s %-25s %s\n", m.Path, m.Version, strings.Join(m.licences, ", "))
		if !slices.ContainsFunc(m.licences, func(l string) bool { return slices.Contains(permitted, l) }) {
			wrong = append(wrong, m.Path)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("no permitted licence: %s", strings.Join(wrong, ", "))
	}
	return nil
}

// thirdParty is the text of all licences, which has to come with the binaries.
func thirdParty(modules []module) []byte {
	var out bytes.Buffer
	out.WriteString("dalog is built from these modules, and from Go itself (BSD-3-Clause, https://go.dev/LICENSE).\n")
	for _, m := range modules {
		fmt.Fprintf(&out, "\n%s\n%s %s\n\n%s", strings.Repeat("=", 80), m.Path, m.Version, m.text)
	}
	return out.Bytes()
}
