package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const envPrefix = "DALOGFWD_"

// environment holds the variables that are set to something; it resolves flags
// that are not on the command line.
type environment map[string]string

// parseEnviron reads KEY=VALUE pairs.
func parseEnviron(environ []string) environment {
	env := make(environment)
	for _, pair := range environ {
		if key, value, _ := strings.Cut(pair, "="); isSet(value) {
			env[key] = value
		}
	}
	return env
}

// isSet tells whether a value is one: docassemble writes "null" or "None" where
// it has none.
func isSet(value string) bool { return value != "" && value != "null" && value != "None" }

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Validate implements kong.Resolver.
func (env environment) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (env environment) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if value, ok := env[envName(flag.Name)]; ok && flag.Name != "help" && flag.Name != "version" {
		return value, nil
	}
	return nil, nil
}

// unknown lists the variables that look like ours and mean nothing.
func (env environment) unknown() []string {
	parser, err := kong.New(new(flags), kong.Vars{"version": ""})
	if err != nil {
		return nil
	}
	known := make(map[string]bool)
	for _, f := range parser.Model.Flags {
		known[envName(f.Name)] = true
	}
	var unknown []string
	for key := range env {
		if strings.HasPrefix(key, envPrefix) && !known[key] {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	return unknown
}
