package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// printSettings writes all settings, as text in a form that can be used as a
// configuration file.
func printSettings(p *Program, inv *Invocation, output string) error {
	if output == "json" {
		e := json.NewEncoder(p.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"program": p.Name, "version": p.Version, "config_file": inv.ConfigFile, "settings": inv.Settings})
	}
	var out bytes.Buffer
	file := "no configuration file"
	if inv.ConfigFile != "" {
		file = "configuration file " + inv.ConfigFile
	}
	fmt.Fprintf(&out, "# %s %s, %s\n", p.Name, p.Version, file)
	for _, s := range inv.Settings {
		if s.flag.Name == configFlag {
			continue
		}
		line := s.Name + ": " + s.yaml()
		if len(s.Values) == 0 {
			line = "#" + s.Name + ":"
		}
		fmt.Fprintf(&out, "%-47s # %s\n", line, s.Origin)
	}
	_, err := p.Stdout.Write(out.Bytes())
	return err
}

func (s Setting) yaml() string {
	if !s.List {
		return quote(s.Value())
	}
	var values []string
	for _, v := range s.Values {
		values = append(values, quote(v))
	}
	return "[" + strings.Join(values, ", ") + "]"
}

var plain = regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9/._+%-]*$`)

// quote writes a value so that YAML reads the same text.
func quote(v string) string {
	if plain.MatchString(v) && IsSet(v) {
		return v
	}
	return strconv.Quote(v)
}
