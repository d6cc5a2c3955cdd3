package main

import (
	"errors"
	"io/fs"

	"github.com/dalog-project/dalog/internal/cli"
)

// docassembleServer finds the log server where nothing of dalogfwd's own names
// one: in LOGSERVER, else in docassemble's configuration.
func docassembleServer(setting string, from cli.Lookup) (value, origin string, err error) {
	if setting != "server" {
		return "", "", nil
	}
	if value := from.Env["LOGSERVER"]; value != "" {
		return value, "$LOGSERVER", nil
	}
	path := from.Setting("docassemble-config")
	if path == "none" {
		return "", "", nil
	}
	value, origin, err = cli.FileValue(path, "log server")
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	return value, origin, err
}
