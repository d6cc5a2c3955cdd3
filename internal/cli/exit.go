package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Exit codes of both programs; --help lists them.
const (
	ExitOK       = 0
	ExitInternal = 1
	ExitUsage    = 2
	ExitInUse    = 3
	ExitNoRight  = 4
	ExitFolder   = 5
	ExitLocked   = 6
	ExitDisk     = 70
)

// ExitError is a failure with its exit code; its text is one line that says
// what to do next. Without Err all is said already.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}
func (e *ExitError) Unwrap() error { return e.Err }

// ExitCode is the code for err; ExitInternal where it has none of its own.
func ExitCode(err error) int {
	var e *ExitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &e):
		return e.Code
	}
	return ExitInternal
}

// Report tells err on stderr, each of its lines with the program's name, and
// returns the exit code.
func Report(stderr io.Writer, program string, err error) int {
	if err != nil && err.Error() != "" {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintf(stderr, "%s: %s\n", program, line)
		}
	}
	return ExitCode(err)
}
