package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/dalog-project/dalog/internal/cli"
)

// check looks at everything that can be wrong before the start, without taking
// a port or a folder into use: a dalogd with the same settings may be running.
func check(stdout io.Writer, f *flags, inv *cli.Invocation) error {
	for _, w := range inv.Warnings {
		fmt.Fprintf(stdout, "warning: unknown environment variable %s\n", w)
	}
	var wrong []error
	for _, err := range f.checkWorld() {
		wrong = append(wrong, inv.Locate(err))
	}
	if err := errors.Join(wrong...); err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	from := "no configuration file"
	if inv.ConfigFile != "" {
		from = inv.ConfigFile
	}
	_, err := fmt.Fprintf(stdout, "ok: %s\n", from)
	return err
}

// checkWorld finds what the settings name and the system does not have.
func (f *flags) checkWorld() (wrong []error) {
	if _, err := loadCertificates(f); err != nil {
		wrong = append(wrong, err)
	}
	return append(wrong, f.checkOthers()...)
}

// checkOthers is checkWorld without the TLS files.
func (f *flags) checkOthers() (wrong []error) {
	if _, err := newGuard(f, slog.New(slog.DiscardHandler)); err != nil {
		wrong = append(wrong, err)
	}
	if _, err := findAccount(f.User); err != nil {
		wrong = append(wrong, err)
	}
	if err := checkParent(f.LogDir); err != nil {
		wrong = append(wrong, err)
	}
	return wrong
}
