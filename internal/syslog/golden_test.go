package syslog

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden is one case of a file under testdata, whose README.md tells the form.
type golden struct {
	name   string
	file   string
	line   int
	fields map[string][]string
}

func readGolden(t testing.TB, pattern string) []golden {
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, files, pattern)
	var cases []golden
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		cases = append(cases, parseGolden(t, file, string(data))...)
	}
	return cases
}

func parseGolden(t testing.TB, file, data string) (cases []golden) {
	var c *golden
	defaults := map[string][]string{}
	names := map[string]bool{}
	for i, line := range strings.Split(data, "\n") {
		at := fmt.Sprintf("%s:%d", file, i+1)
		if name, ok := strings.CutPrefix(line, "== "); ok {
			require.False(t, names[name], "%s: a second %q", at, name)
			names[name] = true
			cases = append(cases, golden{name: name, file: file, line: i + 1, fields: map[string][]string{}})
			c = &cases[len(cases)-1]
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		require.True(t, ok && c != nil, "%s: want a field: %q", at, line)
		value = strings.TrimPrefix(value, " ")
		c.fields[key] = append(c.fields[key], value)
	}
	if len(cases) > 0 && cases[0].name == "defaults" {
		defaults, cases = cases[0].fields, cases[1:]
	}
	for i := range cases {
		fields := maps.Clone(defaults)
		maps.Copy(fields, cases[i].fields)
		cases[i].fields = fields
	}
	return cases
}

// run calls do for each case, and fails on fields that do did not take.
func runGolden(t *testing.T, pattern string, do func(t *testing.T, c golden)) {
	for _, c := range readGolden(t, pattern) {
		name, _, _ := strings.Cut(c.name, ":")
		t.Run(filepath.Base(c.file)+"/"+name, func(t *testing.T) {
			t.Parallel()
			do(t, c)
			for key := range c.fields {
				t.Errorf("%s:%d: unknown field %q", c.file, c.line, key)
			}
		})
	}
}

// take is the field's values, unquoted and joined.
func (c *golden) take(t testing.TB, key string) string {
	var s strings.Builder
	for _, v := range c.takeAll(key) {
		s.WriteString(unquote(t, v))
	}
	return s.String()
}

func (c *golden) takeAll(key string) []string {
	v := c.fields[key]
	delete(c.fields, key)
	return v
}

func (c *golden) takeInt(t testing.TB, key string) int {
	s := c.take(t, key)
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err, "%s:%d: %s", c.file, c.line, key)
	return n
}

func unquote(t testing.TB, s string) string {
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	u, err := strconv.Unquote(s)
	require.NoError(t, err, s)
	return u
}

var flagNames = []struct {
	name string
	flag Flags
}{
	{"NoPri", NoPri},
	{"BadPri", BadPri},
	{"BadTime", BadTime},
	{"ShortHeader", ShortHeader},
	{"Truncated", Truncated},
	{"Unterminated", Unterminated},
	{"FramingError", FramingError},
	{"NotUTF8", NotUTF8},
	{"ClockUnsynced", ClockUnsynced},
}

// flagsText is the names of flags with a plus between them, "-" for none.
func flagsText(flags Flags) string {
	var names []string
	for _, f := range flagNames {
		if flags&f.flag != 0 {
			names = append(names, f.name)
			flags &^= f.flag
		}
	}
	switch {
	case flags != 0:
		names = append(names, fmt.Sprintf("%#x", uint16(flags)))
	case len(names) == 0:
		return "-"
	}
	return strings.Join(names, "+")
}
