package main

import "github.com/dalog-project/dalog/internal/cli"

// version is set by the linker in releases.
var version string

func versionText() string { return cli.Version(version) }
