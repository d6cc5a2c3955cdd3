package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dalog-project/dalog/internal/forwarder"
	"github.com/dalog-project/dalog/internal/syslog"
)

const defaultSeverity = "info"

// docassembleFiles are the logs of a docassemble app server.
func docassembleFiles() []forwarder.File {
	const (
		logs        = "/usr/share/docassemble/log/"
		err   uint8 = 3
		info  uint8 = 6
		debug uint8 = 7
	)
	return []forwarder.File{
		{Pattern: logs + "docassemble.log", Program: "docassemble", Severity: debug},
		{Pattern: logs + "websockets.log", Program: "websockets", Severity: debug},
		{Pattern: logs + "worker.log", Program: "celery", Severity: debug},
		{Pattern: logs + "single_worker.log", Program: "celerysingle", Severity: debug},
		{Pattern: logs + "uwsgi.log", Program: "uwsgi", Severity: debug},
		{Pattern: "/var/log/nginx/access.log", Program: "nginx", Severity: debug},
		{Pattern: "/var/log/nginx/error.log", Program: "nginx", Severity: err},
		{Pattern: "/var/log/apache2/access.log", Program: "apache", Severity: debug},
		{Pattern: "/var/log/apache2/error.log", Program: "apache", Severity: err},
		{Pattern: "/var/log/supervisor/supervisord.log", Program: "supervisor", Severity: info},
	}
}

// file is one value of --file.
type file struct{ forwarder.File }

// UnmarshalText reads PATH=program[:severity]. The path may hold "=" itself.
func (f *file) UnmarshalText(b []byte) error {
	s := string(b)
	i := strings.LastIndexByte(s, '=')
	if i < 0 {
		return fmt.Errorf("%q: write PATH=PROGRAM or PATH=PROGRAM:SEVERITY", s)
	}
	path := s[:i]
	program, severity, given := strings.Cut(s[i+1:], ":")
	if !given {
		severity = defaultSeverity
	}
	if path == "" {
		return fmt.Errorf("%q: the path is missing", s)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("%q: %w", s, err)
	}
	if _, err := filepath.Match(path, ""); err != nil {
		return fmt.Errorf("%q: the path is not a pattern: a [ or \\ is not closed", s)
	}
	if program == "" || len(program) > 48 || strings.ContainsFunc(program, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%q: the program must be 1 to 48 characters of ASCII without blanks", s)
	}
	number, err := syslog.ParseSeverity(severity)
	if err != nil {
		return fmt.Errorf("%q: %w", s, err)
	}
	f.File = forwarder.File{Pattern: path, Program: program, Severity: number}
	return nil
}
