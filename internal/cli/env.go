package cli

import (
	"slices"
	"strings"
)

// Environment holds the variables that are set to something.
type Environment map[string]string

// ParseEnviron reads KEY=VALUE pairs.
func ParseEnviron(environ []string) Environment {
	env := make(Environment)
	for _, pair := range environ {
		if key, value, _ := strings.Cut(pair, "="); IsSet(value) {
			env[key] = value
		}
	}
	return env
}

// IsSet tells whether a value is one: docassemble writes "null" or "None" where
// it has none.
func IsSet(value string) bool { return value != "" && value != "null" && value != "None" }

// EnvName is the variable for a setting of a program.
func EnvName(program, setting string) string {
	return envPrefix(program) + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

func envPrefix(program string) string { return strings.ToUpper(program) + "_" }

// unknown lists the variables that look like the program's and mean nothing,
// each with what may be meant.
func (env Environment) unknown(program string, known []string) (warnings []string) {
	names := make([]string, 0, len(known))
	for _, name := range known {
		names = append(names, EnvName(program, name))
	}
	for key := range env {
		if strings.HasPrefix(key, envPrefix(program)) && !slices.Contains(names, key) {
			warnings = append(warnings, key+didYouMean(key, names, len(envPrefix(program))))
		}
	}
	slices.Sort(warnings)
	return warnings
}
