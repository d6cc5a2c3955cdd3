package main

import "errors"

// Exit codes; --help lists them.
const (
	exitOK       = 0
	exitInternal = 1
	exitUsage    = 2
	exitFolder   = 5
	exitLocked   = 6
)

// exitError is a failure with its exit code; its text is one line that says
// what to do next.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	}
	return exitInternal
}
