// Dalogd receives syslog, stores it as plain text files, and serves them over
// HTTP. Run it with --help.
package main

import (
	"context"
	"os"
)

func main() {
	dropRights = true
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
